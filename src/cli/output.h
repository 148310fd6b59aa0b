/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"

/* What is written for other programs to read. */

/* Bytes as UTF-8 that every reader takes and that hides nothing: what is no UTF-8, controls, and characters that change
 * the direction of text or cannot be seen are written as \xNN, byte by byte. Allocated. */
char *cmd_plain_text(const char *bytes);

/* The same of an escaped JSON string (bv_json_bytes()); "?" if it is none. */
char *cmd_plain_json(const json_t *string);

/* Make the file hold exactly these bytes: whoever reads it finds all of the old ones or all of the new ones.
 * Errors: BV_EUSAGE if something else than a regular file is there, BV_ENOSPACE, BV_ESTORE. */
int cmd_write_file(const char *path, const char *bytes, size_t size, mode_t mode, struct bv_error *err);
