/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/args.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sched/number.h"

#define JOB_MAX   1000000000000000ULL
#define INDEX_MAX 100000000U

int bv_lsf_id_parse(const char *text, struct bv_lsf_id *ret, struct bv_error *err)
{
    char job[BV_LSF_ID_TEXT], again[BV_LSF_ID_TEXT];
    unsigned long long number = 0, index = 0;
    size_t digits = strspn(text, "0123456789"), length = strlen(text);
    int bad = digits == 0 || length >= sizeof(job);
    if (!bad) {
        memcpy(job, text, length + 1);
        job[digits] = '\0';
        bad = bv_sched_number(job, JOB_MAX, &number) < 0 || number == 0;
    }
    if (!bad && text[digits] == '[' && text[length - 1] == ']') {
        job[length - 1] = '\0';
        bad = bv_sched_number(job + digits + 1, INDEX_MAX, &index) < 0;
    }
    struct bv_lsf_id id = {number, (unsigned)index};
    /* Whatever else the text may be, it is not what the number is written as. */
    bv_lsf_id_text(id, again);
    if (bad || strcmp(again, text) != 0)
        return bv_fail(err, BV_EUSAGE, 0, "'%.64s' is no id of an LSF job", text);
    *ret = id;
    return 0;
}

void bv_lsf_id_text(struct bv_lsf_id id, char ret[BV_LSF_ID_TEXT])
{
    if (id.index)
        snprintf(ret, BV_LSF_ID_TEXT, "%llu[%u]", id.job, id.index);
    else
        snprintf(ret, BV_LSF_ID_TEXT, "%llu", id.job);
}

/* One word of options, such as "-c", "-ck" or "-d". Returns how many words it took, 0 if it is none, -1 on error. */
static int take_options(const char *word, const char *next, const char *known, char *seen, const char **dir,
                        struct bv_error *err)
{
    if (word[0] != '-' || !word[1])
        return 0;
    for (const char *p = word + 1; *p; p++) {
        const char *at = strchr(known, *p);
        if (!at)
            return bv_fail(err, BV_EUSAGE, 0, "unknown option -%c", *p);
        seen[at - known] = 1;
        if (*p != 'd')
            continue;
        *dir = p[1] ? p + 1 : next;
        if (!*dir || !**dir)
            return bv_fail(err, BV_EUSAGE, 0, "-d needs a directory");
        return p[1] ? 1 : 2;
    }
    return 1;
}

/* All options; returns the index of the one operand that there must be. */
static int parse(int argc, char **argv, const char *known, char *seen, const char **dir, struct bv_error *err)
{
    int i = 1;
    while (i < argc) {
        int took = take_options(argv[i], i + 1 < argc ? argv[i + 1] : NULL, known, seen, dir, err);
        if (took < 0)
            return -1;
        if (took == 0)
            break;
        i += took;
    }
    if (argc - i != 1)
        return bv_fail(err, BV_EUSAGE, 0, "exactly one argument behind the options is needed");
    return i;
}

int bv_lsf_echkpnt_parse(int argc, char **argv, struct bv_lsf_echkpnt_args *ret, struct bv_error *err)
{
    char seen[6] = {0};
    const char *dir = NULL;
    unsigned long long pgid;
    int at = parse(argc, argv, "cfksxd", seen, &dir, err);
    if (at < 0)
        return -1;
    if (seen[2] && seen[3])
        return bv_fail(err, BV_EUSAGE, 0, "-k and -s exclude each other");
    if (bv_sched_number(argv[at], INT_MAX, &pgid) < 0 || pgid < 2)
        return bv_fail(err, BV_EUSAGE, 0, "'%.64s' is no process group", argv[at]);
    *ret = (struct bv_lsf_echkpnt_args){.kill = seen[2], .stop = seen[3], .dir = dir, .pgid = (pid_t)pgid};
    return 0;
}

int bv_lsf_erestart_parse(int argc, char **argv, struct bv_lsf_erestart_args *ret, struct bv_error *err)
{
    char seen[2] = {0};
    const char *dir = NULL;
    int at = parse(argc, argv, "cf", seen, &dir, err);
    return at < 0 ? -1 : bv_lsf_id_parse(argv[at], &ret->id, err);
}
