/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "sched/condor/ad.h"
#include "sched/condor/condor.h"
#include "sched/condor/sandbox.h"
#include "tmpdir.h"

#define ID "ClusterId = 12\nProcId = 3\n"

static struct bv_condor_ad ad_of(const char *text)
{
    return (struct bv_condor_ad){.text = (char *)(uintptr_t)text, .size = strlen(text)};
}

static void an_ad_gives_values(void **state)
{
    (void)state;
    const struct bv_condor_ad ad = ad_of("A = \"one \\\"two\\\" \\\\\"\n  bB=7\r\nC = 1.5e1\nD = TRUE\nE = undefined\n"
                                         "F = \"a\" == \"b\"\nG = DiskUsage\nAB = false\nbb = 8\nlast = \"x\"");
    autofree char *a = NULL, *last = NULL, *none = NULL;
    int64_t number = 0;
    int is = 0;
    assert_int_equal(bv_condor_ad_string(&ad, "a", &a), 1);
    assert_string_equal(a, "one \"two\" \\");
    assert_int_equal(bv_condor_ad_string(&ad, "LAST", &last), 1);
    assert_string_equal(last, "x");
    assert_int_equal(bv_condor_ad_int(&ad, "Bb", &number), 1);
    assert_int_equal(number, 8); /* the last one counts */
    assert_int_equal(bv_condor_ad_bool(&ad, "D", &is), 1);
    assert_int_equal(is, 1);
    assert_int_equal(bv_condor_ad_bool(&ad, "AB", &is), 1);
    assert_int_equal(is, 0);
    /* Of another kind, an expression, or not there. */
    assert_int_equal(bv_condor_ad_string(&ad, "F", &none), 0);
    assert_int_equal(bv_condor_ad_string(&ad, "bB", &none), 0);
    assert_int_equal(bv_condor_ad_string(&ad, "B", &none), 0);
    assert_int_equal(bv_condor_ad_int(&ad, "C", &number), 0);
    assert_int_equal(bv_condor_ad_int(&ad, "G", &number), 0);
    assert_int_equal(bv_condor_ad_bool(&ad, "E", &is), 0);
    const struct bv_condor_ad empty = {0}, odd = ad_of("=\n = \nA");
    assert_int_equal(bv_condor_ad_int(&empty, "A", &number), 0);
    assert_int_equal(bv_condor_ad_int(&odd, "A", &number), 0);
}

static void strings_come_back_as_they_were(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "plain", "with \"quotes\"", "\\", "a\\\"b", "end\\"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        autofree char *quoted = bv_condor_quote(texts[i]), *back = NULL;
        autofree char *line = bv_asprintf("X = %s\n", quoted);
        const struct bv_condor_ad ad = ad_of(line);
        assert_int_equal(bv_condor_ad_string(&ad, "X", &back), 1);
        assert_string_equal(back, texts[i]);
    }
    autofree char *broken = bv_condor_quote("two\nlines");
    assert_string_equal(broken, "\"two lines\"");
}

static void a_word_of_a_list_is_whole(void **state)
{
    (void)state;
    assert_true(bv_condor_list_has("a, _bivouac.ckpt", "_bivouac.ckpt"));
    assert_true(bv_condor_list_has("_bivouac.ckpt", "_bivouac.ckpt"));
    assert_false(bv_condor_list_has("a_bivouac.ckpt,_bivouac.ckpt.new", "_bivouac.ckpt"));
    assert_false(bv_condor_list_has("", "_bivouac.ckpt"));
}

/* In a directory of the test's, which is the sandbox, with these ads. */
static void enter(const struct tmpdir *d, const char *job, const char *machine)
{
    autofree char *job_ad = path_in(d, ".job.ad"), *machine_ad = path_in(d, ".machine.ad");
    put_text(d->fd, ".job.ad", job);
    put_text(d->fd, ".machine.ad", machine);
    assert_int_equal(chdir(d->path), 0);
    setenv("_CONDOR_JOB_AD", job_ad, 1);
    setenv("_CONDOR_MACHINE_AD", machine_ad, 1);
    setenv("_CONDOR_SCRATCH_DIR", d->path, 1);
}

