/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <limits.h>
#include <pwd.h>
#include <signal.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void a_size_is_bytes_or_a_number_with_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"64K", 65536},
        {"256M", 256ULL << 20},
        {"2G", 2ULL << 30},
        {"1T", 1ULL << 40},
        {"0T", 0},
        {"9223372036854775807", INT64_MAX},
        {"8388607T", 8388607ULL << 40},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t bytes = 77;
        assert_ok(bv_value_size(good[i].text, &bytes, &err));
        assert_true(bytes == good[i].bytes);
    }
}

static void a_bad_size_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "K",
                                      "-1",       "+1",
                                      " 1",       "1 ",
                                      "1k",       "1B",
                                      "1KB",      "1KK",
                                      "1P",       "1.5G",
                                      "0x10",     "many",
                                      "1e3",      "9223372036854775808",
                                      "8388608T", "99999999999999999999999"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t bytes = 77;
        assert_fails_saying(BV_EUSAGE, "is no size", bv_value_size(bad[i], &bytes, &err));
        assert_int_equal(bytes, 77);
    }
}

static void a_duration_is_seconds_or_has_units_or_is_a_clock(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } good[] = {
        {"0", 0},
        {"90", 90},
        {"2.5", 2.5},
        {"30s", 30},
        {"5m", 300},
        {"12h", 43200},
        {"3d", 259200},
        {"0.5h", 1800},
        {"1000000000", 1e9},
        {"1h30m", 5400},
        {"1d1s", 86401},
        {"2h5.5s", 7205.5},
        {"0:00:30", 30},
        {"36:00:00", 129600},
        {"12:34:56", 45296},
        {"2-0", 172800},
        {"2-12", 216000},
        {"2-12:30", 217800},
        {"2-12:00:01", 216001},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        double seconds = 77;
        assert_ok(bv_value_duration(good[i].text, &seconds, &err));
        assert_float_equal(seconds, good[i].seconds, 0);
    }
}

static void a_bad_duration_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "s",        "-1",         "-5",     "5 m",        "5min",          "1w",
        "nan",   "inf",      "1000000001", "99999d", "soon",       "5ms",           "1e400",
        "1e3",   "0x10",     "1h30",       "30m1h",  "1h1h",       "1.2.3",         ".5",
        "+5",    " 5",       "10:00",      "1:2:3",  "0:60:00",    "0:00:60",       "1-24",
        "1-",    "-1:00:00", "1-2-3",      "1-1:1",  "1:00:00:00", "1-00:00:00:00", "9999999-00",
        "1:00:", "5m-3",     "1-2h",       "1h,",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        double seconds = 77;
        assert_fails_saying(BV_EUSAGE, "is no duration", bv_value_duration(bad[i], &seconds, &err));
        assert_float_equal(seconds, 77, 0);
    }
}

static void a_number_has_digits_only(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-1", "+1", "1.0", "4294967296", "99999999999999999999", "0x1", " 1", "two"};
    uint32_t n = 77;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fails_saying(BV_EUSAGE, "is no number", bv_value_count(bad[i], &n, &err));
    assert_int_equal(n, 77);
    assert_ok(bv_value_count("4294967295", &n, &err));
    assert_int_equal(n, UINT32_MAX);
    assert_ok(bv_value_count("007", &n, &err));
    assert_int_equal(n, 7);
}

static void yes_and_no_have_four_names(void **state)
{
    (void)state;
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    int is = 77;
    for (int i = 0; i < 8; i++) {
        assert_ok(bv_value_bool(words[i], &is, &err));
        assert_int_equal(is, i % 2);
    }
    assert_fails_saying(BV_EUSAGE, "yes or no, not 'Yes'", bv_value_bool("Yes", &is, &err));
    assert_fails(BV_EUSAGE, bv_value_bool("", &is, &err));
}

