/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What Bivouac says to the user while a job runs: one line each on standard error, "bivouac: …".
 * Library code below src/job does not log; it returns errors. */
void bv_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void bv_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