static void a_job_is_what_its_ads_say(void **state)
{
    const struct tmpdir *d = *state;
    const struct bv_sched *sched = NULL;
    struct bv_sched_job named = {0};
    autocondor struct bv_condor_job plain = {.sandbox_fd = -1}, full = {.sandbox_fd = -1};
    enter(d, ID "RequestDisk = DiskUsage\n", "");
    assert_ok(bv_sched_detect(&sched, &named, &err));
    assert_ptr_equal(sched, &bv_sched_condor);
    assert_string_equal(named.id, "condor-12.3");
    assert_string_equal(named.native, "12.3");
    assert_int_equal(named.again, 0);
    assert_ok(bv_condor_job_read(&plain, &err));
    assert_true(plain.interval == 3600 && plain.window == 600);
    assert_int_equal(plain.disk, 0);
    assert_int_equal(plain.leave_signal, SIGTERM);
    assert_false(plain.is_listed || plain.wants_checkpoint);
    assert_string_equal(plain.sandbox, d->path);

    enter(d,
          ID "JobUniverse = 5\nRequestDisk = 2048\nBivouacInterval = 60\nBivouacNetwork = \"private\"\n"
             "BivouacStore = \"/scratch\"\nTransferOutput = \"a,_bivouac.ckpt\"\nJobMaxVacateTime = 4\n"
             "KillSig = \"SIGINT\"\nNumJobStarts = 2\ncheckpoint_restart = true\n",
          "MachineMaxVacateTime = 30\n");
    assert_ok(bv_condor_job_read(&full, &err));
    assert_true(full.interval == 60 && full.window == 4);
    assert_int_equal(full.disk, 2048 * 1024);
    assert_int_equal(full.leave_signal, SIGINT);
    assert_string_equal(full.network, "private");
    assert_string_equal(full.store, "/scratch");
    assert_true(full.is_listed && full.wants_checkpoint && full.name.again);
}

static void what_cannot_work_is_refused_with_what_to_do(void **state)
{
    const struct tmpdir *d = *state;
    static const struct {
        const char *ad, *words;
        enum bv_code code;
    } bad[] = {
        {"ClusterId = 1\n", "names no ClusterId", BV_EUSAGE},
        {"ClusterId = -1\nProcId = 0\n", "names no ClusterId", BV_EUSAGE},
        {ID "JobUniverse = 11\n", "parallel universe", BV_EBLOCKED},
        {ID "JobUniverse = 12\n", "local universe", BV_EBLOCKED},
        {ID "BivouacInterval = 0\n", "BivouacInterval is no number", BV_EBLOCKED},
        {ID "BivouacInterval = \"60\"\n", "write +BivouacInterval = 3600", BV_EBLOCKED},
        {ID "BivouacNetwork = private\n", "write +BivouacNetwork = \"private\"", BV_EBLOCKED},
        {ID "BivouacStore = 7\n", "BivouacStore is no path", BV_EBLOCKED},
        {ID "JobUniverse = 5\nWantDocker = true\n", "docker universe", BV_EBLOCKED},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autocondor struct bv_condor_job j = {.sandbox_fd = -1};
        enter(d, bad[i].ad, "");
        assert_fails_saying(bad[i].code, bad[i].words, bv_condor_job_read(&j, &err));
    }
    autocondor struct bv_condor_job elsewhere = {.sandbox_fd = -1};
    enter(d, ID, "");
    assert_int_equal(chdir("/"), 0);
    assert_fails_saying(BV_EBLOCKED, "should_transfer_files = YES", bv_condor_job_read(&elsewhere, &err));
    autocondor struct bv_condor_job none = {.sandbox_fd = -1};
    unsetenv("_CONDOR_JOB_AD");
    assert_fails_saying(BV_EUSAGE, "no job of HTCondor", bv_condor_job_read(&none, &err));
}

/* --- the file --- */

