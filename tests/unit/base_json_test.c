/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/cleanup.h"
#include "base/json.h"

static json_t *parse(const char *text)
{
    json_t *j = NULL;
    assert_ok(bv_json_parse(text, strlen(text), &j, &err));
    return j;
}

static void every_byte_but_nul_survives_the_escape(void **state)
{
    (void)state;
    char all[256];
    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    all[255] = '\0';
    autojson json_t *escaped = bv_json_bytes(all);
    for (const char *p = json_string_value(escaped); *p; p++)
        assert_in_range(*p, 0x20, 0x7e);

    autofree char *text = bv_json_canonical(escaped);
    autojson json_t *object = json_pack("{s:O}", "x", escaped);
    autofree char *back = NULL;
    assert_ok(bv_json_get_bytes(object, "x", &back, &err));
    assert_string_equal(back, all);
    assert_null(strchr(text, '\n'));
}

static void plain_text_stays_readable_and_only_the_percent_sign_is_special(void **state)
{
    (void)state;
    autojson json_t *plain = bv_json_bytes("/home/a b/\"x\"\\y");
    assert_string_equal(json_string_value(plain), "/home/a b/\"x\"\\y");
    autojson json_t *special = bv_json_bytes("100%\n\xc3\xa9\x7f");
    assert_string_equal(json_string_value(special), "100%25%0A%C3%A9%7F");
    autojson json_t *empty = bv_json_bytes("");
    assert_string_equal(json_string_value(empty), "");
}

static void a_bad_escape_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "%0", "a%", "%4", "%zz", "%4g", "%0a", "%00", "a%00b", "%%", "% 1", "%+1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *out = NULL;
        autojson json_t *j = json_pack("{s:s}", "path", bad[i]);
        assert_fails_saying(BV_ECORRUPT, "\"path\": a bad %XX escape", bv_json_get_bytes(j, "path", &out, &err));
        assert_null(out);
    }
}

static void a_nul_byte_in_a_string_is_refused(void **state)
{
    (void)state;
    json_t *j = NULL;
    static const char text[] = "{\"path\":\"a\\u0000b\"}";
    assert_fails_saying(BV_ECORRUPT, "not JSON", bv_json_parse(text, strlen(text), &j, &err));
    assert_fails_saying(BV_ECORRUPT, "not JSON", bv_json_parse("{\"a\0\":1}", 8, &j, &err));
    assert_null(j);
}

static void canonical_text_is_sorted_and_has_no_space(void **state)
{
    (void)state;
    autojson json_t *a = parse(" { \"b\" : [ 1 , true , null ] ,\n \"a\" : { \"z\" : \"x y\" , \"Z\" : -0 } } ");
    autojson json_t *b = parse("{\"a\":{\"Z\":0,\"z\":\"x y\"},\"b\":[1,true,null]}");
    autofree char *ta = bv_json_canonical(a), *tb = bv_json_canonical(b);
    assert_string_equal(ta, "{\"a\":{\"Z\":0,\"z\":\"x y\"},\"b\":[1,true,null]}");
    assert_string_equal(ta, tb);
}

static void what_is_not_exactly_one_value_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         " ",          "{",         "{}x",           "{} {}",
                                      "[1,]",     "{\"a\":1,}", "{'a':1}",   "nul",           "[01]",
                                      "[1e999]",  "\xff",       "1",         "\"a\"",         "[\"\xc3\"]",
                                      "[NaN]",    "[.5]",       "{\"a\" 1}", "{a:1}",         "//",
                                      "[1] // c", "[\"\t\"]",   "[\"\\x\"]", "[\"\\ud800\"]", "[99999999999999999999]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *j = NULL;
        assert_fails_saying(BV_ECORRUPT, "not JSON (line", bv_json_parse(bad[i], strlen(bad[i]), &j, &err));
        assert_null(j);
    }
}

static void a_key_that_occurs_twice_is_refused(void **state)
{
    (void)state;
    json_t *j = NULL;
    static const char twice[] = "{\"uid\":1,\"x\":{},\"uid\":2}", deep[] = "{\"a\":[{\"k\":1,\"k\":1}]}";
    assert_fails_saying(BV_ECORRUPT, "uplicate", bv_json_parse(twice, strlen(twice), &j, &err));
    assert_fails_saying(BV_ECORRUPT, "uplicate", bv_json_parse(deep, strlen(deep), &j, &err));
}

static void a_text_nested_without_end_does_not_exhaust_the_stack(void **state)
{
    (void)state;
    static char deep[1 << 20];
    json_t *j = NULL;
    memset(deep, '[', sizeof(deep));
    assert_fails_saying(BV_ECORRUPT, "depth", bv_json_parse(deep, sizeof(deep), &j, &err));
}

static void the_length_counts_and_not_a_nul_byte(void **state)
{
    (void)state;
    json_t *j = NULL;
    assert_ok(bv_json_parse("[1]garbage", 3, &j, &err));
    assert_int_equal(json_array_size(j), 1);
    json_decref(j);
}

