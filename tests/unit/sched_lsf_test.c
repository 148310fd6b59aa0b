/* SPDX-License-Identifier: Apache-2.0 */
/* What LSF says, and what a hook makes of it. */
#include "tmpdir.h"

#include "sched/lsf/args.h"
#include "sched/lsf/ask.h"
#include "sched/lsf/end_job.h"
#include "sched/lsf/overrun.h"
#include "sched/lsf/place.h"
#include "sched/lsf/restart_cmd.h"

static int parse(const char *line, struct bv_lsf_echkpnt_args *ret, struct bv_error *err)
{
    static char text[256];
    char *argv[16] = {(char *)"echkpnt.bivouac"}, *save = NULL;
    int argc = 1;
    snprintf(text, sizeof(text), "%s", line);
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    return bv_lsf_echkpnt_parse(argc, argv, ret, err);
}

static void the_documented_syntax_of_echkpnt_is_understood(void **state)
{
    (void)state;
    struct bv_lsf_echkpnt_args a;
    assert_ok(parse("-c -f -k -x -d 103.tmp 4711", &a, &err));
    assert_int_equal(a.pgid, 4711);
    assert_true(a.kill && !a.stop);
    assert_string_equal(a.dir, "103.tmp");
    assert_ok(parse("-cs -d103.tmp 2", &a, &err));
    assert_true(a.stop && !a.kill);
    assert_string_equal(a.dir, "103.tmp");
    assert_ok(parse("4711", &a, &err));
    assert_null(a.dir);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "-d 103.tmp", "-k -s 4711", "-z 4711",   "4711 4712",     "1",      "0",         "-1", "4711x",
        "0x10", "4711 -d",    "-d",         "--d x 471", "9999999999999", "- 4711", "-kd= -s 1", " "};
    struct bv_lsf_echkpnt_args a;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(BV_EUSAGE, parse(bad[i], &a, &err));
}

static void ids_are_those_of_lsf_and_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "0",
                                      "x",
                                      "01",
                                      "1 ",
                                      "1[",
                                      "1[]",
                                      "1[0]",
                                      "1[01]",
                                      "[1]",
                                      "1]",
                                      "1[1]]",
                                      "-1",
                                      "9999999999999999999999",
                                      "1[999999999]",
                                      "1/..",
                                      "1[1",
                                      "1[-1]"};
    struct bv_lsf_id id;
    char text[BV_LSF_ID_TEXT], name[BV_JOB_ID_MAX + 1];
    assert_ok(bv_lsf_id_parse("77[3]", &id, &err));
    assert_int_equal(id.job, 77);
    assert_int_equal(id.index, 3);
    bv_lsf_id_text(id, text);
    assert_string_equal(text, "77[3]");
    bv_lsf_job_name(id, name);
    assert_string_equal(name, "lsf-77[3]");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(BV_EUSAGE, bv_lsf_id_parse(bad[i], &id, &err));
}

static void the_environment_names_the_job(void **state)
{
    (void)state;
    struct bv_lsf_id id;
    unsetenv("LSB_JOBID");
    assert_int_equal(bv_lsf_job(&id, NULL), 0);
    setenv("LSB_JOBID", "77", 1);
    setenv("LSB_JOBINDEX", "0", 1);
    assert_int_equal(bv_lsf_job(&id, NULL), 1);
    assert_int_equal(id.index, 0);
    setenv("LSB_JOBINDEX", "3", 1);
    assert_int_equal(bv_lsf_job(&id, NULL), 1);
    assert_int_equal(id.index, 3);
    setenv("LSB_JOBINDEX", "three", 1);
    assert_fails(BV_EUSAGE, bv_lsf_job(&id, &err));
    setenv("LSB_JOBID", "none", 1);
    assert_fails_saying(BV_EUSAGE, "LSB_JOBID", bv_lsf_job(&id, &err));
    unsetenv("LSB_JOBID");
    unsetenv("LSB_JOBINDEX");
}

static void run_limits_are_found_in_what_bjobs_says(void **state)
{
    (void)state;
    assert_int_equal(bv_lsf_run_limit("Job <1>\n\n RUNLIMIT\n 60.0 min of hosta\n"), 60);
    assert_int_equal(bv_lsf_run_limit(" RUNLIMIT                PROCLIMIT\n 0.5 min of hosta   2\n"), 1);
    assert_int_equal(bv_lsf_run_limit(" CPULIMIT\n 5.0 min of h\n RUNLIMIT  \n 1440.0 min\n"), 1440);
    assert_int_equal(bv_lsf_run_limit("Job Name <RUNLIMIT>\n 5.0 min of h\n"), 0);
    assert_int_equal(bv_lsf_run_limit(" RUNLIMIT\n none\n"), 0);
    assert_int_equal(bv_lsf_run_limit(" RUNLIMIT"), 0);
    assert_int_equal(bv_lsf_run_limit(""), 0);
    assert_int_equal(bv_lsf_submitted("Job <105> is submitted to queue <orun>.\n"), 105);
    assert_int_equal(bv_lsf_submitted("Job <x>\nJob <7> is submitted to default queue <normal>.\n"), 7);
    assert_int_equal(bv_lsf_submitted("Job <7> is not submitted.\n"), 0);
    assert_int_equal(bv_lsf_submitted(""), 0);
}

