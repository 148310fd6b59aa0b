/* SPDX-License-Identifier: Apache-2.0 */
/* Which generations stay: a table of scenes, and the space that removals free. */
#include "unit.h"

#include "base/mem.h"
#include "job/retention.h"

#define SCENE_MAX 8

/* One generation: "p" pinned or read, "u" in use, "d" damaged; and its age in seconds. */
struct given {
    const char *marks;
    double age;
};

struct scene {
    const char *what;
    unsigned keep;
    double keep_for;
    struct given given[SCENE_MAX]; /* ascending; ends with NULL marks */
    const char *expected;          /* one letter each: N newest, G guarded, U in-use, K keep, F keep-for, - removed */
};

static const struct scene scenes[] = {
    {"none", 2, 0, {{0}}, ""},
    {"one", 2, 0, {{"", 9}}, "N"},
    {"the newest stays whatever is asked for", 0, 0, {{"", 9}, {"", 8}}, "-N"},
    {"one is the least", 1, 0, {{"", 9}, {"", 8}, {"", 7}}, "--N"},
    {"as many as are asked for", 4, 0, {{"", 9}, {"", 8}, {"", 7}, {"", 6}, {"", 5}}, "-KKKN"},
    {"more than there are", 9, 0, {{"", 9}, {"", 8}}, "KN"},
    {"young ones stay", 1, 60, {{"", 90}, {"", 59}, {"", 5}}, "-FN"},
    {"of exactly that age is too old", 1, 60, {{"", 60}, {"", 5}}, "-N"},
    {"a time in the future is young", 1, 60, {{"", -100}, {"", 5}}, "FN"},
    {"old ones stay while they are few enough", 2, 60, {{"", 900}, {"", 800}}, "KN"},
    {"pinned ones stay", 1, 0, {{"p", 9}, {"", 8}, {"p", 7}, {"", 6}}, "G-GN"},
    {"a pinned one is counted", 2, 0, {{"", 9}, {"", 8}, {"p", 7}, {"", 6}}, "--GN"},
    {"the newest, pinned", 1, 0, {{"", 9}, {"p", 8}}, "-N"},
    {"what the attempt works from stays", 1, 0, {{"u", 9}, {"", 8}, {"", 7}}, "U-N"},
    {"a damaged one is not counted", 2, 0, {{"", 9}, {"", 8}, {"d", 7}, {"", 6}}, "-KKN"},
    {"it goes when enough good ones are newer", 2, 0, {{"", 9}, {"d", 8}, {"", 7}, {"", 6}}, "--KN"},
    {"the newest good one stays below damaged ones", 1, 0, {{"", 9}, {"", 8}, {"d", 7}, {"d", 6}}, "-NKK"},
    {"all are damaged", 1, 0, {{"d", 9}, {"d", 8}}, "KN"},
};

static size_t fill(const struct given *given, struct bv_retained *list)
{
    size_t n = 0;
    for (; given[n].marks; n++)
        list[n] = (struct bv_retained){
            .number = (unsigned)n + 1,
            .age_s = given[n].age,
            .guarded = strchr(given[n].marks, 'p') != NULL,
            .in_use = strchr(given[n].marks, 'u') != NULL,
            .damaged = strchr(given[n].marks, 'd') != NULL,
        };
    return n;
}

static char letter_of(const char *kept_by)
{
    static const char *const words[] = {"newest", "guarded", "in-use", "keep", "keep-for"};
    for (size_t i = 0; kept_by && i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(kept_by, words[i]) == 0)
            return "NGUKF"[i];
    return kept_by ? '?' : '-';
}

static void every_scene_ends_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        const struct scene *s = &scenes[i];
        struct bv_retained list[SCENE_MAX];
        char got[SCENE_MAX + 1] = "";
        struct bv_retention policy = {.keep = s->keep, .keep_for = s->keep_for};
        size_t n = fill(s->given, list);
        bv_retention_decide(&policy, list, n);
        for (size_t k = 0; k < n; k++)
            got[k] = letter_of(list[k].kept_by);
        if (strcmp(got, s->expected) != 0)
            fail_msg("%s: %s, not %s", s->what, got, s->expected);
    }
}

