/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts stand in for criu. */
#include "tmpdir.h"

#include "engine/engine.h"

static const struct bv_engine *criu(void)
{
    return bv_engine_find(NULL, NULL);
}

/* A criu that does `what`; found by $BIVOUAC_CRIU. */
static char *given_criu(const struct tmpdir *d, const char *what)
{
    autofree char *script = bv_asprintf("#!/bin/sh\n%s\n", what);
    put_program(d->fd, "criu", script);
    char *path = path_in(d, "criu");
    setenv("BIVOUAC_CRIU", path, 1);
    return path;
}

static int forget_criu(void **state)
{
    unsetenv("BIVOUAC_CRIU");
    setenv("PATH", "/usr/bin:/bin", 1);
    return tmpdir_teardown(state);
}

#define probe_test(function) cmocka_unit_test_setup_teardown(function, tmpdir_setup, forget_criu)

static void the_default_engine_is_criu_and_others_are_refused_by_name(void **state)
{
    (void)state;
    struct bv_error err = {0};
    assert_non_null(criu());
    assert_string_equal(criu()->name, "criu");
    assert_ptr_equal(bv_engine_find("criu", NULL), criu());
    assert_null(bv_engine_find("CRIU", &err));
    assert_int_equal(err.code, BV_EUSAGE);
    assert_non_null(strstr(err.text, "'CRIU'"));
    assert_null(bv_engine_find("", NULL));
    assert_int_equal(criu()->api, BV_ENGINE_API);
    assert_int_equal(criu()->struct_size, sizeof(struct bv_engine));
    assert_true(criu()->capabilities & BV_ENGINE_FROZEN_HOOK);
}

static void a_criu_that_is_new_enough_tells_its_version_and_place(void **state)
{
    const struct tmpdir *d = *state;
    static const struct {
        const char *prints, *version;
    } good[] = {
        {"Version: 4.2", "4.2"},
        {"Version: 4.2.1", "4.2.1"},
        {"Version: 4.10", "4.10"},
        {"Version: 5.0", "5.0"},
        {"Version: 10.1 (gitid v10.1)", "10.1 (gitid v10.1)"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct bv_engine_info info = {0};
        autofree char *script = bv_asprintf("[ \"$*\" = --version ] && echo '%s'; echo 'GitID: v'", good[i].prints);
        autofree char *path = given_criu(d, script);
        assert_ok(criu()->probe(&info, &err));
        assert_string_equal(info.version, good[i].version);
        assert_string_equal(info.path, path);
    }
}

static void a_criu_that_is_too_old_is_refused_with_its_version(void **state)
{
    const struct tmpdir *d = *state;
    static const char *const old[] = {"4.1", "4.1.9", "3.17.1", "3.19", "0.9"};
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
        struct bv_engine_info info = {.version = "untouched"};
        autofree char *script = bv_asprintf("echo Version: %s", old[i]);
        autofree char *says = bv_asprintf("is version %s; Bivouac needs criu 4.2 or newer", old[i]);
        autofree char *path = given_criu(d, script);
        assert_fails_saying(BV_ENOENGINE, says, criu()->probe(&info, &err));
        assert_fails_saying(BV_ENOENGINE, path, criu()->probe(&info, &err));
        assert_string_equal(info.version, "untouched");
    }
}

static void what_does_not_tell_a_version_is_no_criu(void **state)
{
    const struct tmpdir *d = *state;
    static const char *const bad[] = {":",
                                      "exit 1",
                                      "echo criu 4.2",
                                      "echo Version: new",
                                      "echo 'Version: 4.2' >&2",
                                      "kill -9 $$",
                                      "head -c 100000 /dev/zero; echo Version: 4.2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bv_engine_info info;
        autofree char *path = given_criu(d, bad[i]);
        assert_fails_saying(BV_ENOENGINE, "does not tell its version", criu()->probe(&info, &err));
    }
}

static void a_long_version_is_cut(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_engine_info info = {0};
    autofree char *path = given_criu(d, "printf 'Version: 4.2.%0200d\\n' 0");
    assert_ok(criu()->probe(&info, &err));
    assert_int_equal(strlen(info.version), sizeof(info.version) - 1);
}

static void what_the_environment_names_must_be_an_absolute_program(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_engine_info info;
    autofree char *path = given_criu(d, "echo Version: 4.2");
    static const char *const bad[] = {"criu", "", "./criu", "/nonexistent/criu"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("BIVOUAC_CRIU", bad[i], 1);
        assert_fails_saying(BV_ENOENGINE, "BIVOUAC_CRIU=", criu()->probe(&info, &err));
    }
    setenv("BIVOUAC_CRIU", path, 1);
    assert_int_equal(fchmodat(d->fd, "criu", 0644, 0), 0);
    assert_fails_saying(BV_ENOENGINE, "not an executable", criu()->probe(&info, &err));
}

static void without_the_variable_it_is_searched_along_the_path(void **state)
{
    const struct tmpdir *d = *state;
    struct bv_engine_info info = {0};
    autofree char *path = given_criu(d, "echo Version: 77.7");
    unsetenv("BIVOUAC_CRIU");
    autofree char *search = bv_asprintf("relative:/nonexistent:%s:/usr/bin:/bin", d->path);
    setenv("PATH", search, 1);
    assert_ok(criu()->probe(&info, &err));
    assert_string_equal(info.version, "77.7");
    assert_string_equal(info.path, path);
}

static void where_it_is_not_installed_the_message_says_what_to_do(void **state)
{
    (void)state;
    struct bv_engine_info info;
    if (access("/usr/local/sbin/criu", X_OK) == 0 || access("/usr/sbin/criu", X_OK) == 0 ||
        access("/sbin/criu", X_OK) == 0)
        skip();
    setenv("PATH", "/nonexistent", 1);
    assert_fails_saying(BV_ENOENGINE, "install criu 4.2 or newer", criu()->probe(&info, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_engine_is_criu_and_others_are_refused_by_name),
        probe_test(a_criu_that_is_new_enough_tells_its_version_and_place),
        probe_test(a_criu_that_is_too_old_is_refused_with_its_version),
        probe_test(what_does_not_tell_a_version_is_no_criu),
        probe_test(a_long_version_is_cut),
        probe_test(what_the_environment_names_must_be_an_absolute_program),
        probe_test(without_the_variable_it_is_searched_along_the_path),
        probe_test(where_it_is_not_installed_the_message_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
