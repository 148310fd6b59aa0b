/* SPDX-License-Identifier: Apache-2.0 */
#include "job/past.h"
#include "unit.h"

#define KEPT(attempt, generation)                                                                                      \
    "{\"event\":\"connections-kept\",\"attempt\":" #attempt ",\"generation\":" #generation "}"
#define IMPORTED(generation) "{\"event\":\"imported\",\"attempt\":0,\"generation\":" #generation "}"

static int kept(const char *list, unsigned generation, unsigned attempt)
{
    autojson json_t *events = json_loads(list, 0, NULL);
    assert_non_null(events);
    return bv_past_has_kept(events, generation, attempt);
}

static void connections_are_kept_once(void **state)
{
    (void)state;
    assert_false(kept("[]", 1, 0));
    assert_false(kept("[" KEPT(1, 1) "]", 1, 1)); /* our own word */
    assert_true(kept("[" KEPT(1, 1) "]", 1, 2));
    assert_false(kept("[" KEPT(1, 1) "]", 2, 2));
    assert_false(kept("[1, {}, {\"event\": 7}, {\"event\": \"connections-kept\"}]", 1, 2));
}

static void an_imported_generation_was_used_by_the_job_it_is_of(void **state)
{
    (void)state;
    assert_true(kept("[" KEPT(1, 1) "," IMPORTED(1) "]", 1, 0));
    assert_true(kept("[" KEPT(1, 1) "," IMPORTED(1) "," IMPORTED(1) "]", 1, 0));
    assert_false(kept("[" IMPORTED(1) "," KEPT(0, 1) "]", 1, 0));
    assert_true(kept("[" IMPORTED(1) "," KEPT(0, 1) "]", 1, 1));
}

static void a_generation_made_since_an_import_has_its_number_for_itself(void **state)
{
    (void)state;
    assert_false(kept("[" KEPT(1, 2) "," IMPORTED(1) "]", 2, 5));
    assert_false(kept("[" KEPT(1, 1) "," IMPORTED(2) "," IMPORTED(1) "]", 2, 5));
    assert_false(kept("[" KEPT(1, 2) "," IMPORTED(1) "," IMPORTED(2) "]", 2, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_kept_once),
        cmocka_unit_test(an_imported_generation_was_used_by_the_job_it_is_of),
        cmocka_unit_test(a_generation_made_since_an_import_has_its_number_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