static void a_word_is_one_of_a_list(void **state)
{
    (void)state;
    int place = 77;
    assert_ok(bv_value_word("a", "a|bc|d", &place, &err));
    assert_int_equal(place, 0);
    assert_ok(bv_value_word("d", "a|bc|d", &place, &err));
    assert_int_equal(place, 2);
    assert_fails_saying(BV_EUSAGE, "write a, bc or d, not 'b'", bv_value_word("b", "a|bc|d", &place, &err));
    assert_fails_saying(BV_EUSAGE, "write a or bc, not ''", bv_value_word("", "a|bc", &place, &err));
    assert_fails(BV_EUSAGE, bv_value_word("a|bc", "a|bc", &place, &err));
    assert_int_equal(place, 2);
}

static void a_path_in_a_file_is_absolute_or_below_home(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path;
    } good[] = {
        {"/", "/"},       {"/a b/c", "/a b/c"},      {"~/c", "/home/me/c"},
        {"/~/c", "/~/c"}, {"/100%%u/c", "/100%u/c"}, {"/%%%%", "/%%"},
    };
    static const char *const bad[] = {"", "c", "./c", "~", "~you/c", "$HOME/c", "/%", "/%h", "~/%"};
    char *path = NULL;
    setenv("HOME", "/home/me", 1);
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_ok(bv_value_path(good[i].text, &path, &err));
        assert_string_equal(path, good[i].path);
        free(path);
    }
    path = NULL;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fails_saying(BV_EUSAGE, "begins with / or ~/", bv_value_path(bad[i], &path, &err));

    const struct passwd *me = getpwuid(geteuid());
    char expected[300], longest[PATH_MAX + 10] = "/";
    assert_non_null(me);
    snprintf(expected, sizeof(expected), "/scratch/%s/%s", me->pw_name, me->pw_name);
    setenv("USER", "somebody", 1);
    assert_ok(bv_value_path("/scratch/%u/%u", &path, &err));
    assert_string_equal(path, expected);
    free(path);
    path = NULL;

    memset(longest + 1, 'x', PATH_MAX - 1);
    assert_fails(BV_EUSAGE, bv_value_path(longest, &path, &err));
    unsetenv("HOME");
    assert_fails_saying(BV_EUSAGE, "HOME is not set", bv_value_path("~/c", &path, &err));
    assert_null(path);
}

#define NOW (1795341600 * BV_NSEC_PER_SEC)

static void a_time_is_a_date_or_seconds_or_from_now(void **state)
{
    (void)state;
    static const struct {
        const char *text, *zone;
        int64_t at_s;
    } good[] = {
        {"@0", "UTC", 0},
        {"@1795341600", "UTC", 1795341600},
        {"+0", "UTC", 1795341600},
        {"+2h", "UTC", 1795348800},
        {"+1-00:00:00", "UTC", 1795428000},
        {"2026-11-22T10:00", "UTC", 1795341600},
        {"2026-11-22T10:00:07", "UTC", 1795341607},
        {"2026-11-22T10:00Z", "EST5EDT", 1795341600},
        {"2026-11-22T10:00", "EST5EDT", 1795359600},
        {"2026-07-22T10:00", "EST5EDT", 1784728800},
        {"2028-02-29T00:00:00Z", "UTC", 1835395200},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t at = 77;
        setenv("TZ", good[i].zone, 1);
        assert_ok(bv_value_time(good[i].text, NOW, &at, &err));
        assert_true(at == good[i].at_s * BV_NSEC_PER_SEC);
    }
    unsetenv("TZ");
}

