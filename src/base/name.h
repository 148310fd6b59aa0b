/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* Names that become file names. */

#define BV_JOB_ID_MAX 96

/* A job id: 1 to 96 of A-Z a-z 0-9 . _ - [ ] + @ is not allowed (it separates the generation), no leading dot or dash.
 * Errors: BV_EUSAGE. */
int bv_job_id_check(const char *id, struct bv_error *err);

/* A new id "local-<ulid>": 48 bits of time and 80 random bits in Crockford's base 32 (github.com/ulid/spec). */
int bv_job_id_new(char ret[BV_JOB_ID_MAX + 1], struct bv_error *err);

/* "JOB" or "JOB@GEN" as typed by a user; *ret_generation is 0 where none is given. Errors: BV_EUSAGE. */
int bv_job_ref_parse(const char *text, char ret_job[BV_JOB_ID_MAX + 1], unsigned *ret_generation, struct bv_error *err);

/* A single, plain path component: not empty, not "." or "..", no '/', at most NAME_MAX. */
int bv_is_component(const char *name);

/* An absolute path without empty, "." or ".." components, shorter than PATH_MAX. */
int bv_is_clean_path(const char *path);
