/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job/capture_private.h"

/* Shared between rollback*.c only. */

struct rollback {
    int files;             /* the staged contents; -1 if there are none */
    int kept_fd;           /* where to keep what is overwritten */
    int how;               /* BV_ROLLBACK_… */
    int fresh;             /* the target is empty: nothing to compare or to keep */
    int stand_in;          /* what has no content here becomes a file of zeros of the same size */
    const char *directory; /* that is being put back */
    const char *moved_dir; /* recorded paths may lead into it by links; NULL = none */
    json_t *kept;
    unsigned kept_count;
};

struct rollback_entry {
    char *path;
    enum capture_class class;
    uint64_t size;
    mode_t mode;
    int64_t mtime_ns;
    int content;         /* number in files/, -1 = none */
    const json_t *xattr; /* borrowed; NULL = none */
};

/* openat2(2) that refuses every symbolic link on the way. -1 with errno. */
int rollback_open(int dirfd, const char *path, int flags, mode_t mode);

/* Read and check capture.json; a new reference. Errors: BV_ECORRUPT, BV_ESTORE. */
int rollback_load(int staging, json_t **ret, struct bv_error *err);
int rollback_parse_entry(const json_t *j, struct rollback_entry *ret, struct bv_error *err);

/* The same, of an entry of "files": with its class, and the path where it is now. `ret->path` is the caller's. */
int rollback_read_entry(const struct rollback *r, const json_t *j, struct rollback_entry *ret, struct bv_error *err);

/* "a/b/c", clean and relative. */
int rollback_is_clean_relative(const char *path);

/* Before anything is changed: can everything that `all` asks for be put back? */
int rollback_check(const struct rollback *r, const json_t *all, struct bv_error *err);

/* Are the file systems of the job mounted, and can what it has mapped be mapped again? BV_EHOST. */
int rollback_check_place(const json_t *all, struct bv_error *err);

/* `path`, which is missing: BV_EHOST if that is because a remote file system is not mounted here. */
int rollback_check_unmounted(const json_t *all, const char *path, struct bv_error *err);

/* BV_ECHANGED where the open file is not as recorded, and the checkpoint has no content to make it so. */
int rollback_check_changed(const struct rollback *r, const json_t *j, const struct rollback_entry *e, int fd,
                           const struct stat *st, struct bv_error *err);

/* The same of a file in a directory that is captured whole, which the checkpoint has no content of. -1 = it is gone. */
int rollback_check_uncaptured(const struct rollback *r, const struct rollback_entry *e, int fd, struct bv_error *err);

/* Say why `path` cannot be opened for writing, and what to do; -1. */
int rollback_refuse(const char *path, int sys_errno, struct bv_error *err);

/* The captured content, or -1. */
int rollback_content(const struct rollback *r, const struct rollback_entry *e);
int rollback_same_content(const struct rollback *r, const struct rollback_entry *e, int fd);

/* Make the open file `to` hold the captured content, mode and time. */
int rollback_fill(const struct rollback *r, const struct rollback_entry *e, int to, struct bv_error *err);

/* Mode, attributes of the user and time, of a file that has the right content; what is right is not touched. */
int rollback_put_attributes(const struct rollback *r, int to, const struct rollback_entry *e, struct bv_error *err);

/* The same as rollback_fill(), to a file of which something else was kept aside. */
int rollback_replace(const struct rollback *r, const struct rollback_entry *e, int to, struct bv_error *err);
void rollback_set_time(int fd, const struct rollback_entry *e);

/* Copy the bytes of `fd` from `from` on to a new file in kept_fd and note it. */
int rollback_keep(struct rollback *r, int fd, uint64_t from, const char *path, const char *why, struct bv_error *err);

/* Put the captured entries of a directory into the open one. `seen` gets their names. */
int rollback_put_entries(struct rollback *r, int dir, const json_t *entries, json_t *seen, struct bv_error *err);

/* Make the new file `name` in `dir` what the entry says, with its content or as a stand-in. */
int rollback_create(const struct rollback *r, int dir, const char *name, const struct rollback_entry *e,
                    struct bv_error *err);

/* Create a file that is gone. */
int rollback_put_back(struct rollback *r, const struct rollback_entry *e, struct bv_error *err);

/* Make a directory what it was: files created since are moved aside, the others put back. */
int rollback_directory(struct rollback *r, const json_t *directory, struct bv_error *err);
