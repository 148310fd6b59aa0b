/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

int bv_json_parse(const char *text, size_t size, json_t **ret, struct bv_error *err)
{
    json_error_t je;
    json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, &je);
    if (!j)
        return bv_fail(err, BV_ECORRUPT, 0, "not JSON (line %d): %s", je.line, je.text);
    *ret = j;
    return 0;
}

static void *need(void *p)
{
    if (!p) {
        fputs("bivouac: out of memory\n", stderr);
        abort();
    }
    return p;
}

char *bv_json_canonical(const json_t *j)
{
    return need(json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY));
}

void bv_json_set(json_t *object, const char *key, json_t *value)
{
    need(json_object_set_new(object, key, need(value)) == 0 ? object : NULL);
}

void bv_json_append(json_t *array, json_t *value)
{
    need(json_array_append_new(array, need(value)) == 0 ? array : NULL);
}

json_t *bv_json_bytes(const char *bytes)
{
    size_t n = strlen(bytes);
    autofree char *text = bv_alloc(3 * n + 1);
    char *out = text;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c < 0x7f && c != '%')
            *out++ = (char)c;
        else
            out += sprintf(out, "%%%02X", c);
    }
    return need(json_string(text));
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int bv_json_unescape(const json_t *string, char **ret, struct bv_error *err)
{
    const char *in = json_string_value(string);
    if (!in)
        return bv_fail(err, BV_ECORRUPT, 0, "a string is expected");

    autofree char *text = bv_alloc(strlen(in) + 1);
    char *out = text;
    while (*in) {
        if (*in != '%') {
            *out++ = *in++;
            continue;
        }
        int hi = hex(in[1]), lo = hi < 0 ? -1 : hex(in[2]);
        if (lo < 0 || (hi == 0 && lo == 0))
            return bv_fail(err, BV_ECORRUPT, 0, "a bad %%XX escape");
        *out++ = (char)(hi * 16 + lo);
        in += 3;
    }
    *ret = steal_ptr(&text);
    return 0;
}

static const json_t *member(const json_t *object, const char *key)
{
    return json_is_object(object) ? json_object_get(object, key) : NULL;
}

int bv_json_str(const json_t *object, const char *key, const char **ret, struct bv_error *err)
{
    const char *s = json_string_value(member(object, key));
    if (!s)
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is missing or no string", key);
    *ret = s;
    return 0;
}

int bv_json_i64(const json_t *object, const char *key, int64_t *ret, struct bv_error *err)
{
    const json_t *j = member(object, key);
    if (!json_is_integer(j))
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is missing or no integer", key);
    *ret = json_integer_value(j);
    return 0;
}

int bv_json_u64(const json_t *object, const char *key, uint64_t max, uint64_t *ret, struct bv_error *err)
{
    int64_t value;
    if (bv_json_i64(object, key, &value, err) < 0)
        return -1;
    if (value < 0 || (uint64_t)value > max)
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is out of range", key);
    *ret = (uint64_t)value;
    return 0;
}

int bv_json_bool(const json_t *object, const char *key, int *ret, struct bv_error *err)
{
    const json_t *j = member(object, key);
    if (!json_is_boolean(j))
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is missing or no boolean", key);
    *ret = json_is_true(j);
    return 0;
}

int bv_json_array(const json_t *object, const char *key, size_t max, json_t **ret, struct bv_error *err)
{
    json_t *j = (json_t *)member(object, key);
    if (!json_is_array(j))
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is missing or no array", key);
    if (json_array_size(j) > max)
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" has more than %zu elements", key, max);
    *ret = j;
    return 0;
}

int bv_json_object(const json_t *object, const char *key, json_t **ret, struct bv_error *err)
{
    json_t *j = (json_t *)member(object, key);
    if (!json_is_object(j))
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is missing or no object", key);
    *ret = j;
    return 0;
}

int bv_json_get_bytes(const json_t *object, const char *key, char **ret, struct bv_error *err)
{
    const json_t *j = member(object, key);
    if (!json_is_string(j))
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is missing or no string", key);
    return bv_json_unescape(j, ret, err) < 0 ? bv_wrap(err, "\"%s\"", key) : 0;
}
