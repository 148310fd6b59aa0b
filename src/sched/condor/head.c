/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "sched/condor/condor.h"

#define FORMAT     "bivouac-condor 1"
#define CHECK_TEXT 17 /* with the NUL */
#define NUMBER_MAX ((uint64_t)INT64_MAX)

static const char *const ends[] = {"goes-on", "exited", "signaled"};

/* Of all but itself. An accident in these few bytes could else end a job with a wrong status. */
static void check_of(const json_t *head, char ret[CHECK_TEXT])
{
    autojson json_t *rest = json_copy((json_t *)head);
    json_object_del(rest, "check");
    autofree char *text = bv_json_canonical(rest);
    snprintf(ret, CHECK_TEXT, "%016" PRIx64, (uint64_t)XXH3_64bits(text, strlen(text)));
}

int bv_condor_head_write(int fd, const struct bv_condor_head *h, struct bv_error *err)
{
    char bytes[BV_CONDOR_HEAD], check[CHECK_TEXT];
    autojson json_t *j = json_pack("{s:s, s:f, s:f, s:I, s:I, s:s, s:i}", "format", FORMAT, "cpu_s", h->cpu_s,
                                   "frozen_s", h->frozen_s, "checkpoints", (json_int_t)h->checkpoints, "peak_kib",
                                   (json_int_t)h->peak_kib, "end", ends[h->end], "number", h->number);
    json_t *exports = json_array();
    for (size_t i = 0; i < h->count; i++)
        bv_json_append(exports, json_pack("{s:i, s:I, s:I}", "generation", (int)h->exports[i].generation, "offset",
                                          (json_int_t)h->exports[i].offset, "size", (json_int_t)h->exports[i].size));
    bv_json_set(j, "exports", exports);
    check_of(j, check);
    bv_json_set(j, "check", json_string(check));
    autofree char *text = bv_json_canonical(j);
    memset(bytes, '\n', sizeof(bytes));
    if (strlen(text) >= sizeof(bytes))
        return bv_fail(err, BV_EINTERNAL, 0, "the head of " BV_CONDOR_FILE " has become too long");
    memcpy(bytes, text, strlen(text));
    return bv_pwrite_full(fd, bytes, sizeof(bytes), 0) < 0
               ? bv_fail(err, errno == ENOSPC || errno == EDQUOT ? BV_ENOSPACE : BV_ESTORE, errno,
                         "cannot write " BV_CONDOR_FILE)
               : 0;
}

static int damaged(struct bv_error *err, const char *what)
{
    return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint file " BV_CONDOR_FILE " is damaged: %s", what);
}

static int parse_end(const json_t *j, struct bv_condor_head *h, struct bv_error *err)
{
    const char *end;
    uint64_t number;
    if (bv_json_str(j, "end", &end, err) < 0 || bv_json_u64(j, "number", 255, &number, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (strcmp(ends[i], end) == 0) {
            h->end = (enum bv_condor_end)i;
            h->number = (int)number;
            return h->end == BV_CONDOR_SIGNALED && (number == 0 || number > 64) ? damaged(err, "its signal") : 0;
        }
    return damaged(err, "how the job ended");
}

static int parse_exports(const json_t *j, uint64_t size, struct bv_condor_head *h, struct bv_error *err)
{
    json_t *list;
    if (bv_json_array(j, "exports", BV_CONDOR_EXPORTS, &list, err) < 0)
        return -1;
    h->count = json_array_size(list);
    for (size_t i = 0; i < h->count; i++) {
        const json_t *e = json_array_get(list, i);
        uint64_t generation, offset, length;
        if (bv_json_u64(e, "generation", 999999, &generation, err) < 0 ||
            bv_json_u64(e, "offset", NUMBER_MAX, &offset, err) < 0 ||
            bv_json_u64(e, "size", NUMBER_MAX, &length, err) < 0)
            return -1;
        h->exports[i].generation = (unsigned)generation;
        h->exports[i].offset = offset;
        h->exports[i].size = length;
        if (offset < BV_CONDOR_HEAD || offset > NUMBER_MAX - length)
            return damaged(err, "where its checkpoints are");
    }
    (void)size; /* one that was cut off may have a whole checkpoint before the cut */
    return 0;
}

static int parse_figures(const json_t *j, struct bv_condor_head *h, struct bv_error *err)
{
    h->cpu_s = json_number_value(json_object_get(j, "cpu_s"));
    h->frozen_s = json_number_value(json_object_get(j, "frozen_s"));
    if (!(h->cpu_s >= 0) || !(h->frozen_s >= 0))
        return damaged(err, "its figures");
    return bv_json_u64(j, "checkpoints", NUMBER_MAX, &h->checkpoints, err) < 0 ||
                   bv_json_u64(j, "peak_kib", NUMBER_MAX, &h->peak_kib, err) < 0
               ? -1
               : 0;
}

int bv_condor_head_parse(const char *text, size_t text_size, uint64_t size, struct bv_condor_head *ret,
                         struct bv_error *err)
{
    struct bv_condor_head h = {0};
    autojson json_t *j = NULL;
    char check[CHECK_TEXT];
    struct bv_error e = {0};
    if (bv_json_parse(text, text_size, &j, &e) < 0)
        return damaged(err, e.text);
    const char *format = json_string_value(json_object_get(j, "format"));
    const char *said = json_string_value(json_object_get(j, "check"));
    if (!format || !said)
        return damaged(err, "it has no head");
    if (strcmp(format, FORMAT) != 0)
        return bv_fail(err, BV_ESTORE, 0, BV_CONDOR_FILE " has format '%.40s', this Bivouac knows '" FORMAT "'",
                       format);
    check_of(j, check);
    if (strcmp(check, said) != 0)
        return damaged(err, "its head has changed");
    if (parse_end(j, &h, &e) < 0 || parse_figures(j, &h, &e) < 0 || parse_exports(j, size, &h, &e) < 0)
        return damaged(err, e.text);
    *ret = h;
    return 0;
}

int bv_condor_head_read(int fd, struct bv_condor_head *ret, struct bv_error *err)
{
    char bytes[BV_CONDOR_HEAD];
    struct stat st;
    ssize_t n = bv_pread_full(fd, bytes, sizeof(bytes), 0);
    if (n < 0 || fstat(fd, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot read " BV_CONDOR_FILE);
    if (n == 0)
        return 0;
    if ((size_t)n < sizeof(bytes))
        return damaged(err, "it was cut off");
    return bv_condor_head_parse(bytes, sizeof(bytes), (uint64_t)st.st_size, ret, err) < 0 ? -1 : 1;
}
