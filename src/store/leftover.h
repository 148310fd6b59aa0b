/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "store/store.h"

/* What interrupted work has left in the store: names that begin with a dot (doc/format/store.md). */

struct bv_leftover {
    char *name;      /* below the job's directory or below jobs/, with one slash at most */
    const char *why; /* static */
    uint64_t bytes;  /* that its removal frees */
};

struct bv_leftovers {
    struct bv_leftover *list;
    size_t count;
};

/* In the directory of a job. The caller knows that no attempt of it lives: else this is work that goes on. */
int bv_leftovers_of_job(const struct bv_job *j, struct bv_leftovers *ret, struct bv_error *err);

/* Beside the jobs: this user's jobs that were being made, imported or removed. What is not being removed must not have
 * changed for `idle_s` seconds of this host's clock: nothing tells who works at it. */
int bv_leftovers_of_store(const struct bv_store *s, double idle_s, struct bv_leftovers *ret, struct bv_error *err);

void bv_leftovers_free(struct bv_leftovers *l);

/* Remove one of a job (`j`) or of the store (`j` NULL). A name that is no leftover is refused: BV_EINTERNAL. */
int bv_leftover_remove(const struct bv_store *s, const struct bv_job *j, const char *name, struct bv_error *err);