static void lists_of_processes_leave_out_what_is_none(void **state)
{
    (void)state;
    struct bv_lsf_pids pids;
    bv_lsf_pids_parse(" 12  x 1 0 -5 99999999999 13\n14", &pids);
    assert_int_equal(pids.count, 3);
    assert_int_equal(pids.pid[2], 14);
    bv_lsf_pids_parse(NULL, &pids);
    assert_int_equal(pids.count, 0);
}

static const char *lookup(void *arg, const char *name)
{
    const char *const *pairs = arg;
    for (; *pairs; pairs += 2)
        if (strcmp(*pairs, name) == 0)
            return pairs[1];
    return NULL;
}

static void the_policy_is_in_the_environment(void **state)
{
    (void)state;
    struct bv_lsf_policy p;
    const char *none[] = {NULL};
    const char *all[] = {"ENABLE_ORUN_CHKPNT",
                         "Y",
                         "ENABLE_ORUN_RESTART",
                         "y",
                         "ORUN_RESTART_LIMIT",
                         "5",
                         "ORUN_TIMEOUT_SECONDS",
                         "30",
                         NULL};
    const char *bad[] = {"ORUN_RESTART_LIMIT", "-1", NULL};
    assert_ok(bv_lsf_policy_read(lookup, none, &p, &err));
    assert_true(!p.checkpoint && !p.restart && p.limit == 2 && p.timeout == 180);
    assert_ok(bv_lsf_policy_read(lookup, all, &p, &err));
    assert_true(p.checkpoint && p.restart && p.limit == 5 && p.timeout == 30);
    assert_fails_saying(BV_EUSAGE, "ORUN_RESTART_LIMIT", bv_lsf_policy_read(lookup, bad, &p, &err));
}

static void only_a_job_at_its_run_limit_is_saved_and_only_so_often(void **state)
{
    (void)state;
    struct bv_lsf_situation s = {
        .at_run_limit = 1, .our_method = 1, .policy = {1, 1, 2, 180}, .now = 1000, .overrun.at = 900};
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_CHECKPOINT);
    s.overrun.restarts = 2;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_END);
    s.policy.restart = 0;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_CHECKPOINT);
    s.policy.checkpoint = 0;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_END);
    s.policy.checkpoint = 1;
    s.our_method = 0;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_END);
    s.our_method = 1;
    s.at_run_limit = 0;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_END);
    s.at_run_limit = 1;
    s.overrun.state = BV_LSF_STARTED;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_WAIT);
    s.now = 900 + 180;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_END);
    s.now = 800; /* the clock was set back */
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_END);
    s.overrun.state = BV_LSF_FAILED;
    s.now = 1000;
    assert_int_equal(bv_lsf_decide(&s), BV_LSF_END);
}

static void the_state_is_of_one_run_and_the_count_goes_on(void **state)
{
    struct tmpdir *d = *state;
    autoplace struct bv_lsf_place p = {.dirfd = -1};
    struct bv_lsf_overrun o;
    struct bv_lsf_id first = {103, 0}, second = {105, 0};
    assert_ok(bv_lsf_place_open(d->path, &p, &err));
    assert_ok(bv_lsf_overrun_read(&p, first, &o, &err));
    assert_true(o.state == BV_LSF_NONE && o.restarts == 0);
    o.state = BV_LSF_CHECKPOINTED;
    o.run_limit = 60;
    o.at = 1000;
    assert_ok(bv_lsf_overrun_write(&p, &o, &err));
    assert_ok(bv_lsf_overrun_read(&p, second, &o, &err));
    assert_true(o.state == BV_LSF_NONE && o.restarts == 0 && o.run_limit == 0); /* brestart by hand does not count */
    assert_ok(bv_lsf_overrun_read(&p, first, &o, &err));
    assert_true(o.state == BV_LSF_CHECKPOINTED && o.run_limit == 60);
    o.state = BV_LSF_RESTARTED;
    o.next = 105;
    assert_ok(bv_lsf_overrun_write(&p, &o, &err));
    assert_ok(bv_lsf_overrun_read(&p, second, &o, &err));
    assert_true(o.state == BV_LSF_NONE && o.restarts == 1);
    put_bytes(p.dirfd, ".bivouac-overrun", "{}", 2);
    assert_fails(BV_ECORRUPT, bv_lsf_overrun_read(&p, first, &o, &err));
}