static void a_bad_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "now",
        "10:00",
        "@",
        "@-1",
        "@1.5",
        "@99999999999",
        "@9999999999",
        "1795341600",
        "2026-11-22",
        "2026-11-22 10:00",
        "2026-11-22T10",
        "2026-11-22T10:00:0",
        "2026-11-22T10:00ZZ",
        "2026-11-22T10:00+01:00",
        "2026-11-22T24:00",
        "2026-11-22T10:60",
        "2026-11-22T10:00:60",
        "2026-13-01T10:00",
        "2026-00-01T10:00",
        "2027-02-29T10:00",
        "1960-01-01T00:00Z",
        "9999-01-01T00:00Z",
        " 2026-11-22T10:00",
        "2026-11-22T 1:00",
    };
    int64_t at = 77;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fails_saying(BV_EUSAGE, "is no time", bv_value_time(bad[i], NOW, &at, &err));
    assert_fails_saying(BV_EUSAGE, "is no duration", bv_value_time("+soon", NOW, &at, &err));
    assert_fails_saying(BV_EUSAGE, "is no duration", bv_value_time("+-2h", NOW, &at, &err));
    assert_int_equal(at, 77);
}

static void an_hour_that_a_change_of_clocks_leaves_out_is_no_time(void **state)
{
    (void)state;
    int64_t at = 77;
    setenv("TZ", "EST5EDT", 1);
    assert_fails_saying(BV_EUSAGE, "is no time", bv_value_time("2026-03-08T02:30", NOW, &at, &err));
    unsetenv("TZ");
    assert_int_equal(at, 77);
}

static void signals_get_actions(void **state)
{
    (void)state;
    struct bv_signal_actions a;
    memset(&a, 77, sizeof(a));
    assert_ok(
        bv_value_signals("SIGUSR1=checkpoint,TERM=checkpoint-and-stop,SIGHUP=ignore,40=pass,64=ignore", &a, &err));
    for (int i = 0; i < BV_SIGNALS; i++)
        assert_int_equal(a.of[i], i == SIGUSR1             ? BV_SIGNAL_CHECKPOINT
                                  : i == SIGTERM           ? BV_SIGNAL_CHECKPOINT_AND_STOP
                                  : i == SIGHUP || i == 64 ? BV_SIGNAL_IGNORE
                                                           : BV_SIGNAL_PASS);
    assert_ok(bv_value_signals("USR1=ignore,10=checkpoint", &a, &err));
    assert_int_equal(a.of[SIGUSR1], BV_SIGNAL_CHECKPOINT); /* the last counts */
}

static void bad_signals_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "SIGNAL=ACTION"},
        {"SIGUSR1", "SIGNAL=ACTION, not 'SIGUSR1'"},
        {"SIGUSR1=checkpoint,", "SIGNAL=ACTION, not ''"},
        {",SIGUSR1=checkpoint", "SIGNAL=ACTION"},
        {"=checkpoint", "no signal ''"},
        {"SIGFOO=checkpoint", "no signal 'SIGFOO'"},
        {"SIGSIGUSR1=checkpoint", "no signal"},
        {"usr1=checkpoint", "no signal"},
        {"0=checkpoint", "no signal '0'"},
        {"65=checkpoint", "no signal '65'"},
        {"-1=checkpoint", "no signal"},
        {"999999999999=checkpoint", "no signal"},
        {"SIGKILL=ignore", "SIGKILL cannot be given another meaning"},
        {"STOP=ignore", "SIGSTOP cannot"},
        {"11=ignore", "SIGSEGV cannot"},
        {"CHLD=checkpoint", "SIGCHLD cannot"},
        {"SIGUSR1=", "write pass, checkpoint, checkpoint-and-stop or ignore, not ''"},
        {"SIGUSR1=restart", "not 'restart'"},
        {"SIGUSR1=checkpoint=ignore", "not 'checkpoint=ignore'"},
        {"SIGUSR1= checkpoint", "not ' checkpoint'"},
    };
    struct bv_signal_actions a, same;
    memset(&a, 77, sizeof(a));
    memset(&same, 77, sizeof(same));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fails_saying(BV_EUSAGE, bad[i].why, bv_value_signals(bad[i].text, &a, &err));
    assert_memory_equal(&a, &same, sizeof(a));
}

