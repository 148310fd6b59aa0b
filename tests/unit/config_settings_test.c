/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdir.h"

#include "config/nearest.h"
#include "config/settings.h"

static int parse(struct bv_settings *s, const char *text, enum bv_layer layer, struct bv_error *err)
{
    return bv_settings_parse(s, text, strlen(text), "F", layer, err);
}

static void every_setting_is_described_once_and_has_a_good_default(void **state)
{
    (void)state;
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    for (const struct bv_setting *a = bv_setting_table; a->key; a++) {
        assert_true(a->argument && a->help && a->flags & BV_FOR_RUN);
        assert_true(a->offset < offsetof(struct bv_settings, source));
        if (a->fallback)
            assert_ok(bv_settings_set(&s, a, a->fallback, BV_LAYER_DEFAULT, "", &err));
        for (const struct bv_setting *b = a + 1; b->key; b++) {
            assert_string_not_equal(a->key, b->key);
            assert_true(a->offset != b->offset);
            assert_true(!a->letter || a->letter != b->letter);
        }
    }
    assert_null(s.store);
    assert_float_equal(s.every, BV_EVERY_OFF, 0);
    assert_float_equal(s.lead, BV_LEAD_AUTO, 0);
    assert_float_equal(s.mtbf, 86400, 0);
    assert_float_equal(s.timeout, 180, 0);
    assert_float_equal(s.lease, 60, 0);
    assert_true(s.capture_limit == 256ULL << 20 && s.staging == 0 && s.quota_store == 0);
    assert_int_equal(s.requeue_exit, 85);
    assert_int_equal(s.keep, 2);
    assert_int_equal(s.max_restarts, 2);
    assert_int_equal(s.max_attempts, 0);
}

static void the_nearest_layer_counts_in_whatever_order_they_come(void **state)
{
    (void)state;
    static const struct {
        enum bv_layer layer;
        const char *text;
    } order[][4] = {
        {{BV_LAYER_OPTION, "4"}, {BV_LAYER_ENVIRONMENT, "3"}, {BV_LAYER_JOB_FILE, "2"}, {BV_LAYER_SITE, "1"}},
        {{BV_LAYER_SITE, "1"}, {BV_LAYER_JOB_FILE, "2"}, {BV_LAYER_ENVIRONMENT, "3"}, {BV_LAYER_OPTION, "4"}},
        {{BV_LAYER_DEFAULT, "9"}, {BV_LAYER_OPTION, "1"}, {BV_LAYER_OPTION, "4"}, {BV_LAYER_SITE, "5"}},
    };
    const struct bv_setting *lease = bv_setting_find("lease");
    for (size_t i = 0; i < 3; i++) {
        autosettings struct bv_settings s;
        bv_settings_init(&s);
        for (size_t k = 0; k < 4; k++)
            assert_ok(bv_settings_set(&s, lease, order[i][k].text, order[i][k].layer, "somewhere", &err));
        assert_float_equal(s.lease, 4, 0);
        assert_int_equal(s.source[lease - bv_setting_table].layer, BV_LAYER_OPTION);
        assert_string_equal(s.source[lease - bv_setting_table].text, "4");
    }
}

static void a_bad_value_is_refused_even_where_it_does_not_count(void **state)
{
    (void)state;
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    const struct bv_setting *lease = bv_setting_find("lease");
    assert_ok(bv_settings_set(&s, lease, "4", BV_LAYER_OPTION, "--lease", &err));
    assert_fails_saying(BV_EUSAGE, "F:2: lease: '-5' is no duration",
                        parse(&s, "[run]\nlease=-5", BV_LAYER_SITE, &err));
    assert_fails_saying(BV_EUSAGE, "BIVOUAC_LEASE: 'x' is no duration",
                        bv_settings_set(&s, lease, "x", BV_LAYER_ENVIRONMENT, "BIVOUAC_LEASE", &err));
    assert_float_equal(s.lease, 4, 0);
}

