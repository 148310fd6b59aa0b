/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "sched/slurm/watch/plan.h"

static void a_deadline_is_told_when_it_moves(void **state)
{
    (void)state;
    struct slurm_told told = {0};
    assert_int_equal(slurm_plan(&(struct slurm_view){0}, SLURM_DRAIN_STOP, &told), 0);
    assert_int_equal(slurm_plan(&(struct slurm_view){.end_time = 100}, SLURM_DRAIN_STOP, &told), SLURM_TELL_DEADLINE);
    assert_int_equal(slurm_plan(&(struct slurm_view){.end_time = 100}, SLURM_DRAIN_STOP, &told), 0);
    assert_int_equal(slurm_plan(&(struct slurm_view){.end_time = 160}, SLURM_DRAIN_STOP, &told), SLURM_TELL_DEADLINE);
    assert_int_equal(slurm_plan(&(struct slurm_view){.end_time = 90}, SLURM_DRAIN_STOP, &told), SLURM_TELL_DEADLINE);
    assert_int_equal(slurm_plan(&(struct slurm_view){.end_time = 0}, SLURM_DRAIN_STOP, &told), SLURM_TELL_DEADLINE);
}

static void a_preemption_is_told_once_with_its_deadline(void **state)
{
    (void)state;
    struct slurm_told told = {.deadline = 1000};
    struct slurm_view v = {.end_time = 120, .preempt_time = 100};
    assert_int_equal(slurm_plan(&v, SLURM_DRAIN_STOP, &told), SLURM_TELL_DEADLINE | SLURM_TELL_PREEMPTED);
    assert_int_equal(slurm_plan(&v, SLURM_DRAIN_STOP, &told), 0);
}

static void a_drained_node_is_told_as_the_site_wants(void **state)
{
    (void)state;
    struct slurm_view drained = {.draining = 1}, well = {0};
    struct slurm_told told = {0};
    assert_int_equal(slurm_plan(&drained, SLURM_DRAIN_IGNORE, &told), 0);
    told = (struct slurm_told){0};
    assert_int_equal(slurm_plan(&drained, SLURM_DRAIN_CHECKPOINT, &told), SLURM_TELL_DRAINED);
    assert_int_equal(slurm_plan(&drained, SLURM_DRAIN_CHECKPOINT, &told), 0);
    assert_int_equal(slurm_plan(&well, SLURM_DRAIN_CHECKPOINT, &told), 0);
    assert_int_equal(slurm_plan(&drained, SLURM_DRAIN_CHECKPOINT, &told), SLURM_TELL_DRAINED);
}

static void nobody_is_asked_more_often_than_needed(void **state)
{
    (void)state;
    assert_true(slurm_poll_pause(30, 0, 0, 0) == 24);
    assert_true(slurm_poll_pause(30, 0, 0, 0.999) < 30);
    assert_true(slurm_poll_pause(30, 600, 0, 0.999) > 29); /* a long grace: as usual */
    assert_true(slurm_poll_pause(30, 30, 0, 0.999) < 10);  /* a third of it is left over */
    assert_true(slurm_poll_pause(30, 1, 0, 0.5) >= 1.6);
    assert_true(slurm_poll_pause(30, 0, 1, 0) == 48);
    assert_true(slurm_poll_pause(30, 15, 3, 0) == 32);
    assert_true(slurm_poll_pause(30, 15, 4000000000U, 0.999) <= 300);
    assert_true(slurm_poll_pause(3600, 0, 0, 0.999) > 3500); /* a site that asks rarely */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_told_when_it_moves),
        cmocka_unit_test(a_preemption_is_told_once_with_its_deadline),
        cmocka_unit_test(a_drained_node_is_told_as_the_site_wants),
        cmocka_unit_test(nobody_is_asked_more_often_than_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
