/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "proc/maps.h"
#include "proc/mounts.h"
#include "proc/socket.h"

static void mappings_are_parsed(void **state)
{
    static const char text[] =
        "556759389000-5567593b8000 r-xp 0002f000 fe:01 1234                       /usr/bin/my prog\n"
        "7f0000000000-7f0000001000 rw-s 00000000 00:01 77                         /dev/zero (deleted)\n"
        "7f0000001000-7f0000002000 rw-p 00000000 00:00 0 \n"
        "7f0000002000-7f0000003000 ---p 00000000 00:00 0                          [stack]\n"
        "7f0000003000-7f0000004000 rw-s 00001000 00:05 9                          /tmp/a\\012b\\134c (deleted)\n";
    automaps struct bv_maps m = {0};
    (void)state;
    assert_int_equal(bv_maps_parse(text, &m, NULL), 0);
    assert_int_equal(m.count, 5);
    assert_true(m.map[0].start == 0x556759389000 && m.map[0].end == 0x5567593b8000);
    assert_int_equal(m.map[0].offset, 0x2f000);
    assert_int_equal(m.map[0].dev_major, 0xfe);
    assert_int_equal(m.map[0].ino, 1234);
    assert_true(m.map[0].readable && !m.map[0].writable && m.map[0].executable && !m.map[0].shared);
    assert_string_equal(m.map[0].path, "/usr/bin/my prog");
    assert_false(m.map[0].deleted);
    assert_string_equal(m.map[1].path, "/dev/zero");
    assert_true(m.map[1].deleted && m.map[1].shared);
    assert_null(m.map[2].path);
    assert_string_equal(m.map[3].path, "[stack]");
    assert_string_equal(m.map[4].path, "/tmp/a\nb\\134c"); /* the kernel escapes the line feed and nothing else */
    assert_true(m.map[4].deleted);
}

static void a_text_without_an_end_of_line_is_parsed(void **state)
{
    automaps struct bv_maps m = {0};
    (void)state;
    assert_int_equal(bv_maps_parse("1000-2000 rw-p 00000000 00:00 0", &m, NULL), 0);
    assert_int_equal(m.count, 1);
}

static void nonsense_is_no_mapping(void **state)
{
    static const char *const bad[] = {"x",
                                      "\n",
                                      "1000-2000",
                                      "2000-1000 rw-p 00000000 00:00 0\n",
                                      "1000-2000 rw- 00000000 00:00 0\n",
                                      "1000-2000 rw-p 00000000 00:00\n 0\n",
                                      "1000-2000 rw-p 00000000 00:00 0\nmore\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bv_maps m = {.count = 42};
        struct bv_error err = {0};
        assert_int_equal(bv_maps_parse(bad[i], &m, &err), -1);
        assert_int_equal(err.code, BV_ECORRUPT);
        assert_int_equal(m.count, 42);
    }
    automaps struct bv_maps m = {0};
    assert_int_equal(bv_maps_parse("", &m, NULL), 0);
    assert_int_equal(m.count, 0);
}

static void internet_sockets_are_parsed(void **state)
{
    static const char text[] =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 0200007F:C350 01 00000010:00000020 00:00000000 00000000  1000        0 4711 1 0 20 4 30\n";
    autoinet struct bv_inet_sockets s = {0};
    (void)state;
    assert_int_equal(bv_inet_parse(text, 0, &s, NULL), 0);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.socket[0].inode, 4711);
    assert_int_equal(s.socket[0].local_port, 8080);
    assert_int_equal(s.socket[0].remote_port, 50000);
    assert_int_equal(s.socket[0].state, BV_INET_ESTABLISHED);
    assert_int_equal(s.socket[0].tx_queue, 16);
    assert_int_equal(s.socket[0].rx_queue, 32);
    uint32_t one = 0x0100007f; /* as the line has it: the word in memory is the address */
    assert_memory_equal(s.socket[0].local, &one, 4);
}

static void sockets_of_the_new_internet_are_parsed(void **state)
{
    static const char text[] = "heading\n"
                               "  0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A "
                               "00000000:00000001 00:00000000 00000000     0        0 12 1 0 100 0\n";
    autoinet struct bv_inet_sockets s = {0};
    (void)state;
    assert_int_equal(bv_inet_parse(text, 1, &s, NULL), 0);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.socket[0].state, BV_INET_LISTEN);
    assert_int_equal(s.socket[0].local_port, 22);
    assert_int_equal(s.socket[0].rx_queue, 1);
    assert_true(s.socket[0].v6);
}

static void nonsense_is_no_socket(void **state)
{
    struct bv_inet_sockets s = {.count = 42};
    struct bv_error err = {0};
    (void)state;
    assert_int_equal(bv_inet_parse("heading\nx\n", 0, &s, &err), -1);
    assert_int_equal(err.code, BV_ECORRUPT);
    assert_int_equal(bv_inet_parse("heading\n 0: 01:1F90 02:C350 01 0:0 0:0 0 0 0 1\n", 0, &s, &err), -1);
    assert_int_equal(s.count, 42);
    assert_int_equal(bv_inet_parse("", 0, &s, NULL), 0);
    assert_int_equal(s.count, 0);
}

static void mounts_are_parsed_and_found_by_name(void **state)
{
    static const char text[] = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                               "no mount\n"
                               "30 21 0:40 / /data rw master:2 - nfs4 server:/data rw\n"
                               "31 30 0:41 / /data/with\\040space\\134 rw - fuse.sshfs host: rw\n"
                               "32 30 0:42 / /data/cut rw - \n"
                               "33 21 0:43 / /data rw shared:3 - tmpfs tmpfs rw";
    automounts struct bv_mounts m = {0};
    (void)state;
    bv_mounts_parse(text, &m);
    assert_int_equal(m.count, 4);
    assert_string_equal(bv_mounts_of(&m, "/datafile")->path, "/");
    assert_string_equal(bv_mounts_of(&m, "/")->type, "ext4");
    assert_string_equal(bv_mounts_of(&m, "/data/file")->type, "tmpfs");
    assert_string_equal(bv_mounts_of(&m, "/data/with space\\/file")->type, "fuse.sshfs");
    assert_true(bv_mount_is_remote("fuse.sshfs") && bv_mount_is_remote("nfs4") && bv_mount_is_remote("nfs"));
    assert_false(bv_mount_is_remote("ext4") || bv_mount_is_remote("tmpfs"));

    automounts struct bv_mounts none = {0};
    bv_mounts_parse("", &none);
    assert_null(bv_mounts_of(&none, "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mappings_are_parsed),
        cmocka_unit_test(a_text_without_an_end_of_line_is_parsed),
        cmocka_unit_test(nonsense_is_no_mapping),
        cmocka_unit_test(internet_sockets_are_parsed),
        cmocka_unit_test(sockets_of_the_new_internet_are_parsed),
        cmocka_unit_test(nonsense_is_no_socket),
        cmocka_unit_test(mounts_are_parsed_and_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
