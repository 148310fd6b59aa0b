/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* The configuration of Grid Engine, by way of qconf. The first functions are pure. */

/* The checkpointing environment as "qconf -Ackpt" wants it: `bivouac` is the program's path, `dir` the directory with
 * the stores of all users, NULL = none, jobs choose. Allocated. */
char *bv_gridengine_ckpt_text(const char *bivouac, const char *dir);

/* The value of attribute `name` in what "qconf -sckpt" or "qconf -sq" prints, lines that are continued put together.
 * Allocated; NULL if it is not there. */
char *bv_gridengine_attribute(const char *text, const char *name);

/* Is `word` in a list with spaces or commas? */
int bv_gridengine_listed(const char *list, const char *word);

/* Has `text` each attribute of `wanted`, with the same value? */
int bv_gridengine_agrees(const char *text, const char *wanted);

/* Run qconf with these two to five words. *ret is what it has printed, allocated; may be NULL. Errors: BV_ENOCMD,
 * BV_ETIMEOUT, BV_EINTERNAL (the text is what it complained about). */
int bv_gridengine_qconf(const char *const *words, char **ret, struct bv_error *err);
