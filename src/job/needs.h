/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "config/settings.h"
#include "job/spec.h"

/* What a job needs in its capsule because of the command it runs. Only the name of the command is looked at, and only
 * what nobody has said is chosen. */

/* The library that keep.c of src/preload is. */
#define BV_NEEDS_LIBRARY BV_LIBEXECDIR "/libbivouac-keep.so"

enum bv_needs_of {
    BV_NEEDS_NOTHING,
    BV_NEEDS_MPI,    /* mpirun, mpiexec, prterun and the like: processes that talk by TCP and shared memory */
    BV_NEEDS_PYTHON, /* whose multiprocessing deletes semaphores that it goes on using */
};

/* By argv[0], with or without a path. */
enum bv_needs_of bv_needs_of(const char *command);

/* Decide on the network, the library and the variables of a job that is being made, from its command and settings;
 * spec->environment may have variables already ("NAME=VALUE"), and what these or the caller's `environ` have is left
 * alone. Says in *ret_note (allocated, or NULL) what the user may not expect.
 * Errors: BV_EUSAGE for settings that contradict each other. */
int bv_needs_apply(const struct bv_settings *settings, char *const *around, struct bv_spec *spec, char **ret_note,
                   struct bv_error *err);

/* `base` with `more` in it, each instead of one of the same name. An allocated array of borrowed strings. */
char **bv_needs_merge(char *const *base, char *const *more);
