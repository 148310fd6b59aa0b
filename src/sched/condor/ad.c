/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/condor/ad.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

int bv_condor_ad_read(const char *path, struct bv_condor_ad *ret, struct bv_error *err)
{
    return bv_read_file(AT_FDCWD, path, BV_CONDOR_AD_MAX, &ret->text, &ret->size, err);
}

void bv_condor_ad_free(struct bv_condor_ad *ad)
{
    free(ad->text);
    *ad = (struct bv_condor_ad){0};
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The value in the line [at, end), or NULL if it is of another attribute; *ret_size without the space around it. */
static const char *value_in(const char *at, const char *end, const char *name, size_t *ret_size)
{
    size_t n = strlen(name);
    while (at < end && is_space(*at))
        at++;
    if ((size_t)(end - at) < n || strncasecmp(at, name, n) != 0)
        return NULL;
    at += n;
    while (at < end && is_space(*at))
        at++;
    if (at == end || *at++ != '=')
        return NULL;
    while (at < end && is_space(*at))
        at++;
    while (end > at && is_space(end[-1]))
        end--;
    *ret_size = (size_t)(end - at);
    return at;
}

/* The last one counts, as it does where ads are read. */
static const char *find(const struct bv_condor_ad *ad, const char *name, size_t *ret_size)
{
    const char *found = NULL, *all_end = ad->text ? ad->text + ad->size : NULL;
    for (const char *at = ad->text; at && at < all_end;) {
        const char *newline = memchr(at, '\n', (size_t)(all_end - at));
        const char *value = value_in(at, newline ? newline : all_end, name, ret_size);
        found = value ? value : found;
        at = newline ? newline + 1 : all_end;
    }
    return found;
}

int bv_condor_ad_has(const struct bv_condor_ad *ad, const char *name)
{
    size_t n;
    const char *value = find(ad, name, &n);
    return value && !(n == 9 && strncasecmp(value, "undefined", n) == 0);
}

int bv_condor_ad_int(const struct bv_condor_ad *ad, const char *name, int64_t *ret)
{
    char digits[32], *rest;
    size_t n;
    const char *value = find(ad, name, &n);
    if (!value || n == 0 || n >= sizeof(digits))
        return 0;
    memcpy(digits, value, n);
    digits[n] = '\0';
    errno = 0;
    long long number = strtoll(digits, &rest, 10);
    if (errno || *rest || rest == digits || strlen(digits) != n)
        return 0;
    *ret = number;
    return 1;
}

int bv_condor_ad_bool(const struct bv_condor_ad *ad, const char *name, int *ret)
{
    size_t n;
    const char *value = find(ad, name, &n);
    int yes = value && n == 4 && strncasecmp(value, "true", 4) == 0;
    int no = value && n == 5 && strncasecmp(value, "false", 5) == 0;
    if (yes || no)
        *ret = yes;
    return yes || no;
}

int bv_condor_ad_string(const struct bv_condor_ad *ad, const char *name, char **ret)
{
    size_t n;
    const char *value = find(ad, name, &n);
    if (!value || n < 2 || value[0] != '"' || value[n - 1] != '"' || memchr(value, '\0', n))
        return 0;
    autofree char *text = bv_alloc(n);
    char *to = text;
    for (size_t i = 1; i < n - 1; i++) {
        if (value[i] == '"') /* the literal ends here: an expression goes on behind it */
            return 0;
        if (value[i] == '\\' && i + 1 < n - 1 && (value[i + 1] == '"' || value[i + 1] == '\\'))
            i++;
        else if (value[i] == '\\' && i + 1 == n - 1) /* the last quote is no end */
            return 0;
        *to++ = value[i];
    }
    *ret = steal_ptr(&text);
    return 1;
}

char *bv_condor_quote(const char *text)
{
    char *quoted = bv_alloc(2 * strlen(text) + 3), *to = quoted;
    *to++ = '"';
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            *to++ = '\\';
        *to++ = (unsigned char)*c < ' ' ? ' ' : *c;
    }
    *to = '"';
    return quoted;
}

int bv_condor_list_has(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ", \t");
        if (n && length == n && strncmp(at, word, n) == 0)
            return 1;
        at += length;
        at += strspn(at, ", \t");
    }
    return 0;
}