static void success_leaves_only_what_is_guarded(void **state)
{
    (void)state;
    static const struct given given[SCENE_MAX] = {{"", 9}, {"p", 8}, {"u", 7}, {"", 6}};
    struct bv_retained list[SCENE_MAX];
    size_t n = fill(given, list);
    bv_retention_decide_success(list, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(letter_of(list[i].kept_by), "-G--"[i]);
}

static void what_an_attempt_keeps_is_read_from_its_history(void **state)
{
    (void)state;
    static const char *const bad[] = {"[]", "{}", "{\"keep\":-1,\"keep_for_s\":0,\"keep_on_success\":false}",
                                      "{\"keep\":2,\"keep_for_s\":\"1\",\"keep_on_success\":false}",
                                      "{\"keep\":2,\"keep_for_s\":0,\"keep_on_success\":0}"};
    struct bv_retention r = {.keep = 7, .keep_for = 90.5, .keep_on_success = 1}, back = {.quota_job = 3};
    autojson json_t *j = bv_retention_json(&r);
    assert_int_equal(bv_retention_parse(j, &back), 0);
    assert_true(back.keep == 7 && back.keep_on_success == 1 && back.quota_job == 3);
    assert_float_equal(back.keep_for, 90.5, 0);
    assert_int_equal(bv_retention_parse(NULL, &back), -1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autojson json_t *one = NULL;
        assert_ok(bv_json_parse(bad[i], strlen(bad[i]), &one, &err));
        assert_int_equal(bv_retention_parse(one, &back), -1);
        assert_int_equal(back.keep, 7);
    }
}

static void an_option_counts_more_than_the_history(void **state)
{
    (void)state;
    struct bv_retention r = {.keep = 7, .keep_for = 5, .keep_on_success = 1};
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    assert_ok(bv_settings_set(&s, bv_setting_find("keep"), "3", BV_LAYER_OPTION, "--keep", &err));
    assert_ok(bv_settings_set(&s, bv_setting_find("keep-for"), "1h", BV_LAYER_ENVIRONMENT, "BIVOUAC_KEEP_FOR", &err));
    assert_ok(bv_settings_set(&s, bv_setting_find("keep-on-success"), "no", BV_LAYER_SITE, "FILE:1", &err));
    bv_retention_override(&s, &r);
    assert_int_equal(r.keep, 3);
    assert_float_equal(r.keep_for, 5, 0);
    assert_int_equal(r.keep_on_success, 1);
    assert_float_equal(bv_retention_of(&s).keep_for, 3600, 0);
}

/* --- space --- */

/* Generations 1 to 4 and the new one, 5. Each has a pack of its own; 1's is shared by 2, 2's by 3, 4 and 5. */
static const struct bv_usage_file files[] = {
    {.ino = 11, .bytes = 100, .generation = 1}, {.ino = 11, .bytes = 100, .generation = 2},
    {.ino = 12, .bytes = 200, .generation = 2}, {.ino = 12, .bytes = 200, .generation = 3},
    {.ino = 12, .bytes = 200, .generation = 4}, {.ino = 12, .bytes = 200, .generation = 5},
    {.ino = 13, .bytes = 300, .generation = 3}, {.ino = 14, .bytes = 400, .generation = 4},
    {.ino = 15, .bytes = 500, .generation = 5}, {.ino = 99, .bytes = 7, .generation = 0},
};

struct room {
    const char *marks[4]; /* of generations 1 to 4; 5 is not committed */
    uint64_t needed;
    const char *expected; /* numbers, or "no" */
    uint64_t freed;
};

static const struct room rooms[] = {
    {{"", "", "", ""}, 0, "", 0},
    {{"", "", "", ""}, 1, "12", 100}, /* the first alone frees nothing */
    {{"", "", "", ""}, 100, "12", 100},
    {{"", "", "", ""}, 101, "123", 400}, /* the second's own pack is still in use */
    {{"", "", "", ""}, 400, "123", 400},
    {{"", "", "", ""}, 401, "no", 400}, /* 4 is the newest */
    {{"p", "", "", ""}, 1, "23", 300},  /* what 1 and 2 share stays */
    {{"", "", "p", ""}, 101, "no", 100},
    {{"", "u", "", ""}, 300, "13", 300},
    {{"", "", "d", ""}, 200, "3", 300}, /* damaged ones first */
    {{"", "", "", "d"}, 200, "4", 400},
    {{"", "", "", "d"}, 401, "412", 500},
    {{"d", "d", "d", "d"}, 400, "123", 400},
};

static void as_little_is_removed_as_makes_the_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        struct bv_retained list[SCENE_MAX];
        struct bv_usage_file copy[sizeof(files) / sizeof(files[0])];
        struct bv_usage usage = {.files = copy, .count = sizeof(files) / sizeof(files[0])};
        struct given given[SCENE_MAX] = {{0}};
        unsigned numbers[SCENE_MAX];
        char got[SCENE_MAX + 1] = "no";
        uint64_t freed;
        memcpy(copy, files, sizeof(files));
        for (size_t k = 0; k < 4; k++)
            given[k].marks = rooms[i].marks[k];
        size_t n = fill(given, list);
        long count = bv_retention_for_space(list, n, &usage, rooms[i].needed, numbers, &freed);
        for (long k = 0; k < count; k++)
            got[k] = (char)('0' + numbers[k]);
        if (count >= 0)
            got[count] = '\0';
        if (strcmp(got, rooms[i].expected) != 0 || freed != rooms[i].freed)
            fail_msg("room %zu: \"%s\" and %llu bytes, not \"%s\" and %llu", i, got, (unsigned long long)freed,
                     rooms[i].expected, (unsigned long long)rooms[i].freed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scene_ends_as_it_should),
        cmocka_unit_test(success_leaves_only_what_is_guarded),
        cmocka_unit_test(what_an_attempt_keeps_is_read_from_its_history),
        cmocka_unit_test(an_option_counts_more_than_the_history),
        cmocka_unit_test(as_little_is_removed_as_makes_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
