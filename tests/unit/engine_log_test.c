/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the things that criu leaves in its image directory. */
#include "tmpdir.h"

#include "engine/criu/criu.h"

#define RLIMIT_NOISE "(00.000001) Error (criu/rlimit.c:1): Can't setup RLIMIT_NOFILE for self\n"

static void each_reason_has_its_code(void **state)
{
    const struct tmpdir *d = *state;
    static const struct {
        const char *line;
        enum bv_code code;
    } table[] = {
        {"Error (criu/image.c:1): Unable to write: No space left on device", BV_ENOSPACE},
        {"Error (criu/image.c:1): write: Disk quota exceeded", BV_ENOSPACE},
        {"Error (criu/files-reg.c:1): File bin/x has bad build-ID", BV_ECHANGED},
        {"Error (criu/files-reg.c:1): File data/x has bad size 7 (expect 8)", BV_ECHANGED},
        {"Error (criu/files-reg.c:1): File data/x has bad mode 0100644 (expect 0100600)", BV_ECHANGED},
        {"Error (criu/files-reg.c:1): Can't open file data/x on restore: No such file or directory", BV_ECHANGED},
        {"Error (criu/cpu.c:1): CPU instruction capabilities do not match run time", BV_EHOST},
        {"Error (criu/cpu.c:1): cpu: required feature missing", BV_EHOST},
        {"Error (criu/sk-unix.c:1): unix: Can't dump half of stream unix connection", BV_ERESTORE},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        autofree char *log = bv_asprintf("(00.010203)   1000: %s\n", table[i].line);
        put_text(d->fd, CRIU_LOG, log);
        const char *message = strstr(table[i].line, "): ") + 3;
        assert_fails_saying(table[i].code, message, criu_log_error(d->fd, BV_ERESTORE, "restore", NULL, &err));
        assert_fails_saying(table[i].code, "criu could not restore the job: ",
                            criu_log_error(d->fd, BV_ERESTORE, "restore", NULL, &err));
    }
}

static void the_first_three_messages_are_told_and_noise_is_not(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_error err = {0};
    put_text(d->fd, CRIU_LOG,
             RLIMIT_NOISE "(00.01) Warn  (criu/x.c:1): a warning\n"
                          "(00.02)   1000: Error (criu/x.c:1): first\n"
                          "(00.03)   1000: Error (criu/x.c:2): second\n" RLIMIT_NOISE
                          "(00.04)   1000: Error (criu/x.c:3): third\n"
                          "(00.05) Error (criu/x.c:4): fourth\n");
    criu_log_error(d->fd, BV_EENGINE, "dump", NULL, &err);
    assert_int_equal(err.code, BV_EENGINE);
    assert_string_equal(err.text, "criu could not dump the job: first; second; third");
}

static void without_a_log_the_response_gives_the_reason(void **state)
{
    const struct tmpdir *d = *state;
    CriuResp resp = CRIU_RESP__INIT;
    resp.cr_errmsg = (char *)"because of the weather";
    assert_fails_saying(BV_EENGINE, "because of the weather", criu_log_error(d->fd, BV_EENGINE, "dump", &resp, &err));
    resp.cr_errmsg = (char *)"";
    assert_fails_saying(BV_EENGINE, "no reason", criu_log_error(d->fd, BV_EENGINE, "dump", &resp, &err));
    assert_fails_saying(BV_EENGINE, "no reason", criu_log_error(d->fd, BV_EENGINE, "dump", NULL, &err));
}

static void of_a_long_log_the_end_counts(void **state)
{
    const struct tmpdir *d = *state;
    const size_t size = 1 << 20;
    autofree char *log = bv_alloc(size);
    memset(log, 'x', size);
    memcpy(log, "(0) Error (a): No space left on device\n", 39);
    static const char last[] = "\n(9) Error (criu/x.c:1): the last word";
    memcpy(log + size - strlen(last), last, strlen(last));
    put_bytes(d->fd, CRIU_LOG, log, size);
    assert_fails_saying(BV_EENGINE, "job: the last word", criu_log_error(d->fd, BV_EENGINE, "dump", NULL, &err));
}

