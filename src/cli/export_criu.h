/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/generation.h"

/* Write a generation as plain images, which CRIU's own tools read, with capture.json and files/ of the job beside them,
 * into `path`: a new or empty directory, which gets mode 0700. Every block is verified. After an error nothing of it is
 * left. *ret_count is the number of files. Errors: BV_EUSAGE for the directory, BV_ECORRUPT, BV_ENOSPACE, BV_EDENIED,
 * BV_EINTERNAL. */
int cmd_export_criu(struct bv_gen *g, const char *path, size_t *ret_count, struct bv_error *err);
