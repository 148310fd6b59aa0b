/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says which: JSON as such, an escaped string, a job's name, a path. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void json(const char *text, size_t size)
{
    autojson json_t *j = NULL, *again = NULL;
    if (bv_json_parse(text, size, &j, NULL) < 0)
        return;
    autofree char *canonical = bv_json_canonical(j);
    if (bv_json_parse(canonical, strlen(canonical), &again, NULL) < 0)
        abort();
    autofree char *same = bv_json_canonical(again);
    if (strcmp(canonical, same) != 0)
        abort();
}

/* What was unescaped is escaped and unescaped to the same bytes. */
static void escape(const char *text)
{
    autojson json_t *j = json_string(text);
    autofree char *bytes = NULL, *again = NULL;
    if (!j || bv_json_unescape(j, &bytes, NULL) < 0)
        return;
    autojson json_t *escaped = bv_json_bytes(bytes);
    if (bv_json_unescape(escaped, &again, NULL) < 0 || strcmp(bytes, again) != 0)
        abort();
}

static void name(const char *text)
{
    char job[BV_JOB_ID_MAX + 1];
    unsigned generation;
    if (bv_job_ref_parse(text, job, &generation, NULL) < 0)
        return;
    if (bv_job_id_check(job, NULL) < 0 || !bv_is_component(job) || strchr(job, '@') || generation > 999999 ||
        strncmp(text, job, strlen(job)) != 0)
        abort();
}

static void path(const char *text)
{
    if (bv_is_component(text) && strchr(text, '/'))
        abort();
    if (bv_is_clean_path(text) && (text[0] != '/' || strstr(text, "//") || strstr(text, "/../") || strstr(text, "/./")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    autofree char *text = bv_alloc(size);
    memcpy(text, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        json(text, size - 1);
        break;
    case 1:
        escape(text);
        break;
    case 2:
        name(text);
        break;
    default:
        path(text);
    }
    return 0;
}