static void a_log_of_any_bytes_does_no_harm(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_error err = {0};
    char log[4096];
    for (size_t i = 0; i < sizeof(log); i++)
        log[i] = (char)(i * 7);
    memcpy(log + 100, "\nError (", 8);
    memcpy(log + 1000, "): ", 3);
    log[sizeof(log) - 1] = 'x';
    put_bytes(d->fd, CRIU_LOG, log, sizeof(log));
    assert_int_equal(criu_log_error(d->fd, BV_EENGINE, "dump", NULL, &err), -1);
    assert_true(strlen(err.text) < sizeof(err.text));
}

static void a_link_in_the_place_of_the_log_is_not_followed(void **state)
{
    const struct tmpdir *d = *state;
    put_text(d->fd, "other", "(0) Error (a): No space left on device\n");
    assert_int_equal(symlinkat("other", d->fd, CRIU_LOG), 0);
    assert_fails_saying(BV_EENGINE, "no reason", criu_log_error(d->fd, BV_EENGINE, "dump", NULL, &err));
}

static void put_stats(int dirfd, const uint32_t head[3], uint32_t frozen_us)
{
    uint8_t bytes[256];
    DumpStats dump = DUMP_STATS__INIT;
    Stats stats = STATS__INIT;
    dump.freezing_time = 5;
    dump.frozen_time = frozen_us;
    stats.dump = &dump;
    memcpy(bytes, head, 12);
    size_t size = stats__pack(&stats, bytes + 12);
    put_bytes(dirfd, "stats-dump", bytes, 12 + size);
}

static uint32_t stats_size(uint32_t frozen_us)
{
    DumpStats dump = DUMP_STATS__INIT;
    Stats stats = STATS__INIT;
    dump.frozen_time = frozen_us;
    stats.dump = &dump;
    dump.freezing_time = 5;
    return (uint32_t)stats__get_packed_size(&stats);
}

static void the_time_frozen_comes_from_the_statistics(void **state)
{
    const struct tmpdir *d = *state;
    uint32_t head[3] = {0x55105940u, 0x57093306u, stats_size(4000000000u)};
    put_stats(d->fd, head, 4000000000u);
    assert_true(criu_frozen_ns(d->fd) == 4000000000000LL);
}

static void without_sound_statistics_the_time_is_not_known(void **state)
{
    const struct tmpdir *d = *state;
    uint32_t size = stats_size(123456);
    const uint32_t bad[][3] = {
        {0x55105941u, 0x57093306u, size}, {0x55105940u, 0x57093307u, size}, {0x55105940u, 0x57093306u, size + 1},
        {0x55105940u, 0x57093306u, ~0u},  {0x55105940u, 0x57093306u, 0},    {0x55105940u, 0x57093306u, size - 1},
    };
    assert_int_equal(criu_frozen_ns(d->fd), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_stats(d->fd, bad[i], 123456);
        assert_int_equal(criu_frozen_ns(d->fd), 0);
    }
    put_text(d->fd, "stats-dump", "short");
    assert_int_equal(criu_frozen_ns(d->fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tmpdir_test(each_reason_has_its_code),
        tmpdir_test(the_first_three_messages_are_told_and_noise_is_not),
        tmpdir_test(without_a_log_the_response_gives_the_reason),
        tmpdir_test(of_a_long_log_the_end_counts),
        tmpdir_test(a_log_of_any_bytes_does_no_harm),
        tmpdir_test(a_link_in_the_place_of_the_log_is_not_followed),
        tmpdir_test(the_time_frozen_comes_from_the_statistics),
        tmpdir_test(without_sound_statistics_the_time_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
