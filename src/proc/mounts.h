/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* What is mounted where, as this process sees it. */
struct bv_mount {
    dev_t dev;
    char *root; /* what of the file system is mounted */
    char *path; /* the mount point */
    char *type; /* "ext4", "nfs4", "fuse.sshfs" … */
};

struct bv_mounts {
    struct bv_mount *mount; /* a later one hides an earlier one of the same path */
    size_t count;
};
void bv_mounts_free(struct bv_mounts *m);
#define automounts __attribute__((cleanup(bv_mounts_free)))

/* Errors: BV_EINTERNAL. */
int bv_mounts_read(struct bv_mounts *ret, struct bv_error *err);

/* As another process sees it. Errors: BV_ENOTRUNNING. */
int bv_mounts_read_of(int procfd, pid_t pid, struct bv_mounts *ret, struct bv_error *err);

/* The parser alone, for tests and fuzzing: text of a mountinfo file, NUL-terminated. Lines that are none are left out.
 */
void bv_mounts_parse(const char *text, struct bv_mounts *ret);

/* The mount in which the absolute, clean path lies, by its name alone: no file system is asked, which may hang.
 * Borrowed; NULL if there is none. */
const struct bv_mount *bv_mounts_of(const struct bv_mounts *m, const char *path);

/* Where one with mounts `outer` sees what one with `inner` sees at `path`. Allocated; NULL if nowhere, as far as the
 * mounts say: the caller compares the files. */
char *bv_mounts_map(const struct bv_mounts *inner, const struct bv_mounts *outer, const char *path);

/* Is it one that may be served by somebody else, and go away: NFS, FUSE and their like? */
int bv_mount_is_remote(const char *type);