static void features_are_names_behind_a_word(void **state)
{
    (void)state;
    autofree char *one = NULL, *three = NULL;
    assert_int_equal(bv_value_features("ignore:avx512f", &one, NULL), 0);
    assert_string_equal(one, "avx512f");
    assert_int_equal(bv_value_features("ignore:avx512f,sha_ni,rtm", &three, NULL), 0);
    assert_string_equal(three, "avx512f sha_ni rtm");
}

static void bad_features_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "avx",       "ignore",      "ignore:",     "ignore:,",
                                      "ignore:a,", "ignore:,a", "ignore:a,,b", "ignore:a b",  "ignore:A",
                                      "ignore:a-", "Ignore:a",  " ignore:a",   "ignore:\xff", "ignore:a="};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char *names = NULL;
        assert_fails_saying(BV_EUSAGE, "is not ignore:FEATURE", bv_value_features(bad[i], &names, &err));
        assert_null(names);
    }
}

static void a_network_is_a_kind_and_what_a_private_one_has(void **state)
{
    (void)state;
    static const struct {
        const char *text, *again; /* NULL = the same */
        struct bv_network network;
    } good[] = {
        {"host", NULL, {.kind = BV_NETWORK_HOST}},
        {"auto", NULL, {.kind = BV_NETWORK_AUTO}},
        {"private", NULL, {.kind = BV_NETWORK_PRIVATE}},
        {"private,outside=none", "private", {.kind = BV_NETWORK_PRIVATE}},
        {"private,outside=auto", NULL, {.kind = BV_NETWORK_PRIVATE, .outside = BV_OUTSIDE_AUTO}},
        {"private,outside=pasta", NULL, {.kind = BV_NETWORK_PRIVATE, .outside = BV_OUTSIDE_PASTA}},
        {"private,outside=slirp4netns", NULL, {.kind = BV_NETWORK_PRIVATE, .outside = BV_OUTSIDE_SLIRP4NETNS}},
        {"private,mac=02:00:aB:00:00:07,gateway=192.0.2.1,bridge=br-0.7_x,address=192.0.2.7/24",
         "private,address=192.0.2.7/24,bridge=br-0.7_x,gateway=192.0.2.1,mac=02:00:aB:00:00:07",
         {BV_NETWORK_PRIVATE, BV_OUTSIDE_NONE, (char *)"192.0.2.7/24", (char *)"br-0.7_x", (char *)"192.0.2.1",
          (char *)"02:00:aB:00:00:07"}},
        {"private,address=2001:db8::7/128,bridge=exactly15bytes_,gateway=fe80::1",
         NULL,
         {BV_NETWORK_PRIVATE, BV_OUTSIDE_NONE, (char *)"2001:db8::7/128", (char *)"exactly15bytes_", (char *)"fe80::1",
          NULL}},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct bv_network n = {0};
        assert_ok(bv_value_network(good[i].text, &n, &err));
        struct bv_network copy = bv_network_copy(&n);
        autofree char *text = bv_network_text(&n), *wanted = bv_network_text(&good[i].network),
                      *copied = bv_network_text(&copy);
        assert_string_equal(text, good[i].again ? good[i].again : good[i].text);
        assert_string_equal(text, wanted);
        assert_string_equal(text, copied);
        bv_network_free(&n);
        bv_network_free(&copy);
    }
}

