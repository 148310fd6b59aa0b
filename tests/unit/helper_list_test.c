/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/list.h"
#include "unit.h"

static int find_user(const char *name, uid_t *ret)
{
    *ret = 1000;
    return strcmp(name, "alice") == 0 ? 0 : -1;
}

static int find_group(const char *name, gid_t *ret)
{
    *ret = 50;
    return strcmp(name, "team") == 0 ? 0 : -1;
}

static int ask(const char *list, uid_t uid, const char *bridge, const char *address, struct bv_error *err)
{
    const gid_t groups[] = {50, 51};
    struct helper_caller who = {.uid = uid, .groups = groups, .group_count = 2, .user = find_user, .group = find_group};
    struct bv_ip ip;
    char text[512];
    assert_int_equal(bv_ip_parse(address, &ip), 0);
    assert_true(strlen(list) < sizeof(text));
    strcpy(text, list);
    return helper_list_allows(text, strlen(list), &who, bridge, &ip, err);
}

static void test_who(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "allow alice br0 any",
        "allow 1000 br0 any",
        "allow * br0 any",
        "allow @team br0 any",
        "allow @51 br0 any",
        "# a comment\n\n \t allow\talice  br0 any # and another\r\n",
        "allow nobody-here br0 any\nallow @none br0 any\nallow alice br0 any",
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        assert_ok(ask(lists[i], 1000, "br0", "192.0.2.7", &err));
    static const char *const others[] = {"",
                                         "#",
                                         "allow bob br0 any",
                                         "allow 1001 br0 any",
                                         "allow @52 br0 any",
                                         "allow alice br1 any",
                                         "# allow alice br0 any",
                                         "allow @alice br0 any"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_fails_saying(BV_EDENIED, "no line", ask(others[i], 1000, "br0", "192.0.2.7", &err));
    assert_fails_saying(BV_EDENIED, "no line", ask(lists[0], 0, "br0", "192.0.2.7", &err));
}

static void test_addresses(void **state)
{
    (void)state;
    static const char list[] = "allow alice br0 192.0.2.0/29,198.51.100.7,2001:db8::/33\n";
    assert_ok(ask(list, 1000, "br0", "192.0.2.7", &err));
    assert_ok(ask(list, 1000, "br0", "192.0.2.7/24", &err));
    assert_ok(ask(list, 1000, "br0", "198.51.100.7", &err));
    assert_ok(ask(list, 1000, "br0", "2001:db8:7fff::1", &err));
    assert_fails_saying(BV_EDENIED, "no line", ask(list, 1000, "br0", "192.0.2.8", &err));
    assert_fails_saying(BV_EDENIED, "no line", ask(list, 1000, "br0", "198.51.100.6", &err));
    assert_fails_saying(BV_EDENIED, "no line", ask(list, 1000, "br0", "2001:db8:8000::1", &err));
    assert_ok(ask("allow alice br0 0.0.0.0/0", 1000, "br0", "203.0.113.1", &err));
    assert_fails_saying(BV_EDENIED, "no line", ask("allow alice br0 0.0.0.0/0", 1000, "br0", "::1", &err));
}

/* Whatever else there is in the list, also behind what would allow it, and for others. */
static void test_not_understood(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "allow alice br0",
        "allow alice br0 any any",
        "deny alice br0 any",
        "allow alice br0 any\nallow bob br0 192.0.2.300",
        "allow alice br0 any\nallow bob br0 192.0.2.0/33",
        "allow alice br0 any,",
        "allow alice br0 any\nallow bob a-name-too-long-for-it any",
        "allow alice br0 any\nx",
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        assert_fails_saying(BV_EDENIED, "nobody may use a bridge", ask(lists[i], 1000, "br0", "192.0.2.7", &err));

    char text[] = "allow alice br0 any\n\0# what is hidden";
    struct helper_caller who = {.uid = 1000, .user = find_user, .group = find_group};
    struct bv_ip ip;
    bv_ip_parse("192.0.2.7", &ip);
    assert_fails_saying(BV_EDENIED, "NUL", helper_list_allows(text, sizeof(text) - 1, &who, "br0", &ip, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_not_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
