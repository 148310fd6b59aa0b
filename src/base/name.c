/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

#define GENERATION_MAX 999999

int bv_job_id_check(const char *id, struct bv_error *err)
{
    size_t n = strnlen(id, BV_JOB_ID_MAX + 1);
    if (n == 0 || n > BV_JOB_ID_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "a job id has 1 to %d characters", BV_JOB_ID_MAX);
    if (id[0] == '.' || id[0] == '-')
        return bv_fail(err, BV_EUSAGE, 0, "a job id does not begin with '%c'", id[0]);
    for (size_t i = 0; i < n; i++)
        if (!isascii((unsigned char)id[i]) || (!isalnum((unsigned char)id[i]) && !strchr("._-[]+", id[i])))
            return bv_fail(err, BV_EUSAGE, 0, "a job id has only letters, digits and . _ - + [ ], not '%c'", id[i]);
    return 0;
}

int bv_job_id_new(char ret[BV_JOB_ID_MAX + 1], struct bv_error *err)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t random[16];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get random bytes");

    char ulid[27] = "";
    uint64_t ms = (uint64_t)bv_clock_ns(CLOCK_REALTIME) / 1000000;
    for (int i = 9; i >= 0; i--, ms >>= 5)
        ulid[i] = digits[ms & 31];
    for (int i = 0; i < 16; i++)
        ulid[10 + i] = digits[random[i] & 31];
    snprintf(ret, BV_JOB_ID_MAX + 1, "local-%s", ulid);
    return 0;
}

int bv_job_ref_parse(const char *text, char ret_job[BV_JOB_ID_MAX + 1], unsigned *ret_generation, struct bv_error *err)
{
    const char *at = strchr(text, '@');
    size_t n = at ? (size_t)(at - text) : strlen(text);
    char job[BV_JOB_ID_MAX + 2];
    snprintf(job, sizeof(job), "%.*s", (int)(n > BV_JOB_ID_MAX ? BV_JOB_ID_MAX + 1 : n), text);
    if (bv_job_id_check(job, err) < 0)
        return -1;

    unsigned long generation = 0;
    if (at) {
        char *end;
        errno = 0;
        generation = isdigit((unsigned char)at[1]) ? strtoul(at + 1, &end, 10) : 0;
        if (generation == 0 || *end || errno || generation > GENERATION_MAX)
            return bv_fail(err, BV_EUSAGE, 0, "'%s' names no generation: write JOB@NUMBER", text);
    }
    memcpy(ret_job, job, strlen(job) + 1);
    *ret_generation = (unsigned)generation;
    return 0;
}

int bv_is_component(const char *name)
{
    size_t n = strnlen(name, NAME_MAX + 1);
    return n > 0 && n <= NAME_MAX && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int bv_is_clean_path(const char *path)
{
    if (path[0] != '/' || strnlen(path, PATH_MAX) >= PATH_MAX)
        return 0;
    if (path[1] == '\0')
        return 1;
    for (const char *p = path; *p == '/';) {
        const char *begin = ++p;
        p += strcspn(p, "/");
        size_t n = (size_t)(p - begin);
        if (n == 0 || n > NAME_MAX || (n == 1 && begin[0] == '.') || (n == 2 && begin[0] == '.' && begin[1] == '.'))
            return 0;
    }
    return 1;
}
