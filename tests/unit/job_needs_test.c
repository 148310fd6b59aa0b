/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "job/needs.h"

#define LIBRARY "LD_PRELOAD=/dev/shm/.bivouac/keep.so"

static void a_command_is_known_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        enum bv_needs_of needs;
    } table[] = {
        {"mpirun", BV_NEEDS_MPI},
        {"/usr/bin/mpiexec", BV_NEEDS_MPI},
        {"./mpiexec.hydra", BV_NEEDS_MPI},
        {"mpirun.openmpi", BV_NEEDS_MPI},
        {"prterun", BV_NEEDS_MPI},
        {"mpirunner", BV_NEEDS_NOTHING},
        {"mpirun/run", BV_NEEDS_NOTHING},
        {"python3", BV_NEEDS_PYTHON},
        {"/opt/x/bin/python3.13", BV_NEEDS_PYTHON},
        {"./train.py", BV_NEEDS_PYTHON},
        {".py", BV_NEEDS_NOTHING},
        {"happy", BV_NEEDS_NOTHING},
        {"", BV_NEEDS_NOTHING},
        {"bash", BV_NEEDS_NOTHING},
        {"mpirun/", BV_NEEDS_NOTHING},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(bv_needs_of(table[i].command), table[i].needs);
}

/* Whether the list has this string. */
static int has(char *const *list, const char *string)
{
    for (size_t i = 0; list && list[i]; i++)
        if (strcmp(list[i], string) == 0)
            return 1;
    return 0;
}

static struct bv_spec applied(const char *command, int network, int preload, const char *own, char *const *around,
                              char **ret_note)
{
    const struct bv_settings settings = {.network = {.kind = (enum bv_network_kind)network}, .preload = preload};
    struct bv_spec spec = {0};
    spec.argv = bv_alloc(2 * sizeof(char *));
    spec.argv[0] = bv_strdup(command);
    if (own) {
        spec.environment = bv_alloc(2 * sizeof(char *));
        spec.environment[0] = bv_strdup(own);
    }
    assert_ok(bv_needs_apply(&settings, around, &spec, ret_note, &err));
    return spec;
}

static void what_nobody_has_said_follows_from_the_command(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        int network, preload, private_network, loaded, noted;
    } table[] = {
        {"mpirun", BV_NETWORK_AUTO, BV_PRELOAD_AUTO, 1, 1, 1},  {"mpirun", BV_NETWORK_HOST, BV_PRELOAD_AUTO, 0, 1, 0},
        {"mpirun", BV_NETWORK_PRIVATE, BV_PRELOAD_NO, 1, 0, 0}, {"python3", BV_NETWORK_AUTO, BV_PRELOAD_AUTO, 0, 1, 0},
        {"sh", BV_NETWORK_AUTO, BV_PRELOAD_AUTO, 0, 0, 0},      {"sh", BV_NETWORK_PRIVATE, BV_PRELOAD_AUTO, 1, 1, 0},
        {"sh", BV_NETWORK_PRIVATE, BV_PRELOAD_NO, 1, 0, 0},     {"sh", BV_NETWORK_HOST, BV_PRELOAD_YES, 0, 1, 0},
    };
    char *none[] = {NULL};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        autofree char *note = NULL;
        autospec struct bv_spec spec = applied(table[i].command, table[i].network, table[i].preload, NULL, none, &note);
        assert_int_equal(spec.private_network, table[i].private_network);
        assert_int_equal(spec.preload, table[i].loaded);
        assert_int_equal(note != NULL, table[i].noted);
        assert_int_equal(has(spec.environment, LIBRARY), table[i].loaded);
        assert_true(has(spec.environment, "UCX_VFS_ENABLE=n"));
    }
}

static void what_is_set_is_left_alone(void **state)
{
    (void)state;
    autofree char *note = NULL;
    char *around[] = {(char *)"UCX_VFS_ENABLE=y", (char *)"LD_PRELOAD=/a.so:/b.so", (char *)"UCX_VFS", NULL};
    autospec struct bv_spec spec = applied("python3", BV_NETWORK_AUTO, BV_PRELOAD_AUTO, NULL, around, &note);
    assert_false(has(spec.environment, "UCX_VFS_ENABLE=n"));
    assert_true(has(spec.environment, LIBRARY ":/a.so:/b.so"));
    autospec struct bv_spec own =
        applied("python3", BV_NETWORK_AUTO, BV_PRELOAD_AUTO, "LD_PRELOAD=/c.so", around, &note);
    assert_true(has(own.environment, LIBRARY ":/c.so"));
    assert_null(own.environment[1]);
    char *empty[] = {(char *)"LD_PRELOAD=", NULL};
    autospec struct bv_spec bare = applied("python3", BV_NETWORK_AUTO, BV_PRELOAD_AUTO, NULL, empty, &note);
    assert_true(has(bare.environment, LIBRARY));
}

static void variables_take_the_place_of_others(void **state)
{
    (void)state;
    char *base[] = {(char *)"A=1", (char *)"AB=2", (char *)"odd", (char *)"C=3", NULL};
    char *more[] = {(char *)"C=", (char *)"A=x=y", NULL};
    autofree char **all = bv_needs_merge(base, more);
    static const char *const wanted[] = {"AB=2", "odd", "C=", "A=x=y"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(all[i], wanted[i]);
    assert_null(all[4]);
    autofree char **same = bv_needs_merge(base, NULL);
    assert_string_equal(same[3], "C=3");
    assert_null(same[4]);
}

static void a_job_with_an_address_has_a_hardware_address_and_may_keep_connections(void **state)
{
    (void)state;
    char *none[] = {NULL}, *argv[] = {(char *)"sh", NULL};
    struct bv_settings settings = {.preload = BV_PRELOAD_NO, .tcp = BV_TCP_KEEP};
    struct bv_spec refused = {.argv = argv}, spec = {.argv = argv};
    char *note;
    assert_fails_saying(BV_EUSAGE, "--tcp keep: ", bv_needs_apply(&settings, none, &refused, &note, &err));
    assert_ok(bv_value_network("private,address=192.0.2.7/24,bridge=b", &settings.network, &err));
    assert_ok(bv_needs_apply(&settings, none, &spec, &note, &err));
    assert_int_equal(spec.private_network, 1);
    assert_int_equal(spec.tcp, BV_TCP_KEEP);
    struct bv_network again;
    autofree char *text = bv_network_text(&spec.network);
    assert_ok(bv_value_network(text, &again, &err)); /* the one that was made is one that can be said */
    assert_non_null(again.mac);
    bv_network_free(&again);
    bv_network_free(&settings.network);
    spec.argv = NULL;
    bv_spec_free(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_with_an_address_has_a_hardware_address_and_may_keep_connections),
        cmocka_unit_test(a_command_is_known_by_its_name),
        cmocka_unit_test(what_nobody_has_said_follows_from_the_command),
        cmocka_unit_test(what_is_set_is_left_alone),
        cmocka_unit_test(variables_take_the_place_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