static void values_have_limits(void **state)
{
    (void)state;
    static const struct {
        const char *key, *good, *bad, *why;
    } table[] = {
        {"lease", "24h", "86401", "is more than 86400"},
        {"every", "1", "0", "is less than 1"},
        {"requeue-exit", "255", "256", "is more than 255"},
        {"requeue-exit", "1", "0", "is less than 1"},
        {"keep", "1", "0", "is less than 1"},
        {"max-attempts", "none", "0", "is less than 1"},
        {"every", "auto", "none", "is no duration"},
        {"staging", "auto", "none", "is no size"},
        {"quota-job", "none", "auto", "is no size"},
        {"deadline", "none", "off", "is no time"},
        {"on-signal", "none", "SIGTERM", "SIGNAL=ACTION"},
        {"keep-on-success", "yes", "2", "yes or no"},
        {"network", "private", "bridge", "host, private or auto"},
        {"store", "x", "", "a path is needed"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        autosettings struct bv_settings s;
        bv_settings_init(&s);
        const struct bv_setting *setting = bv_setting_find(table[i].key);
        assert_ok(bv_settings_set(&s, setting, table[i].good, BV_LAYER_OPTION, "", &err));
        assert_fails_saying(BV_EUSAGE, table[i].why,
                            bv_settings_set(&s, setting, table[i].bad, BV_LAYER_OPTION, "--it", &err));
        assert_string_equal(s.source[setting - bv_setting_table].text, table[i].good);
    }
}

static void a_file_has_keys_in_one_section(void **state)
{
    (void)state;
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    assert_ok(parse(&s,
                    "\xef\xbb\xbf# a comment\n\n; another\r\n  [run]   # of a run\r\n"
                    "lease=5m\r\n\tcapture-limit :  1G ; a comment, too\n   network =\tprivate",
                    BV_LAYER_JOB_FILE, &err));
    assert_float_equal(s.lease, 300, 0);
    assert_true(s.capture_limit == 1ULL << 30);
    assert_int_equal(s.network.kind, BV_NETWORK_PRIVATE);
    assert_string_equal(s.source[bv_setting_find("network") - bv_setting_table].where, "F:7");
    assert_ok(parse(&s, "", BV_LAYER_SITE, &err));
    assert_ok(parse(&s, "\xef\xbb\xbf[run]\nlease=5m", BV_LAYER_SITE, &err));
}

static void a_wrong_line_is_named_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"[run]\nlease", "F:2: this is no line 'key = value'"},
        {"[run]\n= 5", "F:2: there is no key ''"},
        {"lease = 5", "F:1: the key lease is in no section: put [run] above it"},
        {"\n[runs]\n", "F:2: there is no section '[runs]'"},
        {"[]", "F:1: there is no section '[]'"},
        {"[run", "F:1: this is no line '[section]'"},
        {"[run] lease = 5", "F:1: this is no line '[section]'"},
        {"[run]\nleese = 5", "F:2: there is no key 'leese': do you mean lease?"},
        {"[run]\ncapture_limit = 5", "do you mean capture-limit?"},
        {"[run]\nxyzzyxyzzy = 5", "F:2: there is no key 'xyzzyxyzzy' (bivouac.conf(5)"},
        {"[run]\nlease =", "F:2: lease: '' is no duration"},
        {"[run]\nlease = 5\nnetwork = host\nlease = 6", "F:4: lease is already set at F:2"},
        {"[run]\nstore = a\x01"
         "b",
         "F:2: there is a control character"},
        {"[run]\nstore = here", "F:2: store: 'here' is no path for a file"},
        {"[run]\nlease = 5\n  6\n", "F:3: this is no line 'key = value'"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autosettings struct bv_settings s;
        bv_settings_init(&s);
        assert_fails_saying(BV_EUSAGE, bad[i].why, parse(&s, bad[i].text, BV_LAYER_SITE, &err));
    }
}

static void a_line_is_neither_cut_nor_ends_at_a_nul(void **state)
{
    (void)state;
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    char text[600] = "[run]\nstore = /";
    memset(text + strlen(text), 'x', 300);
    assert_fails_saying(BV_EUSAGE, "F:2: the line is longer than", parse(&s, text, BV_LAYER_SITE, &err));
    static const char nul[] = "[run]\nlease = 5\0 6\n";
    assert_fails_saying(BV_EUSAGE, "F:2: there is a NUL byte",
                        bv_settings_parse(&s, nul, sizeof(nul) - 1, "F", BV_LAYER_SITE, &err));
}

static void a_site_file_that_others_can_change_is_refused(void **state)
{
    const struct tmpdir *d = *state;
    autofree char *path = path_in(d, "site");
    put_text(d->fd, "site", "[run]\nlease = 7\n");
    for (int mode = 0600; mode <= 0666; mode++) {
        autosettings struct bv_settings s;
        bv_settings_init(&s);
        assert_int_equal(chmod(path, (mode_t)mode), 0);
        if (mode & 0022)
            assert_fails_saying(BV_EDENIED, "can be changed by others",
                                bv_settings_load_file(&s, path, BV_LAYER_SITE, &err));
        else
            assert_ok(bv_settings_load_file(&s, path, BV_LAYER_SITE, &err));
        assert_true(s.lease == (mode & 0022 ? 0 : 7));
    }
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    assert_ok(bv_settings_load_file(&s, path, BV_LAYER_JOB_FILE, &err)); /* the user's own affair */
}

static void a_file_that_is_none_is_refused(void **state)
{
    const struct tmpdir *d = *state;
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    autofree char *missing = path_in(d, "missing"), *fifo = path_in(d, "fifo"), *big = path_in(d, "big");
    assert_fails_saying(BV_EUSAGE, "cannot read the job file",
                        bv_settings_load_file(&s, missing, BV_LAYER_JOB_FILE, &err));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_fails_saying(BV_EUSAGE, "no regular file", bv_settings_load_file(&s, fifo, BV_LAYER_JOB_FILE, &err));
    assert_fails_saying(BV_EUSAGE, "no regular file", bv_settings_load_file(&s, d->path, BV_LAYER_JOB_FILE, &err));
    put_text(d->fd, "big", "");
    assert_int_equal(truncate(big, (64 << 10) + 1), 0);
    assert_fails_saying(BV_EUSAGE, "is larger than", bv_settings_load_file(&s, big, BV_LAYER_JOB_FILE, &err));
}

