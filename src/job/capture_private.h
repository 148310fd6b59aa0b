/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "base/json.h"
#include "job/capture.h"
#include "proc/fds.h"
#include "proc/maps.h"
#include "proc/mounts.h"

/* Shared between capture*.c and rollback*.c only. */

#define CAPTURE_FORMAT  "bivouac-capture 1"
#define CAPTURE_MAX     (256u << 20) /* bytes of capture.json: about a million files */
#define CAPTURE_ENTRIES 4000000
#define SUM_PART        (64 << 10) /* bytes at the head and at the tail that are summed */
#define SUM_TEXT        17

enum capture_class {
    CLASS_APPEND,
    CLASS_SEQUENTIAL,
    CLASS_IN_PLACE,
    CLASS_RECORDED,
    CLASS_READ_ONLY,
};
const char *capture_class_name(enum capture_class c);
int capture_class_parse(const char *name); /* -1 if unknown */

/* A copy that can wait until the tree runs again: of bytes that do not change any more. */
struct capture_deferred {
    int fd;
    uint64_t size;
    unsigned number; /* of the file in files/ */
    json_t *entry;   /* that has it as its content; in `opened` */
};

struct bv_capture {
    const struct bv_spec *spec;
    int how;                 /* BV_CAPTURE_... */
    struct bv_mounts inside; /* with BV_CAPTURE_OUTSIDE: the tree's own */
    int staging, files;      /* directories; files is ours */
    unsigned next;           /* number of the next file in files/ */
    json_t *opened;          /* what becomes "files" */
    json_t *directories;
    json_t *warnings;
    struct bv_mounts now;
    json_t *mounts, *mapped; /* path -> type, or whether it is executed */
    struct capture_deferred *deferred;
    size_t deferred_count;
};

void capture_warn(struct bv_capture *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The file is larger than the capture limit. */
void capture_warn_large(struct bv_capture *c, const char *path, uint64_t size);

/* The name that we have for the file which the tree knows as `path`; allocated. NULL: it is not ours to capture. */
char *capture_name(struct bv_capture *c, const char *path, const struct stat *st, int is_written);

/* Is the file `path` of device `dev` in one of the directories that are captured whole? */
int capture_covers(const struct bv_capture *c, const char *path, dev_t dev);

/* Directories that live only as long as the capsule: a NULL-terminated list, static. */
const char *const *capture_volatile(const struct bv_spec *spec);

/* Checksum (XXH3-64, hex) of `size` bytes at `offset`. -1 with errno. */
int capture_sum(int fd, uint64_t offset, size_t size, char ret[SUM_TEXT]);

/* Copy `size` bytes of `fd` into a new file of files/; its number goes to *ret. Errors: BV_ENOSPACE, BV_ESTORE. */
int capture_copy(struct bv_capture *c, int fd, uint64_t size, unsigned *ret, struct bv_error *err);

/* Its extended attributes, if it has any. */
void capture_xattr_json(json_t *entry, int fd);

/* mode, uid, gid, size, mtime of an inode, into `entry`. */
void capture_stat_json(json_t *entry, const struct stat *st);

/* Keep in mind which file systems a process uses, and which files it has mapped. */
void capture_note_process(struct bv_capture *c, int procfd, pid_t pid, const struct bv_fds *fds,
                          const struct bv_maps *maps);

/* What was kept in mind, as it is written: new arrays. */
json_t *capture_mounts_json(const struct bv_capture *c);
json_t *capture_mapped_json(const struct bv_capture *c);

/* The open files of the tree. */
int capture_open_files(struct bv_capture *c, pid_t root, struct bv_error *err);

/* The whole directory `path`. With `everything`, whatever the capture limit and the globs say. */
int capture_directory(struct bv_capture *c, const char *path, int everything, struct bv_error *err);
