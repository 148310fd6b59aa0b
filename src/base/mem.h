/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Allocation that ends the process with a message when memory is exhausted: every caller would have to give up anyway,
 * and a supervisor that dies takes its capsule with it while the last committed checkpoint stays. Sizes that come from
 * outside are bounded by the caller before they get here. The caller frees the result with free(). */
void *bv_alloc(size_t size); /* zero-filled */
void *bv_realloc(void *p, size_t count, size_t size);
char *bv_strdup(const char *s);
char *bv_strndup(const char *s, size_t n);
char *bv_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
