/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Texts of the form "Key:\tvalue\n", as in /proc/PID/status and /proc/PID/fdinfo/N. */

/* The value of `key`, behind the colon and the blanks; it ends at the end of its line. NULL if there is no such key.
 * Points into `text`. */
const char *bv_field(const char *text, const char *key);

/* The same as a number in `base`. `fallback` if there is no such key or no digit in its value. */
int64_t bv_field_number(const char *text, const char *key, int base, int64_t fallback);
