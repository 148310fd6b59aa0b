/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* The job's standard input, output and error.
 *
 * A regular file becomes the job's own, opened anew by path inside the capsule: a descriptor that was opened in the
 * outer mount namespace cannot be dumped. A pipe or socket stays with the supervisor, which relays between it and a
 * pipe of ours; a terminal likewise, with a pseudo-terminal of the capsule's. */

enum bv_stdio_kind {
    BV_STDIO_NULL, /* /dev/null, or closed */
    BV_STDIO_FILE,
    BV_STDIO_PIPE,
    BV_STDIO_TTY,
};

struct bv_stdio_end {
    enum bv_stdio_kind kind;
    int same_as;  /* an earlier end with which this one shares its open file, or -1 */
    char *path;   /* FILE */
    int flags;    /* FILE: of open(2) */
    int64_t pos;  /* FILE: offset, -1 = leave at 0 */
    int job_fd;   /* PIPE: the job's end, until the job has it */
    int our_fd;   /* PIPE: the supervisor's end */
    uint64_t ino; /* PIPE: inode of the pipe, by which an engine knows it again */
};

struct bv_stdio {
    struct bv_stdio_end end[3];
};

/* Look at our own descriptors 0 to 2 and make what the job needs in their place: with `only_pipes`, pipes in the place
 * of everything but /dev/null. */
int bv_stdio_inspect(int only_pipes, struct bv_stdio *ret, struct bv_error *err);

/* For a restored job whose ends were of these kinds: pipes are made anew, files and terminals come from the images. */
int bv_stdio_recreate(const enum bv_stdio_kind kind[3], const int same_as[3], struct bv_stdio *ret,
                      struct bv_error *err);

void bv_stdio_close_job_ends(struct bv_stdio *s);
void bv_stdio_free(struct bv_stdio *s);

int bv_stdio_has(const struct bv_stdio *s, enum bv_stdio_kind kind);
const char *bv_stdio_kind_name(enum bv_stdio_kind kind);
/* -1 for an unknown name. */
int bv_stdio_kind_parse(const char *name);

/* Make these ends our own 0 to 2; in the child that becomes the job, inside the capsule. `terminal` is the slave, or
 * -1. */
int bv_stdio_become(const struct bv_stdio *s, int terminal, struct bv_error *err);
