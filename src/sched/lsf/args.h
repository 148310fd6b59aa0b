/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* What LSF says on the command lines of its methods, and how it names jobs. All of it is hostile. */

/* "103", or "77[3]" for an element of a job array. */
struct bv_lsf_id {
    unsigned long long job; /* 1 to 10^15 */
    unsigned index;         /* 0 = no array */
};
#define BV_LSF_ID_TEXT 32

/* Errors: BV_EUSAGE. */
int bv_lsf_id_parse(const char *text, struct bv_lsf_id *ret, struct bv_error *err);
void bv_lsf_id_text(struct bv_lsf_id id, char ret[BV_LSF_ID_TEXT]);

/* [-c] [-f] [-k|-s] [-x] [-d DIR] PGID */
struct bv_lsf_echkpnt_args {
    int kill, stop;
    const char *dir; /* of -d, NULL if it is not given; borrowed */
    pid_t pgid;      /* > 1 */
};
/* [-c] [-f] ID */
struct bv_lsf_erestart_args {
    struct bv_lsf_id id;
};

/* argv[0] is the program; nothing is printed. -c, -f and -x are accepted and mean nothing here: files in use are always
 * captured, and there is no checkpoint that could be forced. Errors: BV_EUSAGE. */
int bv_lsf_echkpnt_parse(int argc, char **argv, struct bv_lsf_echkpnt_args *ret, struct bv_error *err);
int bv_lsf_erestart_parse(int argc, char **argv, struct bv_lsf_erestart_args *ret, struct bv_error *err);
