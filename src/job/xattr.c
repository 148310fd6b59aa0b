/* SPDX-License-Identifier: Apache-2.0 */
#include "job/xattr.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"

#define LIST_MAX  (64 << 10) /* bytes, as the kernel's */
#define VALUE_MAX (64 << 10)

static int is_ours(const char *name)
{
    return strncmp(name, "user.", 5) == 0;
}

json_t *bv_xattr_save(int fd)
{
    ssize_t size = flistxattr(fd, NULL, 0); /* most files have none */
    if (size <= 0)
        return NULL;
    autofree char *list = bv_alloc(LIST_MAX + 1);
    autofree unsigned char *value = bv_alloc(VALUE_MAX);
    autojson json_t *saved = json_object();
    size = flistxattr(fd, list, LIST_MAX);
    for (const char *name = list; size > 0 && name < list + size; name += strlen(name) + 1) {
        ssize_t n = is_ours(name) ? fgetxattr(fd, name, value, VALUE_MAX) : -1;
        if (n < 0)
            continue;
        autofree char *text = bv_hex(value, (size_t)n);
        autojson json_t *key = bv_json_bytes(name);
        bv_json_set(saved, json_string_value(key), json_string(text));
    }
    return json_object_size(saved) ? steal_ptr(&saved) : NULL;
}

static int has_already(int fd, const char *name, const unsigned char *value, size_t size)
{
    autofree unsigned char *now = bv_alloc(VALUE_MAX);
    return fgetxattr(fd, name, now, VALUE_MAX) == (ssize_t)size && memcmp(now, value, size) == 0;
}

static int restore_one(int fd, const char *key, const char *text, unsigned char *value, struct bv_error *err)
{
    autofree char *name = NULL;
    autojson json_t *escaped = json_string(key);
    ssize_t n = text ? bv_unhex(text, value, VALUE_MAX) : -1;
    if (n < 0 || bv_json_unescape(escaped, &name, NULL) < 0 || !is_ours(name))
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");
    if (has_already(fd, name, value, (size_t)n) || fsetxattr(fd, name, value, (size_t)n, 0) == 0 || errno == ENOTSUP ||
        errno == EPERM || errno == EACCES)
        return 0;
    return bv_fail(err, bv_store_code(errno), errno, "cannot set the attribute %s", name);
}

/* Attributes that the file has got since. */
static void remove_others(int fd, const json_t *saved)
{
    ssize_t size = flistxattr(fd, NULL, 0);
    if (size <= 0)
        return;
    autofree char *list = bv_alloc(LIST_MAX + 1);
    size = flistxattr(fd, list, LIST_MAX);
    for (const char *name = list; size > 0 && name < list + size; name += strlen(name) + 1) {
        autojson json_t *key = bv_json_bytes(name);
        if (is_ours(name) && !json_object_get(saved, json_string_value(key)))
            fremovexattr(fd, name); /* as with those that cannot be set */
    }
}

int bv_xattr_restore(int fd, const json_t *saved, struct bv_error *err)
{
    const char *key;
    json_t *text;
    remove_others(fd, saved);
    if (!saved)
        return 0;
    if (!json_is_object(saved))
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is not valid");
    autofree unsigned char *value = bv_alloc(VALUE_MAX);
    json_object_foreach ((json_t *)saved, key, text)
        if (restore_one(fd, key, json_string_value(text), value, err) < 0)
            return -1;
    return 0;
}
