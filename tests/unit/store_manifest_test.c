/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest is accepted only if it is whole, its own, and names nothing but files of its generation. */
#include "store_fixture.h"

#include "store/manifest.h"

static char *make(void)
{
    struct bv_file_ref refs[2] = {{.generation = 3, .size = 4096}, {.generation = 7, .size = 8192}};
    struct bv_manifest m = {.job = "job-1", .generation = 7, .attempt = 2, .packs = refs, .pack_count = 2};
    struct bv_gen_stats totals = {.streams = 3, .raw_bytes = 100};
    autojson json_t *content = json_pack("{s:s, s:f}", "k", "v", "f", 1.0 / 3);
    return bv_manifest_build(&m, &totals, content);
}

/* Put `value` under `key`, or take the key away, and sign again: what a careless or clever writer might make. */
static char *resigned(const char *text, const char *key, json_t *value)
{
    struct bv_digest d;
    char digest[BV_DIGEST_TEXT];
    autojson json_t *j = json_loads(text, 0, NULL);
    if (value)
        bv_json_set(j, key, value);
    else
        json_object_del(j, key);
    json_object_del(j, "digest");
    autofree char *body = bv_json_canonical(j);
    d = bv_digest_of(body, strlen(body));
    bv_digest_text(&d, digest);
    bv_json_set(j, "digest", json_string(digest));
    autofree char *whole = bv_json_canonical(j);
    return bv_asprintf("%s\n", whole);
}

static void a_manifest_comes_back_from_its_text(void **state)
{
    (void)state;
    autofree char *text = make();
    automanifest struct bv_manifest m = {0};
    assert_ok(bv_manifest_parse(text, strlen(text), &m, &err));
    assert_string_equal(m.job, "job-1");
    assert_int_equal(m.generation, 7);
    assert_int_equal(m.attempt, 2);
    assert_int_equal(m.pack_count, 2);
    assert_int_equal(m.packs[0].generation, 3);
    assert_int_equal(m.packs[1].size, 8192);
    assert_string_equal(json_string_value(json_object_get(m.content, "k")), "v");
    assert_non_null(json_object_get(m.json, "digest"));
}

static void a_manifest_that_is_not_canonical_is_refused(void **state)
{
    (void)state;
    autofree char *text = make();
    automanifest struct bv_manifest m = {0};
    autojson json_t *j = json_loads(text, 0, NULL);
    autofree char *pretty = json_dumps(j, JSON_INDENT(2));
    assert_fails(BV_ECORRUPT, bv_manifest_parse(pretty, strlen(pretty), &m, &err));
    assert_fails(BV_ECORRUPT, bv_manifest_parse(text, strlen(text) - 1, &m, &err));
}

static void a_manifest_of_another_format_says_so(void **state)
{
    (void)state;
    autofree char *text = make();
    autofree char *newer = resigned(text, "format", json_string("bivouac-generation 3"));
    autofree char *foreign = resigned(text, "format", json_string("tarball"));
    automanifest struct bv_manifest m = {0};
    assert_fails(BV_ESTORE, bv_manifest_parse(newer, strlen(newer), &m, &err));
    assert_fails(BV_ECORRUPT, bv_manifest_parse(foreign, strlen(foreign), &m, &err));
}

/* The packs of the manifest, with another name for the first. */
static char *with_pack(const char *name)
{
    autofree char *text = make();
    autojson json_t *j = json_loads(text, 0, NULL);
    json_t *packs = json_deep_copy(json_object_get(j, "packs"));
    bv_json_set(json_array_get(packs, 0), "name", json_string(name));
    return resigned(text, "packs", packs);
}

static void a_pack_outside_the_directory_is_refused(void **state)
{
    static const char *const bad[] = {
        "../pack-000003.bvp", "/pack-000003.bvp", "a/b", "..", "", "index", "pack-0.bvp", "pack", "pack-000000.bvp"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autofree char *text = with_pack(bad[i]);
        automanifest struct bv_manifest m = {0};
        struct bv_error err = {0};
        assert_int_equal(bv_manifest_parse(text, strlen(text), &m, &err), -1);
        assert_int_equal(err.code, BV_ECORRUPT);
        assert_non_null(strstr(err.text, "a file of this generation"));
    }
}

static void a_pack_that_comes_twice_is_refused(void **state)
{
    (void)state;
    autofree char *text = with_pack("pack-000007.bvp");
    automanifest struct bv_manifest m = {0};
    assert_fails(BV_ECORRUPT, bv_manifest_parse(text, strlen(text), &m, &err));
}

static void a_missing_or_odd_member_is_named(void **state)
{
    static const char *const keys[] = {"format", "job",    "generation", "attempt", "created",
                                       "index",  "totals", "content",    "packs"};
    (void)state;
    autofree char *text = make();
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        for (int odd = 0; odd < 2; odd++) {
            autofree char *changed = resigned(text, keys[i], odd ? json_true() : NULL);
            automanifest struct bv_manifest m = {0};
            struct bv_error err = {0};
            assert_int_equal(bv_manifest_parse(changed, strlen(changed), &m, &err), -1);
            assert_int_equal(err.code, BV_ECORRUPT);
            assert_non_null(strstr(err.text, keys[i]));
        }
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    autofree char *text = make();
    automanifest struct bv_manifest m = {0};
    autofree char *huge = resigned(text, "generation", json_integer(1000000));
    autofree char *negative = resigned(text, "attempt", json_integer(-1));
    assert_fails(BV_ECORRUPT, bv_manifest_parse(huge, strlen(huge), &m, &err));
    assert_fails(BV_ECORRUPT, bv_manifest_parse(negative, strlen(negative), &m, &err));
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const bad[] = {"", "\n", "null\n", "[]\n", "{}\n", "{\"digest\":1}\n", "7\n", "{\n"};
    (void)state;
    automanifest struct bv_manifest m = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(BV_ECORRUPT, bv_manifest_parse(bad[i], strlen(bad[i]), &m, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_comes_back_from_its_text),
        cmocka_unit_test(a_manifest_that_is_not_canonical_is_refused),
        cmocka_unit_test(a_manifest_of_another_format_says_so),
        cmocka_unit_test(a_pack_outside_the_directory_is_refused),
        cmocka_unit_test(a_pack_that_comes_twice_is_refused),
        cmocka_unit_test(a_missing_or_odd_member_is_named),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(what_is_no_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