static void how_a_job_ended_is_carried_with_its_files(void **state)
{
    struct tmpdir *d = *state;
    struct bv_condor_arrival a = {0};
    autocondor struct bv_condor_job j = {.sandbox_fd = -1};
    enter(d, ID, "");
    assert_ok(bv_condor_job_read(&j, &err));
    assert_int_equal(mkdirat(d->fd, "deep", 0755), 0);
    put_text(d->fd, "deep/result", "42\n");
    put_program(d->fd, "tool", "#!/bin/sh\n");
    assert_int_equal(symlinkat("deep/result", d->fd, "link"), 0);
    assert_ok(bv_condor_leave_end(&j, (struct bv_outcome){.how = BV_ENDED_SIGNAL, .number = 9}, 1, &err));
    unlinkat(d->fd, "deep/result", 0);
    unlinkat(d->fd, "deep", AT_REMOVEDIR);
    unlinkat(d->fd, "tool", 0);
    unlinkat(d->fd, "link", 0);
    assert_ok(bv_condor_arrive(&j, NULL, &a, &err));
    assert_true(a.is_ended && !a.is_job);
    assert_int_equal(a.end.how, BV_ENDED_SIGNAL);
    assert_int_equal(a.end.number, 9);
    assert_text(d->fd, "deep/result", "42\n");
    assert_int_equal(faccessat(d->fd, "link", R_OK, 0), 0);
    assert_int_equal(faccessat(d->fd, "tool", X_OK, 0), 0);
    assert_missing(d->fd, BV_CONDOR_FILE);
}

static void nothing_and_an_empty_file_are_the_first_time(void **state)
{
    struct tmpdir *d = *state;
    struct bv_condor_arrival a = {0};
    autocondor struct bv_condor_job j = {.sandbox_fd = -1};
    enter(d, ID, "");
    assert_ok(bv_condor_job_read(&j, &err));
    assert_ok(bv_condor_arrive(&j, NULL, &a, &err));
    assert_false(a.is_job || a.is_ended);
    assert_ok(bv_condor_leave_nothing(&j, &err));
    assert_ok(bv_condor_arrive(&j, NULL, &a, &err));
    assert_false(a.is_job || a.is_ended);
}

/* Whatever byte is wrong, nothing is taken for an end that was not. */
static void a_damaged_end_is_refused(void **state)
{
    struct tmpdir *d = *state;
    autocondor struct bv_condor_job j = {.sandbox_fd = -1};
    autofree char *whole = NULL;
    size_t size;
    enter(d, ID, "");
    assert_ok(bv_condor_job_read(&j, &err));
    put_text(d->fd, "result", "forty-two\n");
    assert_ok(bv_condor_leave_end(&j, (struct bv_outcome){.how = BV_ENDED_EXIT, .number = 7}, 1, &err));
    assert_ok(bv_read_file(d->fd, BV_CONDOR_FILE, 1 << 20, &whole, &size, &err));
    /* Not of the last 1536 bytes: but for the digest they mean nothing. */
    for (size_t cut = 0; cut + 1536 < size; cut += 509) {
        struct bv_condor_arrival a = {0};
        put_bytes(d->fd, BV_CONDOR_FILE, whole, cut ? cut : 1);
        assert_fails_saying(BV_ECORRUPT, BV_CONDOR_FILE, bv_condor_arrive(&j, NULL, &a, &err));
    }
    const char *at = memmem(whole, size, "forty-two", 9);
    assert_non_null(at);
    whole[at - whole] ^= 1;
    struct bv_condor_arrival a = {0};
    put_bytes(d->fd, BV_CONDOR_FILE, whole, size);
    assert_fails_saying(BV_ECORRUPT, "digest", bv_condor_arrive(&j, NULL, &a, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ad_gives_values),
        cmocka_unit_test(strings_come_back_as_they_were),
        cmocka_unit_test(a_word_of_a_list_is_whole),
        tmpdir_test(a_job_is_what_its_ads_say),
        tmpdir_test(what_cannot_work_is_refused_with_what_to_do),
        tmpdir_test(how_a_job_ended_is_carried_with_its_files),
        tmpdir_test(nothing_and_an_empty_file_are_the_first_time),
        tmpdir_test(a_damaged_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
