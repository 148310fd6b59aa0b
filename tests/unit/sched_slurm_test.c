/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/cleanup.h"
#include "sched/sched.h"
#include "sched/slurm/slurm.h"

static const char *const names[] = {
    "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID",  "SLURM_ARRAY_TASK_ID", "SLURM_STEP_ID",
    "SLURM_PROCID", "SLURM_RESTART_COUNT", "SLURM_JOB_NUM_NODES", "SLURM_HET_SIZE",
};

/* "NAME=VALUE ..." is all that Slurm has said. */
static void environment(const char *words)
{
    char text[512];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    snprintf(text, sizeof(text), "%s", words);
    for (char *rest = text, *word; (word = strsep(&rest, " "));) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = '\0';
        setenv(word, value, 1);
    }
}

static void a_job_is_called_as_slurm_calls_it(void **state)
{
    (void)state;
    static const struct {
        const char *words, *id;
        int again;
    } jobs[] = {
        {"SLURM_JOB_ID=1234 SLURM_PROCID=0 SLURM_JOB_NUM_NODES=1", "slurm-1234", 0},
        {"SLURM_JOB_ID=1234 SLURM_RESTART_COUNT=0", "slurm-1234", 0},
        {"SLURM_JOB_ID=1234 SLURM_RESTART_COUNT=2", "slurm-1234", 1},
        {"SLURM_JOB_ID=1240 SLURM_ARRAY_JOB_ID=1234 SLURM_ARRAY_TASK_ID=7", "slurm-1234_7", 0},
        {"SLURM_JOB_ID=5 SLURM_STEP_ID=0 SLURM_PROCID=3", "slurm-5.0.3", 0},
        {"SLURM_JOB_ID=9 SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=1 SLURM_STEP_ID=2 SLURM_PROCID=0", "slurm-5_1.2.0",
         0},
        {"SLURM_JOB_ID=5 SLURM_STEP_ID=4294967290 SLURM_PROCID=0", "slurm-5", 0}, /* the shell of salloc */
    };
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        const struct bv_sched *sched = NULL;
        struct bv_sched_job job = {0};
        environment(jobs[i].words);
        assert_ok(bv_sched_detect(&sched, &job, &err));
        assert_string_equal(sched->name, "slurm");
        assert_string_equal(job.id, jobs[i].id);
        assert_int_equal(strncmp(job.id + strlen("slurm-"), job.native, strlen(job.native)), 0);
        assert_int_equal(job.again, jobs[i].again);
        assert_ok(bv_job_id_check(job.id, &err));
    }
}

static void outside_of_a_scheduler_there_is_none(void **state)
{
    (void)state;
    const struct bv_sched *sched = (const struct bv_sched *)state;
    struct bv_sched_job job = {0};
    environment("SLURM_PROCID=0");
    assert_ok(bv_sched_detect(&sched, &job, &err));
    assert_null(sched);
}

static void what_cannot_be_checkpointed_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *words, *why;
        enum bv_code code;
    } jobs[] = {
        {"SLURM_JOB_ID=1 SLURM_JOB_NUM_NODES=2", "2 nodes", BV_EBLOCKED},
        {"SLURM_JOB_ID=1 SLURM_HET_SIZE=2", "heterogeneous", BV_EBLOCKED},
        {"SLURM_JOB_ID=x", "no number", BV_EUSAGE},
        {"SLURM_JOB_ID=-1", "no number", BV_EUSAGE},
        {"SLURM_JOB_ID=1/../2", "no number", BV_EUSAGE},
        {"SLURM_JOB_ID=99999999999999999999", "no number", BV_EUSAGE},
        {"SLURM_JOB_ID=1 SLURM_RESTART_COUNT=many", "SLURM_RESTART_COUNT", BV_EUSAGE},
        {"SLURM_JOB_ID=1 SLURM_STEP_ID=1x", "SLURM_STEP_ID", BV_EUSAGE},
        {"SLURM_JOB_ID=1 SLURM_ARRAY_JOB_ID=1 SLURM_ARRAY_TASK_ID=.", "SLURM_ARRAY_TASK_ID", BV_EUSAGE},
    };
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        const struct bv_sched *sched;
        struct bv_sched_job job;
        environment(jobs[i].words);
        assert_fails_saying(jobs[i].code, jobs[i].why, bv_sched_detect(&sched, &job, &err));
    }
}

static void a_requeued_job_is_constrained_to_what_its_node_has(void **state)
{
    static const struct {
        const char *features, *own, *all;
    } cases[] = {
        {"bv-x86_64,gpu,bv-avx2", "(null)", "bv-x86_64&bv-avx2"},
        {"bv-x86_64", "gpu&fast", "gpu&fast&bv-x86_64"},
        {"bv-x86_64,bv-aes", "bv-x86_64&gpu&bv-avx2", "gpu&bv-x86_64&bv-aes"},
        {"gpu", "gpu", "gpu"},
        {"(null)", "", ""},
        {"bv-x86_64", "[rack1|rack2]", NULL},
        {"bv-x86_64", "a|b", NULL},
        {"bv-x86_64", "a*2", NULL},
        {"bv-a;b,bv-$(c),bv-,bv-ok", "", "bv-ok"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autofree char *need = bv_slurm_need(cases[i].features);
        autofree char *all = bv_slurm_constrain(cases[i].own, need);
        if (cases[i].all)
            assert_string_equal(all, cases[i].all);
        else
            assert_null(all);
    }
    autofree char *nothing = bv_slurm_lacking("bv-a,bv-ab,gpu", "bv-ab&bv-a");
    autofree char *some = bv_slurm_lacking("bv-abc,gpu", "bv-ab&bv-abc&bv-d");
    assert_string_equal(nothing, "");
    assert_string_equal(some, "bv-ab&bv-d");
}

static void a_hook_is_told_of_one_job_on_one_node(void **state)
{
    (void)state;
    assert_int_equal(bv_slurm_place_check("12", "n1", NULL), 1);
    assert_int_equal(bv_slurm_place_check("12", "n[1-2]", NULL), 0);
    assert_int_equal(bv_slurm_place_check("12", "n1,n2", NULL), 0);
    assert_fails_saying(BV_EUSAGE, "SLURM_JOB_ID", bv_slurm_place_check("1_2", "n1", &err));
    assert_fails_saying(BV_EUSAGE, "SLURM_JOB_ID", bv_slurm_place_check(NULL, "n1", &err));
    assert_fails_saying(BV_EUSAGE, "NODELIST", bv_slurm_place_check("12", "", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_called_as_slurm_calls_it),
        cmocka_unit_test(outside_of_a_scheduler_there_is_none),
        cmocka_unit_test(what_cannot_be_checkpointed_is_refused),
        cmocka_unit_test(a_requeued_job_is_constrained_to_what_its_node_has),
        cmocka_unit_test(a_hook_is_told_of_one_job_on_one_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
