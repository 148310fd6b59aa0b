/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/attempt.h"

/* The two files of an attempt, from and to text; doc/format/attempt.md. Private to src/store. */

#define BV_ATTEMPT_FILE_MAX 65536
#define BV_LEASE_MAX        86400.0 /* s */

/* The text of attempts/NNNN, allocated. Takes number, host, pid, start_time and socket_path of `i`. */
char *bv_attempt_file_build(const char *job, const struct bv_attempt_info *i, double lease);

/* Fills those fields of `ret`, and *ret_lease. Errors: BV_ECORRUPT, BV_ESTORE for another format. */
int bv_attempt_file_parse(const char *text, size_t size, struct bv_attempt_info *ret, double *ret_lease,
                          struct bv_error *err);

/* The text of attempts/NNNN.end, allocated; and back: *ret_outcome is a new reference to an object. */
char *bv_attempt_end_build(const json_t *outcome);
int bv_attempt_end_parse(const char *text, size_t size, json_t **ret_outcome, struct bv_error *err);

/* BV_EFENCED if the job has an attempt with a higher number. */
int bv_attempt_is_newest(const struct bv_job *j, unsigned attempt, struct bv_error *err);
