/* SPDX-License-Identifier: Apache-2.0 */
/* What a capsule shows at the places where the job looks for its files. */
#include "capsule_fixture.h"

/* The tests' directory has: host/ (with "f" saying "from the host"), parent/ (with a file, a directory, a link). */
static int binds_setup(void **state)
{
    if (capsule_setup(state) < 0)
        return -1;
    struct capsule_fixture *f = *state;
    int fd = f->dir->fd;
    if (mkdirat(fd, "host", 0755) < 0 || mkdirat(fd, "parent", 0755) < 0 || mkdirat(fd, "parent/dir", 0755) < 0 ||
        symlinkat("dir/inner", fd, "parent/link") < 0)
        return -1;
    put_text(fd, "host/f", "from the host\n");
    put_text(fd, "parent/file", "sibling\n");
    put_text(fd, "parent/dir/inner", "inner\n");
    free(f->command.cwd);
    f->command.cwd = bv_strdup(f->dir->path);
    return 0;
}

#define binds_test(function) cmocka_unit_test_setup_teardown(function, binds_setup, capsule_teardown)

static void bind_here(struct capsule_fixture *f, const char *host, const char *job)
{
    autofree char *a = path_in(f->dir, host), *b = path_in(f->dir, job);
    bind_in(f, a, b);
}

static void a_directory_is_seen_and_written_at_another_place(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/dir");
    assert_prints(f, "cat parent/dir/f; echo written >parent/dir/new; ls parent/dir", "from the host\nf\nnew\n");
    assert_text(f->dir->fd, "host/new", "written\n");
    assert_missing(f->dir->fd, "parent/dir/new");
    assert_text(f->dir->fd, "parent/dir/inner", "inner\n");
}

static void a_file_is_seen_in_the_place_of_another(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host/f", "parent/file");
    assert_prints(f, "cat parent/file", "from the host\n");
    assert_text(f->dir->fd, "parent/file", "sibling\n");
}

static void a_missing_mount_point_appears_among_its_siblings(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/new");
    assert_prints(f, "cat parent/new/f parent/file parent/link; ls parent; readlink parent/link",
                  "from the host\nsibling\ninner\ndir\nfile\nlink\nnew\ndir/inner\n");
}

static void a_missing_mount_point_is_not_created_on_the_host(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/new");
    bind_here(f, "host/f", "parent/new-file");
    assert_prints(f, "cat parent/new-file", "from the host\n");
    assert_missing(f->dir->fd, "parent/new");
    assert_missing(f->dir->fd, "parent/new-file");
}

static void several_levels_that_are_missing_are_made(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/a/b/c");
    assert_prints(f, "cat parent/a/b/c/f parent/file; find parent/a -type d | sort",
                  "from the host\nsibling\nparent/a\nparent/a/b\nparent/a/b/c\n");
    assert_missing(f->dir->fd, "parent/a");
}

static void two_missing_mount_points_share_a_parent(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/one");
    bind_here(f, "parent/dir", "parent/two");
    bind_here(f, "host", "parent/deep/three");
    assert_prints(f, "cat parent/one/f parent/two/inner parent/deep/three/f parent/file",
                  "from the host\ninner\nfrom the host\nsibling\n");
}

static void siblings_of_a_missing_mount_point_can_be_written(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/new");
    assert_prints(f, "echo changed >parent/file; echo x >parent/dir/added; echo y >parent/new/added; echo $?", "0\n");
    assert_text(f->dir->fd, "parent/file", "changed\n");
    assert_text(f->dir->fd, "parent/dir/added", "x\n");
    assert_text(f->dir->fd, "host/added", "y\n");
}

static void what_would_be_lost_beside_a_missing_mount_point_cannot_be_written(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/new");
    assert_prints(f, "(echo lost >parent/lost) 2>/dev/null || echo refused", "refused\n");
    assert_missing(f->dir->fd, "parent/lost");
}

static void a_bind_covers_what_another_shows(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/dir");
    bind_here(f, "parent/file", "parent/dir/f");
    assert_prints(f, "cat parent/dir/f", "sibling\n");
    assert_text(f->dir->fd, "host/f", "from the host\n");
}

