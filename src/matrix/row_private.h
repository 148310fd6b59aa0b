/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/clock.h"
#include "matrix/matrix.h"

/* One row while it is run; shared between row_*.c.
 *
 *     DIR/work          where the job is; its standard output is .out in it
 *     DIR/moved, copy   the same elsewhere
 *     DIR/log           what bivouac says, and the job's standard error
 *     DIR/answer        of bivouac checkpoint --json */

#define ROW_WORK "work"
#define ROW_OUT  ".out" /* in it */
#define ROW_LOG  "log"

struct row_run {
    const struct matrix *m;
    const struct matrix_row *row;
    struct matrix_result *result;
    char *dir, *store;
    int dirfd;
    pid_t beside; /* what runs beside the job; 0 = nothing */
    struct bv_deadline deadline;
};

/* A supervisor, and where its job is. */
struct row_attempt {
    pid_t pid;        /* 0 = it has ended, */
    int status;       /* with this */
    const char *work; /* name in DIR */
};

/* --- row_command.c: what we start, and what they say --- */

/* What the row prepares and has beside it. Errors: BV_ENOEXEC. */
int row_prepare(struct row_run *r, struct bv_error *err);
int row_start_beside(struct row_run *r, struct bv_error *err);

/* bivouac run, in DIR/work. */
int row_start(struct row_run *r, struct row_attempt *ret, struct bv_error *err);
/* bivouac restart, until the job is restored or that has failed; the job is in DIR/`work` now, and is `copy` if that is
 * not NULL. */
int row_restart(struct row_run *r, const char *work, const char *copy, struct row_attempt *ret, struct bv_error *err);

/* Wait for its end. Errors: BV_ETIMEOUT. */
int row_await_end(struct row_run *r, struct row_attempt *a, struct bv_error *err);
/* Wait until the job has said that line. 1, or 0 if it has ended without. Errors: BV_ETIMEOUT. */
int row_await_word(struct row_run *r, struct row_attempt *a, const char *word, struct bv_error *err);
/* Kill it as a power cut would, and wait until all that it had is gone; what runs beside it runs on. */
void row_crash(struct row_run *r, struct row_attempt *a);

/* bivouac checkpoint; 0 with the result's figures taken, or the error that it tells. */
int row_checkpoint(struct row_run *r, int kill_it, struct bv_error *err);
/* What its preflight says of that topic, allocated; NULL = nothing. */
char *row_finding(const struct row_run *r, const char *topic);

/* Make or remove an empty file in DIR/`work`. */
int row_touch(const struct row_run *r, const char *work, const char *name, struct bv_error *err);
int row_untouch(const struct row_run *r, const char *work, const char *name, struct bv_error *err);

/* Last line of the job's standard output, or of what bivouac said; allocated, "" if there is none. */
char *row_last_words(const struct row_run *r, const char *work);
char *row_last_complaint(const struct row_run *r);
