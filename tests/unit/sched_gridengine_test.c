/* SPDX-License-Identifier: Apache-2.0 */
/* What Grid Engine says, and how it is told. */
#include "unit.h"

#include "base/cleanup.h"
#include "sched/gridengine/gridengine.h"
#include "sched/gridengine/methods.h"
#include "sched/gridengine/qconf.h"
#include "sched/gridengine/qstat.h"
#include "sched/gridengine/start.h"

static void environment(const char *job, const char *task, const char *restarted, const char *hosts)
{
    const char *const names[] = {"JOB_ID", "SGE_TASK_ID", "RESTARTED", "NHOSTS"};
    const char *const values[] = {job, task, restarted, hosts};
    for (size_t i = 0; i < 4; i++)
        if (values[i])
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
}

static void a_job_is_called_by_its_number_and_task(void **state)
{
    (void)state;
    static const struct {
        const char *job, *task, *restarted, *id;
        int again;
    } jobs[] = {
        {"5", "undefined", "0", "sge-5.1", 0},
        {"5", "2", "1", "sge-5.2", 1},
        {"1234567", "1", "2", "sge-1234567.1", 1},
        {"5", "undefined", NULL, "sge-5.1", 0},
    };
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        const struct bv_sched *sched = NULL;
        struct bv_sched_job job = {0};
        struct bv_gridengine_id id;
        environment(jobs[i].job, jobs[i].task, jobs[i].restarted, "1");
        assert_ok(bv_sched_detect(&sched, &job, &err));
        assert_ptr_equal(sched, &bv_sched_gridengine);
        assert_string_equal(job.id, jobs[i].id);
        assert_string_equal(job.native, jobs[i].id + strlen("sge-"));
        assert_int_equal(job.again, jobs[i].again);
        assert_ptr_equal(bv_sched_of(job.id), &bv_sched_gridengine);
        assert_int_equal(bv_gridengine_name_parse(job.id, &id), 1);
    }
}

static void what_is_no_job_of_it_is_none(void **state)
{
    const struct bv_sched *sched = (const struct bv_sched *)state;
    struct bv_sched_job job;
    struct bv_gridengine_id id;
    static const char *const names[] = {"sge-5",  "sge-.1", "sge-0.1", "sge-5.0",  "sge-05.1", "sge-5.1.1",
                                        "sge-5.", "5.1",    "lsf-5.1", "sge--5.1", "sge-5.1 ", ""};
    environment("5", NULL, NULL, NULL);
    assert_ok(bv_sched_detect(&sched, &job, &err));
    assert_null(sched);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(bv_gridengine_name_parse(names[i], &id), 0);
}

static void an_environment_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    const struct bv_sched *sched;
    struct bv_sched_job job;
    environment("5/../6", "undefined", "0", "1");
    assert_fails_saying(BV_EUSAGE, "JOB_ID", bv_sched_detect(&sched, &job, &err));
    environment("5", "x", "0", "1");
    assert_fails_saying(BV_EUSAGE, "task", bv_sched_detect(&sched, &job, &err));
    environment("5", "1", "maybe", "1");
    assert_fails_saying(BV_EUSAGE, "RESTARTED", bv_sched_detect(&sched, &job, &err));
    environment("5", "undefined", "0", "3");
    assert_fails_saying(BV_EBLOCKED, "3 hosts", bv_sched_detect(&sched, &job, &err));
    environment(NULL, NULL, NULL, NULL);
}

static void the_commands_take_a_process_a_job_and_a_task(void **state)
{
    (void)state;
    static const char *const bad[][4] = {
        {"1", "5", "1"},    {"0", "5", "1"},   {"-4", "5", "1"},    {"4711x", "5", "1"}, {"99999999999", "5", "1"},
        {"4711", "0", "1"}, {"4711", "", "1"}, {"4711", "5", "-1"}, {"4711", "5"},
    };
    char pid[] = "4711", job[] = "5", task[] = "undefined";
    char *good[] = {pid, job, task};
    struct bv_gridengine_args a;
    assert_ok(bv_gridengine_args_parse(3, good, &a, &err));
    assert_true(a.pid == 4711 && a.id.job == 5 && a.id.task == 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int argc = 0;
        while (argc < 4 && bad[i][argc])
            argc++;
        assert_fails(BV_EUSAGE, bv_gridengine_args_parse(argc, (char *const *)bad[i], &a, &err));
    }
}

/* The words with one space between them. */
static void assert_words(char **words, const char *expected)
{
    char text[256] = "";
    for (size_t i = 0; words[i]; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", words[i]);
    assert_string_equal(text, expected);
}

static void a_script_is_run_as_grid_engine_would_run_it(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *shell, *login, *words;
        int script;
    } cases[] = {
        {"posix_compliant", "/bin/bash", NULL, "/bin/bash /spool/job_scripts/5 a b", 1},
        {"posix_compliant", "/bin/sh", "true", "/bin/sh -l /spool/job_scripts/5 a b", 2},
        {"posix_compliant", "/bin/csh", "true", "/bin/csh /spool/job_scripts/5 a b", 1},
        {"unix_behavior", "/bin/csh", "true", "/spool/job_scripts/5 a b", 0},
        {"posix_compliant", "", NULL, "/spool/job_scripts/5 a b", 0},
        {NULL, NULL, NULL, "/spool/job_scripts/5 a b", 0},
    };
    char script[] = "/spool/job_scripts/5", a[] = "a", b[] = "b", job[] = "5";
    char *argv[] = {script, a, b};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bv_gridengine_how how = {job, cases[i].mode, cases[i].shell, cases[i].login};
        int at;
        autofree char **words = bv_gridengine_command(&how, 3, argv, &at);
        assert_words(words, cases[i].words);
        assert_int_equal(at, cases[i].script);
    }
}

