/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <sys/socket.h>

#include "unit.h"

static void test_parse(void **state)
{
    (void)state;
    struct bv_ip ip;
    assert_int_equal(bv_ip_parse("192.0.2.7/24", &ip), 0);
    assert_int_equal(ip.family, AF_INET);
    assert_int_equal(ip.prefix, 24);
    assert_memory_equal(ip.bytes, "\xc0\x00\x02\x07", 4);
    assert_int_equal(bv_ip_parse("::ffff:192.0.2.7", &ip), 0);
    assert_int_equal(ip.family, AF_INET6);
    assert_int_equal(ip.prefix, 128);
    static const char *const bad[] = {"",
                                      "/",
                                      "/24",
                                      "192.0.2.7/",
                                      "192.0.2.7/33",
                                      "192.0.2.7/-1",
                                      "192.0.2.7/ 1",
                                      "192.0.2.7/0024",
                                      "::/129",
                                      "192.0.2",
                                      "x",
                                      "192.0.2.7x",
                                      "::1%lo",
                                      "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (bv_ip_parse(bad[i], &ip) == 0)
            fail_msg("'%s' is taken for an address", bad[i]);
}

static void test_mac(void **state)
{
    (void)state;
    uint8_t mac[BV_MAC_SIZE];
    assert_int_equal(bv_mac_parse("02:00:5e:aA:ff:07", mac), 0);
    assert_memory_equal(mac, "\x02\x00\x5e\xaa\xff\x07", BV_MAC_SIZE);
    static const char *const bad[] = {"",
                                      "02",
                                      "02:00:00:00:00",
                                      "02:00:00:00:00:7",
                                      "02:00:00:00:00:07:",
                                      "02:00:00:00:00:07:08",
                                      "01:00:00:00:00:07",
                                      "00:00:00:00:00:00",
                                      "02-00-00-00-00-07",
                                      "0x:00:00:00:00:07"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (bv_mac_parse(bad[i], mac) == 0)
            fail_msg("'%s' is taken for a hardware address", bad[i]);
}

/* What is told is heard, of this address alone, and a question is no answer. */
static void test_packets(void **state)
{
    (void)state;
    static const uint8_t mac[BV_MAC_SIZE] = {2, 0, 0, 0, 0, 7};
    static const char *const pairs[][2] = {{"192.0.2.7", "192.0.2.8"}, {"2001:db8::7", "2001:db8::8"}};
    for (size_t i = 0; i < 2; i++) {
        struct bv_ip ours, other;
        struct bv_ip_packet asked, told;
        assert_int_equal(bv_ip_parse(pairs[i][0], &ours), 0);
        assert_int_equal(bv_ip_parse(pairs[i][1], &other), 0);
        bv_ip_ask(&ours, mac, &asked);
        bv_ip_tell(&ours, mac, &told);
        assert_false(bv_ip_is_told(&ours, asked.bytes, asked.size));
        assert_true(bv_ip_is_told(&ours, told.bytes, told.size));
        assert_false(bv_ip_is_told(&other, told.bytes, told.size));
        for (size_t n = 0; n < 28; n++)
            assert_false(bv_ip_is_told(&ours, told.bytes, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