static void a_member_of_another_type_is_refused_by_name(void **state)
{
    (void)state;
    autojson json_t *j = parse("{\"n\":null,\"i\":5,\"s\":\"x\",\"r\":1.0,\"b\":true,\"a\":[],\"o\":{}}");
    const char *s = "untouched";
    uint64_t u = 77;
    int64_t i = 77;
    int b = 77;
    json_t *v = NULL;
    char *bytes = NULL;
    static const char *const keys[] = {"n", "i", "s", "r", "b", "a", "o", "missing"};
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        char name[16];
        snprintf(name, sizeof(name), "\"%s\"", keys[k]);
        if (strcmp(keys[k], "s") != 0) {
            assert_fails_saying(BV_ECORRUPT, name, bv_json_str(j, keys[k], &s, &err));
            assert_fails_saying(BV_ECORRUPT, name, bv_json_get_bytes(j, keys[k], &bytes, &err));
        }
        if (strcmp(keys[k], "i") != 0) {
            assert_fails_saying(BV_ECORRUPT, name, bv_json_u64(j, keys[k], 9, &u, &err));
            assert_fails_saying(BV_ECORRUPT, name, bv_json_i64(j, keys[k], &i, &err));
        }
        if (strcmp(keys[k], "b") != 0)
            assert_fails_saying(BV_ECORRUPT, name, bv_json_bool(j, keys[k], &b, &err));
        if (strcmp(keys[k], "a") != 0)
            assert_fails_saying(BV_ECORRUPT, name, bv_json_array(j, keys[k], 9, &v, &err));
        if (strcmp(keys[k], "o") != 0)
            assert_fails_saying(BV_ECORRUPT, name, bv_json_object(j, keys[k], &v, &err));
    }
    assert_string_equal(s, "untouched");
    assert_true(u == 77 && i == 77 && b == 77 && !v && !bytes);
}

static void a_member_is_read_from_nothing_but_an_object(void **state)
{
    (void)state;
    autojson json_t *array = parse("[{\"s\":\"x\"}]");
    const char *s = NULL;
    assert_fails(BV_ECORRUPT, bv_json_str(array, "s", &s, &err));
    assert_fails(BV_ECORRUPT, bv_json_str(NULL, "s", &s, &err));
    assert_null(s);
}

static void a_number_has_its_limits(void **state)
{
    (void)state;
    autojson json_t *j = parse("{\"zero\":0,\"max\":9,\"more\":10,\"minus\":-1,\"big\":9223372036854775807,"
                               "\"small\":-9223372036854775808}");
    uint64_t u = 77;
    int64_t i = 77;
    assert_ok(bv_json_u64(j, "zero", 9, &u, &err));
    assert_int_equal(u, 0);
    assert_ok(bv_json_u64(j, "max", 9, &u, &err));
    assert_int_equal(u, 9);
    assert_fails_saying(BV_ECORRUPT, "\"more\" is out of range", bv_json_u64(j, "more", 9, &u, &err));
    assert_fails_saying(BV_ECORRUPT, "\"minus\" is out of range", bv_json_u64(j, "minus", UINT64_MAX, &u, &err));
    assert_int_equal(u, 9);
    assert_ok(bv_json_u64(j, "big", INT64_MAX, &u, &err));
    assert_int_equal(u, INT64_MAX);
    assert_ok(bv_json_i64(j, "small", &i, &err));
    assert_true(i == INT64_MIN);
}

static void an_array_has_no_more_elements_than_allowed(void **state)
{
    (void)state;
    autojson json_t *j = parse("{\"a\":[1,2,3]}");
    json_t *a = NULL;
    assert_fails_saying(BV_ECORRUPT, "more than 2", bv_json_array(j, "a", 2, &a, &err));
    assert_null(a);
    assert_ok(bv_json_array(j, "a", 3, &a, &err));
    assert_int_equal(json_array_size(a), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_but_nul_survives_the_escape),
        cmocka_unit_test(plain_text_stays_readable_and_only_the_percent_sign_is_special),
        cmocka_unit_test(a_bad_escape_is_refused),
        cmocka_unit_test(a_nul_byte_in_a_string_is_refused),
        cmocka_unit_test(canonical_text_is_sorted_and_has_no_space),
        cmocka_unit_test(what_is_not_exactly_one_value_is_refused),
        cmocka_unit_test(a_key_that_occurs_twice_is_refused),
        cmocka_unit_test(a_text_nested_without_end_does_not_exhaust_the_stack),
        cmocka_unit_test(the_length_counts_and_not_a_nul_byte),
        cmocka_unit_test(a_member_of_another_type_is_refused_by_name),
        cmocka_unit_test(a_member_is_read_from_nothing_but_an_object),
        cmocka_unit_test(a_number_has_its_limits),
        cmocka_unit_test(an_array_has_no_more_elements_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
