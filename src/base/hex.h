/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Bytes as lower-case hexadecimal digits, two for each. */

/* Allocated. */
char *bv_hex(const void *bytes, size_t size);

/* Into `ret`, which has room for 2 * size + 1. */
void bv_hex_into(char *ret, const void *bytes, size_t size);

/* The bytes of a text that may come from anywhere, into `ret`. How many, or -1: it has an odd number of digits,
 * something else than digits, or more than `max` bytes. */
ssize_t bv_unhex(const char *text, void *ret, size_t max);