static void a_bad_network_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "write host, private or auto, not ''"},
        {"bridge", "not 'bridge'"},
        {" host", "not ' host'"},
        {"private,", "'' is nothing that a private network has"},
        {"private,outside", "'outside' is nothing"},
        {"private,dns=1.1.1.1", "'dns=1.1.1.1' is nothing"},
        {"private,out=pasta", "is nothing"},
        {"private,outside=", "outside: write none, auto, pasta or slirp4netns, not ''"},
        {"private,outside=vpn", "not 'vpn'"},
        {"private,outside=none,outside=none", "outside is there twice"},
        {"host,outside=none", "only a private network has keys"},
        {"auto,outside=pasta", "only a private network has keys"},
        {"private,outside=pasta,address=192.0.2.7/24,bridge=b", "two ways"},
        {"private,address=192.0.2.7/24", "add bridge=NAME"},
        {"private,bridge=b", "bridge= is of a job that has an address"},
        {"private,gateway=192.0.2.1", "gateway= is of a job"},
        {"private,mac=02:00:00:00:00:07", "mac= is of a job"},
        {"private,address=192.0.2.7,bridge=b", "'192.0.2.7' is no ADDRESS/PREFIX"},
        {"private,address=192.0.2.7/0,bridge=b", "is no ADDRESS/PREFIX"},
        {"private,address=192.0.2.7/33,bridge=b", "is no ADDRESS/PREFIX"},
        {"private,address=192.0.2.7/2x,bridge=b", "is no ADDRESS/PREFIX"},
        {"private,address=192.0.2/24,bridge=b", "is no ADDRESS/PREFIX"},
        {"private,address=::1/129,bridge=b", "is no ADDRESS/PREFIX"},
        {"private,address=/24,bridge=b", "is no ADDRESS/PREFIX"},
        {"private,address=192.0.2.7/24,bridge=", "'' is no name of a bridge"},
        {"private,address=192.0.2.7/24,bridge=sixteen_bytes_16", "is no name of a bridge"},
        {"private,address=192.0.2.7/24,bridge=../x", "is no name of a bridge"},
        {"private,address=192.0.2.7/24,bridge=..", "is no name of a bridge"},
        {"private,address=192.0.2.7/24,bridge=a b", "is no name of a bridge"},
        {"private,address=192.0.2.7/24,bridge=b,gateway=x", "'x' is no address"},
        {"private,address=192.0.2.7/24,bridge=b,gateway=::1", "must both be of IPv4"},
        {"private,address=192.0.2.7/24,bridge=b,mac=02:00:00:00:00", "is no hardware address"},
        {"private,address=192.0.2.7/24,bridge=b,mac=02-00-00-00-00-07", "is no hardware address"},
        {"private,address=192.0.2.7/24,bridge=b,mac=03:00:00:00:00:07", "is no hardware address"},
        {"private,address=192.0.2.7/24,bridge=b,mac=00:00:00:00:00:00", "is no hardware address"},
        {"private,address=192.0.2.7/24,bridge=b,mac=0g:00:00:00:00:00", "is no hardware address"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct bv_network n = {.mac = (char *)"untouched"};
        assert_fails_saying(BV_EUSAGE, bad[i].why, bv_value_network(bad[i].text, &n, &err));
        assert_string_equal(n.mac, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_is_bytes_or_a_number_with_a_unit),
        cmocka_unit_test(a_bad_size_is_refused),
        cmocka_unit_test(a_duration_is_seconds_or_has_units_or_is_a_clock),
        cmocka_unit_test(a_bad_duration_is_refused),
        cmocka_unit_test(a_number_has_digits_only),
        cmocka_unit_test(yes_and_no_have_four_names),
        cmocka_unit_test(a_word_is_one_of_a_list),
        cmocka_unit_test(a_path_in_a_file_is_absolute_or_below_home),
        cmocka_unit_test(a_time_is_a_date_or_seconds_or_from_now),
        cmocka_unit_test(a_bad_time_is_refused),
        cmocka_unit_test(an_hour_that_a_change_of_clocks_leaves_out_is_no_time),
        cmocka_unit_test(signals_get_actions),
        cmocka_unit_test(bad_signals_are_refused),
        cmocka_unit_test(features_are_names_behind_a_word),
        cmocka_unit_test(bad_features_are_refused),
        cmocka_unit_test(a_network_is_a_kind_and_what_a_private_one_has),
        cmocka_unit_test(a_bad_network_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