static void a_program_of_the_user_is_run_as_it_is(void **state)
{
    (void)state;
    char program[] = "/usr/bin/job_scripts", other[] = "/spool/job_scripts/6", bare[] = "5", job[] = "5";
    char *const programs[] = {program, other, bare};
    struct bv_gridengine_how how = {job, "posix_compliant", "/bin/sh", "true"};
    for (size_t i = 0; i < 3; i++) {
        int at;
        autofree char **words = bv_gridengine_command(&how, 1, &programs[i], &at);
        assert_words(words, programs[i]);
        assert_int_equal(at, -1);
    }
}

static void attributes_are_found_in_what_qconf_prints(void **state)
{
    (void)state;
    static const char text[] = "ckpt_name          bivouac\n"
                               "ckpt_command       /usr/local/bin/bivouac gridengine ckpt $job_pid $job_id \\\n"
                               "                   $ja_task_id\n"
                               "ckpt_dir           none\n"
                               "when               xsmr\n";
    autofree char *command = bv_gridengine_attribute(text, "ckpt_command");
    autofree char *when = bv_gridengine_attribute(text, "when");
    autofree char *missing = bv_gridengine_attribute(text, "ckpt");
    autofree char *wanted = bv_gridengine_ckpt_text("/usr/local/bin/bivouac", NULL);
    autofree char *shared = bv_gridengine_ckpt_text("/usr/local/bin/bivouac", "/shared");
    autofree char *dir = bv_gridengine_attribute(shared, "ckpt_dir");
    assert_string_equal(command, "/usr/local/bin/bivouac gridengine ckpt $job_pid $job_id $ja_task_id");
    assert_string_equal(when, "xsmr");
    assert_null(missing);
    assert_string_equal(dir, "/shared");
    assert_true(bv_gridengine_agrees(wanted, wanted));
    assert_true(bv_gridengine_agrees(text, "ckpt_dir NONE\nwhen xsmr\n"));
    assert_false(bv_gridengine_agrees(text, wanted));
    assert_false(bv_gridengine_agrees(shared, wanted));
    assert_true(bv_gridengine_listed("make bivouac,other", "bivouac"));
    assert_true(bv_gridengine_listed("make,bivouac", "bivouac"));
    assert_false(bv_gridengine_listed("make bivouac2", "bivouac"));
    assert_false(bv_gridengine_listed("NONE", "bivouac"));
}

static void jobs_are_found_in_what_qstat_prints(void **state)
{
    (void)state;
    struct bv_gridengine_known k = {0};
    assert_ok(bv_gridengine_known_parse("<?xml version='1.0'?>\n<job_info  xmlns:xsd=\"x\">\n<queue_info><job_list>"
                                        "<JB_job_number>7</JB_job_number></job_list></queue_info><job_info>"
                                        "<JB_job_number>12</JB_job_number></job_info>\n</job_info>\n",
                                        &k, &err));
    assert_int_equal(k.count, 2);
    assert_true(bv_gridengine_knows(&k, 7) && bv_gridengine_knows(&k, 12));
    assert_false(bv_gridengine_knows(&k, 1));
    bv_gridengine_known_free(&k);
    assert_ok(bv_gridengine_known_parse("<job_info></job_info>", &k, &err));
    assert_int_equal(k.count, 0);
    bv_gridengine_known_free(&k);
}

/* What is left out would be taken for gone, and removed. */
static void half_a_list_of_jobs_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "error: commlib error: got select error (Connection refused)",
        "<job_info><JB_job_number>7</JB_job_number>",
        "<job_info><JB_job_number>7</JB_job_number></job_in",
        "<job_info><JB_job_number>7 </JB_job_number></job_info>",
        "<job_info><JB_job_number></JB_job_number></job_info>",
        "<job_info><JB_job_number>7</job_info>",
    };
    struct bv_gridengine_known k;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(BV_EPROTO, bv_gridengine_known_parse(bad[i], &k, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_called_by_its_number_and_task),
        cmocka_unit_test(what_is_no_job_of_it_is_none),
        cmocka_unit_test(an_environment_that_makes_no_sense_is_refused),
        cmocka_unit_test(the_commands_take_a_process_a_job_and_a_task),
        cmocka_unit_test(a_script_is_run_as_grid_engine_would_run_it),
        cmocka_unit_test(a_program_of_the_user_is_run_as_it_is),
        cmocka_unit_test(attributes_are_found_in_what_qconf_prints),
        cmocka_unit_test(jobs_are_found_in_what_qstat_prints),
        cmocka_unit_test(half_a_list_of_jobs_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
