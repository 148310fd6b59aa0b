/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/words.h"

static void an_empty_list_ends_at_once(void **state)
{
    (void)state;
    autowords struct bv_words w = {0};
    assert_null(bv_words_argv(&w)[0]);
    bv_words_add_list(&w, (const char *[]){NULL});
    bv_words_add_first(&w, (const char *[]){"not this"}, 0);
    assert_null(bv_words_argv(&w)[0]);
    assert_int_equal(w.count, 0);
}

static void words_are_copies_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    autowords struct bv_words w = {0};
    char first[] = "first";
    bv_words_add(&w, first);
    first[0] = 'w';
    bv_words_add_list(&w, (const char *[]){"", "a b", NULL});
    bv_words_add_first(&w, (const char *[]){"one", "two", "three"}, 2);
    static const char *const expected[] = {"first", "", "a b", "one", "two"};
    assert_int_equal(w.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(bv_words_argv(&w)[i], expected[i]);
    assert_null(bv_words_argv(&w)[5]);
}

static void no_word_of_a_long_list_is_left_out(void **state)
{
    (void)state;
    autowords struct bv_words w = {0};
    char text[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "%d", i);
        bv_words_add(&w, text);
    }
    assert_int_equal(w.count, 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(atoi(bv_words_argv(&w)[i]), i);
    assert_null(bv_words_argv(&w)[5000]);
}

static void a_list_that_was_freed_begins_anew(void **state)
{
    (void)state;
    autowords struct bv_words w = {0};
    bv_words_add(&w, "old");
    bv_words_free(&w);
    assert_null(bv_words_argv(&w)[0]);
    bv_words_add(&w, "new");
    assert_string_equal(bv_words_argv(&w)[0], "new");
    assert_int_equal(w.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_ends_at_once),
        cmocka_unit_test(words_are_copies_in_the_order_in_which_they_came),
        cmocka_unit_test(no_word_of_a_long_list_is_left_out),
        cmocka_unit_test(a_list_that_was_freed_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