static void all_layers_come_together(void **state)
{
    const struct tmpdir *d = *state;
    autofree char *site = path_in(d, "site"), *job = path_in(d, "job");
    put_text(d->fd, "site", "[run]\nlease = 1\nstaging = 1\ncapture-limit = 1\nnetwork = private\n");
    put_text(d->fd, "job", "[run]\nlease = 2\nstaging = 2\ncapture-limit = 2\n");
    setenv("BIVOUAC_SITE_CONFIG", site, 1);
    setenv("BIVOUAC_CONFIG", job, 1);
    setenv("BIVOUAC_STAGING", "3", 1);
    setenv("BIVOUAC_CAPTURE_LIMIT", "3", 1);
    setenv("BIVOUAC_LEASE", "", 1);
    unsetenv("BIVOUAC_STORE");
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    assert_ok(bv_settings_set(&s, bv_setting_find("capture-limit"), "4", BV_LAYER_OPTION, "--capture-limit", &err));
    assert_ok(bv_settings_load(&s, NULL, &err));
    assert_true(s.capture_limit == 4);
    assert_true(s.staging == 3);
    assert_float_equal(s.lease, 2, 0);
    assert_int_equal(s.network.kind, BV_NETWORK_PRIVATE);
    assert_int_equal(s.private_tmp, 0);
    static const struct {
        const char *key, *where;
        enum bv_layer layer;
    } sources[] = {{"capture-limit", "--capture-limit", BV_LAYER_OPTION},
                   {"staging", "BIVOUAC_STAGING", BV_LAYER_ENVIRONMENT},
                   {"lease", "job:2", BV_LAYER_JOB_FILE},
                   {"network", "site:5", BV_LAYER_SITE},
                   {"tmp", "", BV_LAYER_DEFAULT},
                   {"store", NULL, BV_LAYER_NONE}};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        const struct bv_source *source = &s.source[bv_setting_find(sources[i].key) - bv_setting_table];
        assert_int_equal(source->layer, sources[i].layer);
        if (sources[i].where)
            assert_non_null(strstr(source->where, sources[i].where));
    }
    autofree char *none = path_in(d, "none");
    autosettings struct bv_settings other;
    bv_settings_init(&other);
    setenv("BIVOUAC_SITE_CONFIG", none, 1);
    assert_fails_saying(BV_EUSAGE, "cannot read the site file", bv_settings_load(&other, NULL, &err));
    unsetenv("BIVOUAC_SITE_CONFIG");
    unsetenv("BIVOUAC_STAGING");
    unsetenv("BIVOUAC_CAPTURE_LIMIT");
    assert_fails_saying(BV_EUSAGE, "cannot read the job file", bv_settings_load(&other, none, &err));
    unsetenv("BIVOUAC_CONFIG");
}

static void unknown_variables_are_found(void **state)
{
    (void)state;
    size_t at = 0;
    setenv("BIVOUAC_LEASE", "5", 1);
    setenv("BIVOUAC_RUNTIME_DIR", "/x", 1);
    setenv("BIVOUAC_LEASES", "5", 1);
    setenv("BIVOUAC_", "5", 1);
    setenv("BIVOUACS", "5", 1);
    int found = 0;
    for (const char *entry; (entry = bv_settings_unknown_variable(&at));) {
        assert_true(strcmp(entry, "BIVOUAC_LEASES=5") == 0 || strcmp(entry, "BIVOUAC_=5") == 0);
        found++;
    }
    assert_int_equal(found, 2);
}

static void a_distance_is_the_number_of_changes(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned distance;
    } table[] = {{"", "", 0},           {"a", "", 1},         {"", "abc", 3},         {"lease", "lease", 0},
                 {"leese", "lease", 1}, {"lese", "lease", 1}, {"leasee", "lease", 1}, {"kitten", "sitting", 3}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(bv_distance(table[i].a, table[i].b), table[i].distance);
        assert_int_equal(bv_distance(table[i].b, table[i].a), table[i].distance);
    }
    char longest[300];
    memset(longest, 'x', sizeof(longest));
    longest[299] = '\0';
    assert_int_equal(bv_distance(longest, "x"), 62);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_is_described_once_and_has_a_good_default),
        cmocka_unit_test(the_nearest_layer_counts_in_whatever_order_they_come),
        cmocka_unit_test(a_bad_value_is_refused_even_where_it_does_not_count),
        cmocka_unit_test(values_have_limits),
        cmocka_unit_test(a_file_has_keys_in_one_section),
        cmocka_unit_test(a_wrong_line_is_named_with_its_reason),
        cmocka_unit_test(a_line_is_neither_cut_nor_ends_at_a_nul),
        tmpdir_test(a_site_file_that_others_can_change_is_refused),
        tmpdir_test(a_file_that_is_none_is_refused),
        tmpdir_test(all_layers_come_together),
        cmocka_unit_test(unknown_variables_are_found),
        cmocka_unit_test(a_distance_is_the_number_of_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
