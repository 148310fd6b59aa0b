/* SPDX-License-Identifier: Apache-2.0 */
#include "store/layout.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/list.h"

void bv_generation_name(unsigned generation, char ret[BV_LAYOUT_NAME])
{
    snprintf(ret, BV_LAYOUT_NAME, "%06u", generation);
}

void bv_uncommitted_name(unsigned generation, unsigned attempt, char ret[BV_LAYOUT_NAME])
{
    snprintf(ret, BV_LAYOUT_NAME, ".%06u.%04u", generation, attempt);
}

void bv_staging_name(unsigned attempt, char ret[BV_LAYOUT_NAME])
{
    snprintf(ret, BV_LAYOUT_NAME, ".staging-%04u", attempt);
}

void bv_deleted_name(unsigned generation, char ret[BV_LAYOUT_NAME])
{
    snprintf(ret, BV_LAYOUT_NAME, ".deleted-%06u", generation);
}

void bv_attempt_name(unsigned attempt, char ret[BV_LAYOUT_NAME])
{
    snprintf(ret, BV_LAYOUT_NAME, "%04u", attempt);
}

void bv_attempt_end_name(unsigned attempt, char ret[BV_LAYOUT_NAME])
{
    snprintf(ret, BV_LAYOUT_NAME, "%04u.end", attempt);
}

/* The longest run of up to 6 digits at `s`; *end is behind it. */
static unsigned digits(const char *s, const char **end)
{
    unsigned value = 0;
    int n = 0;
    for (; n < 6 && s[n] >= '0' && s[n] <= '9'; n++)
        value = value * 10 + (unsigned)(s[n] - '0');
    *end = s + n;
    return value;
}

/* Each reader below takes numbers where they would be and then compares with the name that they make: whatever else a
 * name may be, it is refused. */
int bv_is_generation(const char *name, unsigned *ret)
{
    const char *end;
    char again[BV_LAYOUT_NAME];
    unsigned value = digits(name, &end);
    bv_generation_name(value, again);
    if (value == 0 || strcmp(again, name) != 0)
        return 0;
    *ret = value;
    return 1;
}

int bv_is_uncommitted(const char *name, unsigned *ret_generation, unsigned *ret_attempt)
{
    const char *end;
    char again[BV_LAYOUT_NAME];
    if (name[0] != '.')
        return 0;
    unsigned generation = digits(name + 1, &end);
    if (*end != '.')
        return 0;
    unsigned attempt = digits(end + 1, &end);
    bv_uncommitted_name(generation, attempt, again);
    if (strcmp(again, name) != 0)
        return 0;
    *ret_generation = generation;
    *ret_attempt = attempt;
    return 1;
}

static int is_prefixed(const char *name, const char *prefix, void (*make)(unsigned, char *), unsigned *ret)
{
    const char *end;
    char again[BV_LAYOUT_NAME];
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return 0;
    unsigned value = digits(name + strlen(prefix), &end);
    make(value, again);
    if (strcmp(again, name) != 0)
        return 0;
    *ret = value;
    return 1;
}

int bv_is_staging(const char *name, unsigned *ret_attempt)
{
    return is_prefixed(name, ".staging-", bv_staging_name, ret_attempt);
}

int bv_is_deleted(const char *name, unsigned *ret_generation)
{
    return is_prefixed(name, ".deleted-", bv_deleted_name, ret_generation);
}

int bv_is_attempt(const char *name, unsigned *ret)
{
    return is_prefixed(name, "", bv_attempt_name, ret);
}

int bv_dir_open(int dirfd, const char *name)
{
    return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int bv_dir_create(int dirfd, const char *name)
{
    if (mkdirat(dirfd, name, 0700) < 0)
        return -1;
    return bv_dir_open(dirfd, name);
}

int bv_dir_each(int dirfd, int (*each)(const char *name, void *arg), void *arg, struct bv_error *err)
{
    autoclosedir DIR *dir = bv_list_open(dirfd);
    if (!dir)
        return bv_fail(err, BV_ESTORE, errno, "cannot list a directory of the store");
    for (const char *name; (name = bv_list_next(dir));)
        if (each(name, arg))
            return 0;
    return errno ? bv_fail(err, BV_ESTORE, errno, "cannot list a directory of the store") : 0;
}

int bv_dir_trusted(int fd, int or_root, const char *what, struct bv_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot stat %s", what);
    if (st.st_uid != geteuid() && !(or_root && st.st_uid == 0)) {
        char buffer[1024];
        struct passwd pw, *found = NULL;
        if (getpwuid_r(st.st_uid, &pw, buffer, sizeof(buffer), &found) == 0 && found)
            return bv_fail(err, BV_EDENIED, 0, "%s belongs to user %s", what, found->pw_name);
        return bv_fail(err, BV_EDENIED, 0, "%s belongs to user %u", what, (unsigned)st.st_uid);
    }
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return bv_fail(err, BV_EDENIED, 0, "%s is writable for other users (mode %04o); remove that with chmod go-w",
                       what, (unsigned)st.st_mode & 07777);
    return 0;
}

int bv_dir_rename_new(int dirfd, const char *from, const char *to)
{
    int rc = renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE);
    if (rc < 0 && (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
        /* Without the flag (NFS) rename(2) still never replaces a directory that has anything in it, and all that is
         * renamed here has. */
        struct stat st;
        if (fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            errno = EEXIST;
            return -1;
        }
        rc = renameat(dirfd, from, dirfd, to);
    }
    if (rc < 0) {
        if (errno == ENOTEMPTY || errno == ENOTDIR)
            errno = EEXIST;
        return -1;
    }
    return fsync(dirfd);
}
