/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/lsf/place.h"

/* What LSF runs instead of the first line of the job: one line in the file .restart_cmd of the checkpoint directory.
 *
 *     LSB_RESTART_CMD=exec '/usr/bin/bivouac' lsf restart '/ckpt/105'
 *
 * "exec", since the lines behind it in the job's script would run after it, and they are in the checkpoint. */

#define BV_LSF_RESTART_CMD ".restart_cmd"
#define BV_LSF_LINE_MAX    512 /* bytes that LSF reads of the line */

enum bv_lsf_restart {
    BV_LSF_RESTART,
    BV_LSF_REFUSE, /* ends with an error */
};

/* Write it, whole or not at all. If LSB_USE_MY_JOBFILE is set (to y), it names a whole job file instead, with
 * LSB_USE_MY_JOBFILE=Y, as LSF 10 can be told to. Errors: BV_EUSAGE if the line would be too long or the path has a
 * line break, BV_ENOSPACE, BV_ESTORE. */
int bv_lsf_restart_cmd_write(const struct bv_lsf_place *p, enum bv_lsf_restart what, struct bv_error *err);

/* `text` as one word of a Bourne shell. Allocated. */
char *bv_lsf_quote(const char *text);
