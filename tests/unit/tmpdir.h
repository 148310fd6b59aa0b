/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "unit.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

/* A directory of the test's own, as its state. */

struct tmpdir {
    char path[64];
    int fd;
};

static inline int tmpdir_setup(void **state)
{
    struct tmpdir *d = bv_alloc(sizeof(*d));
    snprintf(d->path, sizeof(d->path), "/tmp/bivouac-test.XXXXXX");
    if (!mkdtemp(d->path))
        return -1;
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = d;
    return d->fd < 0 ? -1 : 0;
}

static inline int tmpdir_teardown(void **state)
{
    struct tmpdir *d = *state;
    close(d->fd);
    int rc = bv_remove_tree(AT_FDCWD, d->path, NULL);
    free(d);
    return rc;
}

#define tmpdir_test(function) cmocka_unit_test_setup_teardown(function, tmpdir_setup, tmpdir_teardown)

/* Path of `name` in the directory, allocated. */
static inline char *path_in(const struct tmpdir *d, const char *name)
{
    return bv_asprintf("%s/%s", d->path, name);
}

static inline void put_bytes(int dirfd, const char *name, const void *bytes, size_t size)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(bv_write_full(fd, bytes, size), 0);
}

static inline void put_text(int dirfd, const char *name, const char *text)
{
    put_bytes(dirfd, name, text, strlen(text));
}

static inline void put_program(int dirfd, const char *name, const char *text)
{
    put_text(dirfd, name, text);
    assert_int_equal(fchmodat(dirfd, name, 0755, 0), 0);
}

static inline void assert_text(int dirfd, const char *name, const char *text)
{
    autofree char *got = NULL;
    assert_ok(bv_read_file(dirfd, name, 1 << 20, &got, NULL, &err));
    assert_string_equal(got, text);
}

static inline void assert_missing(int dirfd, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(errno, ENOENT);
}
