/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Typed, bounded access to JSON that may come from anywhere. Readers fail with BV_ECORRUPT when a key is missing or of
 * the wrong type or out of range; the message names the key. */

static inline void bv_cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define autojson __attribute__((cleanup(bv_cleanup_json)))

/* Parse `size` bytes: exactly one value, no duplicate keys, depth bounded by jansson. */
int bv_json_parse(const char *text, size_t size, json_t **ret, struct bv_error *err);

/* Canonical text (sorted keys, no white space), allocated. */
char *bv_json_canonical(const json_t *j);

/* Add to an object or array, taking the reference of `value`. Never fails but for memory, which ends the process. */
void bv_json_set(json_t *object, const char *key, json_t *value);
void bv_json_append(json_t *array, json_t *value);

/* Bytes that may not be UTF-8 (paths, arguments): escaped %XX for bytes that are not printable ASCII, and for '%'. */
json_t *bv_json_bytes(const char *bytes);

int bv_json_str(const json_t *object, const char *key, const char **ret, struct bv_error *err);
int bv_json_u64(const json_t *object, const char *key, uint64_t max, uint64_t *ret, struct bv_error *err);
int bv_json_i64(const json_t *object, const char *key, int64_t *ret, struct bv_error *err);
int bv_json_bool(const json_t *object, const char *key, int *ret, struct bv_error *err);
int bv_json_array(const json_t *object, const char *key, size_t max, json_t **ret, struct bv_error *err);
int bv_json_object(const json_t *object, const char *key, json_t **ret, struct bv_error *err);

/* The inverse of bv_json_bytes(); *ret is allocated. A NUL byte is refused. */
int bv_json_get_bytes(const json_t *object, const char *key, char **ret, struct bv_error *err);
int bv_json_unescape(const json_t *string, char **ret, struct bv_error *err);
