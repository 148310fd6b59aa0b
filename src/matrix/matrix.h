/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "job/scratch.h"

/* The table of what can be checkpointed: short programs, each of which is run as a job, checkpointed, ended, restarted
 * and asked whether it has still what it had.
 *
 * A program (src/matrix/programs) is called with the name of a case in an empty directory. It sets an object up, prints
 * "ready", waits until a file "go" is in its directory, checks the object, prints "ok" and ends with status 0; or
 * prints one sentence, and ends with 1. Status 77 instead of "ready": this machine cannot have the object. */

enum matrix_outcome {
    MATRIX_WORKS,
    MATRIX_LOST,     /* works, and preflight says what is lost */
    MATRIX_REFUSED,  /* with a sentence that says why, and the job goes on */
    MATRIX_FAILS,    /* a defect */
    MATRIX_NOT_HERE, /* this machine cannot try it */
    MATRIX_OUTCOMES
};

/* "works", "lost", "refused", "fails", "not-here". Static. */
const char *matrix_outcome_name(enum matrix_outcome outcome);
/* The inverse of the first `n` bytes; MATRIX_OUTCOMES if there is no such outcome. */
enum matrix_outcome matrix_outcome_find(const char *name, size_t n);

/* What becomes of the job between "ready" and "ok". */
enum matrix_flow {
    MATRIX_RESTART, /* a checkpoint that ends the attempt, and a restart */
    MATRIX_MOVE,    /* ... after the job's directory was renamed */
    MATRIX_COPY,  /* a checkpoint, and a second job that begins from it, in a copy of the directory; both must end well
                   */
    MATRIX_CRASH, /* a checkpoint; the job sees a file "on" and does more, until it prints "on"; its supervisor is
                     killed, the file removed; a restart, of a program that must not have done more */
};

struct matrix_row {
    const char *name; /* of all rows one; also the job's */
    const char *group;
    const char *title;
    const char *const *argv;       /* of the job; "@NAME" is the program NAME of ours */
    const char *const *options;    /* for bivouac run; may be NULL */
    const char *needs;             /* programs in $PATH, with blanks between them, "a|b" = one of them; may be NULL */
    const char *const *prepare;    /* is run before, in the directory; if it fails, the row is not here; may be NULL */
    const char *const *beside;     /* runs outside of the job while that runs; ends when it is killed; may be NULL */
    const char *const *run_in;     /* begins the command "bivouac run", as a container would; may be NULL */
    const char *const *restart_in; /* ... "bivouac restart"; both may end with 77 when this machine cannot do it */
    const char *lost; /* topic of the finding that says what the program finds lost; NULL = nothing may be */
    enum matrix_flow flow;
};

/* A NULL-terminated list of words, for the tables. */
#define MATRIX_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Row `i` of all; NULL behind the last. Rows of a group stand together. */
const struct matrix_row *matrix_row(size_t i);
size_t matrix_row_count(void);

#define MATRIX_TEXT 1024 /* bytes of a sentence */

struct matrix_result {
    enum matrix_outcome outcome;
    char text[MATRIX_TEXT]; /* why it is not "works"; "" if it is */
    double seconds;         /* in all */
    double frozen;          /* s, < 0 = there was no checkpoint */
    uint64_t stored;        /* bytes of it in the store, */
    uint64_t raw;           /* and before they were compressed */
};

struct matrix {
    const char *self;             /* path of bivouac(1) */
    const char *programs;         /* directory of ours */
    struct bv_scratch *scratch;   /* where everything is; of our own user alone */
    const sigset_t *mask;         /* signals of what is started */
    double timeout;               /* s, for each row */
    size_t jobs;                  /* rows at a time */
    const unsigned char *chosen;  /* for each row: is it to be run? */
    struct matrix_result *result; /* for each row */
    /* Called now and then, at the latest when a row has ended, from the one thread; `running` are numbers of rows.
     * Returns 0, or -1 to end it all. */
    int (*tell)(void *arg, size_t done, const size_t *running, size_t count);
    void *arg;
};

/* Run the chosen rows. Whatever happens, nothing of them runs any more when it returns. The caller is a subreaper, and
 * has blocked signals (base/interrupt.h). Errors: BV_EINTERNAL, also when `tell` wants it to end. */
int matrix_run(struct matrix *m, struct bv_error *err);

/* --- one row (row_run.c) --- */

/* Run it, in a process that may die at any moment and takes everything with it. */
void matrix_row_run(const struct matrix *m, const struct matrix_row *row, struct matrix_result *ret);

/* --- a recorded expectation (expect.c) ---
 *
 * Lines "NAME OUTCOME" or "NAME OUTCOME|OUTCOME…", where each of these will do; "#" begins a comment. Every row of the
 * table that was chosen must be in it, and have one of its outcomes: "not-here", too, is one that must be expected. */

struct matrix_expectation {
    unsigned *accepted; /* for each row: bits 1 << outcome; 0 = it is not in the file */
    char **unknown;     /* names in the file that are no row, NULL-terminated; or NULL */
};
void matrix_expectation_free(struct matrix_expectation *e);

/* Errors: BV_EUSAGE, with the line; those of bv_read_file(). */
int matrix_expectation_read(const char *path, struct matrix_expectation *ret, struct bv_error *err);
/* The text of a file called `path`, which may come from anywhere. */
int matrix_expectation_parse(const char *text, const char *path, struct matrix_expectation *ret, struct bv_error *err);

/* Sentences, one for each difference between what was chosen and the expectation: a new array, empty if there is none.
 * Names in the file that are no row count only with `whole`. */
json_t *matrix_differences(const struct matrix *m, const struct matrix_expectation *e, int whole);
