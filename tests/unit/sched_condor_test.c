/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sched/condor/condor.h"

#define ID "ClusterId = 12\nProcId = 3\n"

static void an_ad_gives_values(void **state)
{
    (void)state;
    static const char ad[] =
        "A = \"one \\\"two\\\" \\\\\"\n  bB=7\r\nC = 1.5e1\nD = TRUE\nE = undefined\nF = \"a\" == \"b\"\n"
        "G = DiskUsage\nAB = false\nlast = \"x\"";
    autofree char *a = NULL, *last = NULL, *none = NULL, *raw = bv_condor_ad_value(ad, "e");
    double number;
    int is;
    assert_int_equal(bv_condor_ad_string(ad, "a", &a), 1);
    assert_string_equal(a, "one \"two\" \\");
    assert_int_equal(bv_condor_ad_string(ad, "LAST", &last), 1);
    assert_string_equal(last, "x");
    assert_string_equal(raw, "undefined");
    assert_int_equal(bv_condor_ad_number(ad, "Bb", &number), 1);
    assert_true(number == 7);
    assert_int_equal(bv_condor_ad_number(ad, "C", &number), 1);
    assert_true(number == 15);
    assert_int_equal(bv_condor_ad_bool(ad, "D", &is), 1);
    assert_int_equal(is, 1);
    assert_int_equal(bv_condor_ad_bool(ad, "AB", &is), 1);
    assert_int_equal(is, 0);
    /* Of another kind, an expression, or not there. */
    assert_int_equal(bv_condor_ad_string(ad, "F", &none), 0);
    assert_int_equal(bv_condor_ad_string(ad, "bB", &none), 0);
    assert_int_equal(bv_condor_ad_string(ad, "B", &none), 0);
    assert_int_equal(bv_condor_ad_number(ad, "G", &number), 0);
    assert_int_equal(bv_condor_ad_number(ad, "A", &number), 0);
    assert_int_equal(bv_condor_ad_bool(ad, "E", &is), 0);
    assert_null(bv_condor_ad_value("", "A"));
    assert_null(bv_condor_ad_value("=\n = \nA", "A"));
}

static void a_job_is_what_its_ad_says(void **state)
{
    (void)state;
    autocondorjob struct bv_condor_job plain = {0}, full = {0};
    assert_ok(bv_condor_job_parse(ID "RequestDisk = DiskUsage\n", &plain, &err));
    assert_int_equal(plain.cluster, 12);
    assert_int_equal(plain.proc, 3);
    assert_true(plain.interval == 3600);
    assert_int_equal(plain.disk, 0);
    assert_int_equal(plain.is_listed, 0);
    assert_null(plain.network);
    assert_ok(bv_condor_job_check(&plain, &err));
    assert_ok(bv_condor_job_parse(
        ID "JobUniverse = 5\nRequestDisk = 2048\nBivouacInterval = 60\nBivouacNetwork = \"private\"\n"
           "BivouacStore = \"/scratch\"\nTransferOutput = \"a,_bivouac.ckpt\"\nJobMaxVacateTime = 4\n",
        &full, &err));
    assert_int_equal(full.disk, 2048 * 1024);
    assert_true(full.interval == 60);
    assert_true(full.vacate == 4);
    assert_string_equal(full.network, "private");
    assert_string_equal(full.store, "/scratch");
    assert_int_equal(full.is_listed, 1);
}

static void disk_that_was_not_asked_for_is_no_limit(void **state)
{
    (void)state;
    autocondorjob struct bv_condor_job j = {0};
    assert_ok(bv_condor_job_parse(ID "RequestDisk = 27\nBivouacDiskGiven = false\n", &j, &err));
    assert_int_equal(j.disk, 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *ad, *words;
    } bad[] = {
        {"", "no ClusterId"},
        {"ClusterId = 1\n", "no ClusterId"},
        {"ClusterId = -1\nProcId = 0\n", "no ClusterId"},
        {ID "BivouacInterval = 0\n", "BivouacInterval is '0'"},
        {ID "BivouacInterval = \"60\"\n", "write a number of seconds"},
        {ID "JobMaxVacateTime = 1e99\n", "JobMaxVacateTime"},
        {ID "BivouacNetwork = \"both\"\n", "write \"host\" or \"private\""},
        {ID "BivouacStore = \"here\"\n", "write an absolute path"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autocondorjob struct bv_condor_job j = {0};
        assert_fails_saying(BV_EUSAGE, bad[i].words, bv_condor_job_parse(bad[i].ad, &j, &err));
    }
}

static void other_universes_are_refused_with_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *ad, *words;
    } bad[] = {
        {ID "JobUniverse = 11\n", "parallel universe"},
        {ID "JobUniverse = 13\n", "universe 13"},
        {ID "JobUniverse = 5\nWantDocker = true\n", "'bivouac condor run --'"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autocondorjob struct bv_condor_job j = {0};
        assert_ok(bv_condor_job_parse(bad[i].ad, &j, &err));
        assert_fails_saying(BV_EBLOCKED, bad[i].words, bv_condor_job_check(&j, &err));
    }
}