static void the_source_is_that_of_the_host_whatever_is_bound_on_it(void **state)
{
    struct capsule_fixture *f = *state;
    /* Two directories change places. */
    bind_here(f, "host", "parent/dir");
    bind_here(f, "parent/dir", "host");
    assert_prints(f, "ls host parent/dir", "host:\ninner\n\nparent/dir:\nf\n");
}

static void assert_not_built(struct capsule_fixture *f, enum bv_code code, const char *words)
{
    struct bv_capsule c = {.init = 77, .sock = 78};
    assert_fails_saying(code, words, bv_capsule_create(&f->config, &c, &err));
    assert_int_equal(c.init, 77);
    assert_int_equal(c.sock, 78);
}

static void a_source_that_is_missing_is_named(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "nothing", "parent/dir");
    assert_not_built(f, BV_ENODIR, "/nothing: No such file");
}

static void a_directory_does_not_go_on_a_file_nor_a_file_on_a_directory(void **state)
{
    struct capsule_fixture *f = *state;
    bind_here(f, "host", "parent/file");
    assert_not_built(f, BV_EUSAGE, "cannot bind a directory on");
    free(f->binds[0].host);
    free(f->binds[0].job);
    f->config.bind_count = 0;
    bind_here(f, "host/f", "parent/dir");
    assert_not_built(f, BV_EUSAGE, "cannot bind a file on");
}

static void a_place_without_any_directory_on_its_way_cannot_be_shown(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *host = path_in(f->dir, "host");
    bind_in(f, host, "/bivouac-no-such-directory/here");
    assert_not_built(f, BV_ENODIR, "no directory on its way exists");
}

static void a_parent_with_very_many_entries_is_refused(void **state)
{
    struct capsule_fixture *f = *state;
    for (int i = 0; i < 600; i++) {
        char name[32];
        snprintf(name, sizeof(name), "parent/%d", i);
        put_text(f->dir->fd, name, "");
    }
    bind_here(f, "host", "parent/new");
    assert_not_built(f, BV_EHOST, "create the missing directory in it yourself");
}

static void a_bind_goes_into_a_private_tmp(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *host = path_in(f->dir, "host");
    autofree char *job = bv_asprintf("/tmp/bivouac-bound-%d", (int)getpid());
    autofree char *script =
        bv_asprintf("cat %s/f >%s/copy; echo x >/tmp/mine && cat /tmp/mine >>%s/copy", job, job, job);
    f->config.private_tmp = 1;
    bind_in(f, host, job);
    free(f->command.cwd);
    f->command.cwd = bv_strdup(job);
    free(f->stdio.end[1].path);
    f->stdio.end[1].path = bv_strdup("/dev/null");
    assert_int_equal(run_script(f, script), 0);
    assert_text(f->dir->fd, "host/copy", "from the host\nx\n");
    assert_missing(AT_FDCWD, job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        binds_test(a_directory_is_seen_and_written_at_another_place),
        binds_test(a_file_is_seen_in_the_place_of_another),
        binds_test(a_missing_mount_point_appears_among_its_siblings),
        binds_test(a_missing_mount_point_is_not_created_on_the_host),
        binds_test(several_levels_that_are_missing_are_made),
        binds_test(two_missing_mount_points_share_a_parent),
        binds_test(siblings_of_a_missing_mount_point_can_be_written),
        binds_test(what_would_be_lost_beside_a_missing_mount_point_cannot_be_written),
        binds_test(a_bind_covers_what_another_shows),
        binds_test(the_source_is_that_of_the_host_whatever_is_bound_on_it),
        binds_test(a_source_that_is_missing_is_named),
        binds_test(a_directory_does_not_go_on_a_file_nor_a_file_on_a_directory),
        binds_test(a_place_without_any_directory_on_its_way_cannot_be_shown),
        binds_test(a_parent_with_very_many_entries_is_refused),
        binds_test(a_bind_goes_into_a_private_tmp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
