/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/cleanup.h"
#include "base/hex.h"

static void bytes_are_digits_and_back(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {0x00, 0x0f, 0xf0, 0xff, 0x9a};
    unsigned char back[5];
    char into[11];
    autofree char *text = bv_hex(bytes, sizeof(bytes));
    assert_string_equal(text, "000ff0ff9a");
    bv_hex_into(into, bytes, sizeof(bytes));
    assert_string_equal(into, text);
    assert_int_equal(bv_unhex(text, back, sizeof(back)), sizeof(bytes));
    assert_memory_equal(back, bytes, sizeof(bytes));
    assert_int_equal(bv_unhex("", back, 0), 0);
    autofree char *none = bv_hex(NULL, 0);
    assert_string_equal(none, "");
}

static void what_is_not_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"0", "000", "0g", "g0", "AB", " 0", "0x", "-1", "0102030405060708ff"};
    unsigned char back[8];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(bv_unhex(bad[i], back, sizeof(back)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_digits_and_back),
        cmocka_unit_test(what_is_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