static int head_file(const struct bv_condor_head *h)
{
    int fd = memfd_create("head", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(bv_condor_head_write(fd, h, &err));
    return fd;
}

static void a_head_is_read_as_it_was_written(void **state)
{
    (void)state;
    const struct bv_condor_head h = {.cpu_s = 1.5,
                                     .frozen_s = 0.25,
                                     .checkpoints = 3,
                                     .peak_kib = 4096,
                                     .end = BV_CONDOR_SIGNALED,
                                     .number = 9,
                                     .count = 2,
                                     .exports = {{7, 9000, 100}, {6, BV_CONDOR_HEAD, 4904}}};
    autoclose int fd = head_file(&h);
    struct bv_condor_head got = {0};
    assert_int_equal(bv_condor_head_read(fd, &got, NULL), 1);
    assert_true(got.cpu_s == 1.5 && got.frozen_s == 0.25);
    assert_int_equal(got.checkpoints, 3);
    assert_int_equal(got.peak_kib, 4096);
    assert_int_equal(got.end, BV_CONDOR_SIGNALED);
    assert_int_equal(got.number, 9);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.exports[0].generation, 7);
    assert_int_equal(got.exports[0].offset, 9000);
    assert_int_equal(got.exports[1].size, 4904);
}

static void an_empty_file_is_none(void **state)
{
    (void)state;
    autoclose int fd = memfd_create("head", MFD_CLOEXEC);
    struct bv_condor_head got;
    assert_int_equal(bv_condor_head_read(fd, &got, NULL), 0);
}

/* Whatever byte of the text changes, it is seen. */
static void a_head_that_has_changed_is_damaged(void **state)
{
    (void)state;
    const struct bv_condor_head h = {.end = BV_CONDOR_EXITED, .number = 7, .count = 1, .exports = {{1, 4096, 10}}};
    autoclose int fd = head_file(&h);
    char bytes[BV_CONDOR_HEAD];
    assert_int_equal(bv_pread_full(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    const char *end = memchr(bytes, '\n', sizeof(bytes));
    assert_non_null(end);
    for (size_t i = 0; bytes + i < end; i++) {
        struct bv_condor_head got = {0};
        struct bv_error e = {0};
        char was = bytes[i];
        bytes[i] ^= 1;
        assert_int_equal(bv_condor_head_parse(bytes, sizeof(bytes), sizeof(bytes), &got, &e), -1);
        assert_true(e.code == BV_ECORRUPT || e.code == BV_ESTORE);
        bytes[i] = was;
    }
    assert_int_equal(ftruncate(fd, 100), 0);
    struct bv_condor_head got;
    assert_fails_saying(BV_ECORRUPT, "cut off", bv_condor_head_read(fd, &got, &err));
}

static void a_text_becomes_a_string_of_an_ad(void **state)
{
    (void)state;
    autofree char *quoted = bv_condor_quote("a \"b\" \\ c\n");
    assert_string_equal(quoted, "\"a \\\"b\\\" \\\\ c?\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ad_gives_values),
        cmocka_unit_test(a_job_is_what_its_ad_says),
        cmocka_unit_test(disk_that_was_not_asked_for_is_no_limit),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(other_universes_are_refused_with_what_to_do),
        cmocka_unit_test(a_head_is_read_as_it_was_written),
        cmocka_unit_test(an_empty_file_is_none),
        cmocka_unit_test(a_head_that_has_changed_is_damaged),
        cmocka_unit_test(a_text_becomes_a_string_of_an_ad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