static void a_checkpoint_directory_knows_its_job(void **state)
{
    struct tmpdir *d = *state;
    autoplace struct bv_lsf_place p = {.dirfd = -1}, again = {.dirfd = -1};
    assert_ok(bv_lsf_place_open(d->path, &p, &err));
    assert_fails(BV_ENOJOB, bv_lsf_place_read(&p, &err));
    assert_ok(bv_lsf_place_write(&p, "lsf-103", NULL, &err));
    assert_ok(bv_lsf_place_open(d->path, &again, &err));
    assert_ok(bv_lsf_place_read(&again, &err));
    assert_string_equal(again.job, "lsf-103");
    autofree char *own = bv_asprintf("%s/.bivouac", p.path);
    assert_string_equal(again.store, own);
    assert_ok(bv_lsf_place_write(&p, "mine", "/shared/ckpt", &err));
    assert_ok(bv_lsf_place_read(&again, &err));
    assert_string_equal(again.store, "/shared/ckpt");
    assert_string_equal(again.job, "mine");
    put_bytes(p.dirfd, ".bivouac-job", "{\"format\":\"bivouac-lsf 1\",\"job\":\"../x\"}", 39);
    assert_fails(BV_ECORRUPT, bv_lsf_place_read(&again, &err));
}

static void a_directory_of_others_is_none(void **state)
{
    struct tmpdir *d = *state;
    autoplace struct bv_lsf_place p = {.dirfd = -1};
    assert_int_equal(fchmod(d->fd, 0777), 0);
    assert_fails(BV_EDENIED, bv_lsf_place_open(d->path, &p, &err));
    assert_fails(BV_ENODIR, bv_lsf_place_open("/nonexistent", &p, &err));
}

static void words_are_quoted_for_a_shell(void **state)
{
    (void)state;
    autofree char *plain = bv_lsf_quote("/a b"), *quote = bv_lsf_quote("it's"), *empty = bv_lsf_quote("");
    assert_string_equal(plain, "'/a b'");
    assert_string_equal(quote, "'it'\\''s'");
    assert_string_equal(empty, "''");
}

static void what_a_command_of_lsf_says_comes_back(void **state)
{
    struct tmpdir *d = *state;
    autofree char *said = NULL;
    setenv("LSF_BINDIR", d->path, 1);
    put_bytes(d->fd, "bjobs", "#!/bin/sh\necho \"$# $1\"; exit ${2:-0}\n", 38);
    assert_int_equal(fchmodat(d->fd, "bjobs", 0755, 0), 0);
    const char *const good[] = {"bjobs", "a b", NULL}, *const bad[] = {"bjobs", "x", "3", NULL},
                      *const none[] = {"bnone", NULL};
    assert_ok(bv_lsf_command(good, 10, &said, &err));
    assert_string_equal(said, "1 a b\n");
    assert_fails_saying(BV_EINTERNAL, "bjobs failed: 2 x", bv_lsf_command(bad, 10, &said, &err));
    assert_fails(BV_ENOCMD, bv_lsf_command(none, 10, &said, &err));
    put_bytes(d->fd, "bjobs", "#!/bin/sh\nexec sleep 100\n", 25);
    assert_fails(BV_ETIMEOUT, bv_lsf_command(good, 0.2, &said, &err));
    static const char silent[] = "#!/bin/sh\nexec sleep 100 >&- 2>&-\n";
    put_bytes(d->fd, "bjobs", silent, sizeof(silent) - 1);
    assert_fails(BV_ETIMEOUT, bv_lsf_command(good, 0.2, &said, &err));
    unsetenv("LSF_BINDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_syntax_of_echkpnt_is_understood),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(ids_are_those_of_lsf_and_nothing_else),
        cmocka_unit_test(the_environment_names_the_job),
        cmocka_unit_test(run_limits_are_found_in_what_bjobs_says),
        cmocka_unit_test(lists_of_processes_leave_out_what_is_none),
        cmocka_unit_test(the_policy_is_in_the_environment),
        cmocka_unit_test(only_a_job_at_its_run_limit_is_saved_and_only_so_often),
        cmocka_unit_test(words_are_quoted_for_a_shell),
        tmpdir_test(the_state_is_of_one_run_and_the_count_goes_on),
        tmpdir_test(a_checkpoint_directory_knows_its_job),
        tmpdir_test(a_directory_of_others_is_none),
        tmpdir_test(what_a_command_of_lsf_says_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
