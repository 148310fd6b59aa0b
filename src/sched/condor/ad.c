/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sched/condor/condor.h"

#define BLANKS " \t\r"

char *bv_condor_ad_value(const char *ad, const char *name)
{
    size_t wanted = strlen(name);
    for (const char *line = ad; *line;) {
        size_t n = strcspn(line, "\n");
        const char *word = line + strspn(line, BLANKS), *end = line + n;
        const char *equals = memchr(line, '=', n);
        if (equals && (size_t)(equals - word) >= wanted && strncasecmp(word, name, wanted) == 0 &&
            word + wanted + strspn(word + wanted, BLANKS) == equals) {
            const char *value = equals + 1 + strspn(equals + 1, BLANKS);
            while (end > value && strchr(BLANKS, end[-1]))
                end--;
            return value <= end ? bv_strndup(value, (size_t)(end - value)) : bv_strdup("");
        }
        line = end + (*end != '\0');
    }
    return NULL;
}

int bv_condor_ad_string(const char *ad, const char *name, char **ret)
{
    autofree char *value = bv_condor_ad_value(ad, name);
    size_t n = value ? strlen(value) : 0;
    if (n < 2 || value[0] != '"')
        return 0;
    autofree char *text = bv_alloc(n);
    size_t used = 0;
    const char *c = value + 1;
    for (; *c && *c != '"'; c++) {
        if (*c == '\\' && (c[1] == '"' || c[1] == '\\'))
            c++;
        text[used++] = *c;
    }
    if (strcmp(c, "\"") != 0) /* not closed, or an expression that begins with a string */
        return 0;
    *ret = steal_ptr(&text);
    return 1;
}

int bv_condor_ad_number(const char *ad, const char *name, double *ret)
{
    autofree char *value = bv_condor_ad_value(ad, name);
    char *end;
    if (!value || !strchr("+-.0123456789", value[0]) || !*value)
        return 0;
    errno = 0;
    double number = strtod(value, &end);
    if (errno || *end || !isfinite(number))
        return 0;
    *ret = number;
    return 1;
}

int bv_condor_ad_bool(const char *ad, const char *name, int *ret)
{
    autofree char *value = bv_condor_ad_value(ad, name);
    if (!value || (strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0))
        return 0;
    *ret = strcasecmp(value, "true") == 0;
    return 1;
}
