/* SPDX-License-Identifier: Apache-2.0 */
/* Where files of a container are on the host, by the tables of mounts of both. */
#include "unit.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "proc/mounts.h"

static const char host_text[] = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                                "30 22 0:25 / /tmp rw - tmpfs tmpfs rw,size=1g\n"
                                "31 22 8:2 / /data rw,relatime shared:7 master:2 - xfs /dev/sdb rw\n"
                                "32 31 8:3 /sub /data/over rw - xfs /dev/sdc rw\n";
static const char container_text[] = "90 80 8:1 /srv/box/rootfs / rw - ext4 /dev/sda1 rw\n"
                                     "91 90 0:50 / /proc rw - proc proc rw\n"
                                     "92 90 0:51 / /dev/shm rw - tmpfs shm rw\n"
                                     "93 90 8:2 /user/in\\040put /in rw - xfs /dev/sdb rw\n"
                                     "94 90 0:25 /scratch /scratch rw - tmpfs tmpfs rw\n"
                                     "95 90 8:2 /over /hidden rw - xfs /dev/sdb rw\n"
                                     "96 90 8:3 / /all rw - xfs /dev/sdc rw\n";

struct tables {
    struct bv_mounts host, container;
};

static int set_up(void **state)
{
    static struct tables t;
    bv_mounts_parse(host_text, &t.host);
    bv_mounts_parse(container_text, &t.container);
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    struct tables *t = *state;
    bv_mounts_free(&t->host);
    bv_mounts_free(&t->container);
    return 0;
}

static void lines_are_understood(void **state)
{
    const struct tables *t = *state;
    assert_int_equal(t->container.count, 7);
    assert_true(t->container.mount[3].dev == makedev(8, 2));
    assert_string_equal(t->container.mount[3].root, "/user/in put");
    assert_string_equal(t->container.mount[3].path, "/in");
    assert_string_equal(t->container.mount[3].type, "xfs");
    assert_string_equal(bv_mounts_of(&t->container, "/in/x")->path, "/in");
    assert_string_equal(bv_mounts_of(&t->container, "/inner")->path, "/");
}

static void files_are_found(void **state)
{
    static const struct {
        const char *in, *on_host;
    } cases[] = {
        {"/etc/passwd", "/srv/box/rootfs/etc/passwd"},
        {"/in/a/b", "/data/user/in put/a/b"},
        {"/in", "/data/user/in put"},
        {"/scratch/x", "/tmp/scratch/x"},
        {"/all/sub/x", "/data/over/x"},
        {"/all/x", NULL},     /* of that file system the host sees only a part */
        {"/dev/shm/x", NULL}, /* of the container's alone */
        {"/hidden/x", NULL},  /* on the host something is mounted over it */
    };
    const struct tables *t = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autofree char *got = bv_mounts_map(&t->container, &t->host, cases[i].in);
        if (cases[i].on_host)
            assert_string_equal(got, cases[i].on_host);
        else
            assert_null(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_understood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_found, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
