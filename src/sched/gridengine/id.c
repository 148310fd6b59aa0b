/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/gridengine/gridengine.h"
#include "sched/number.h"

#define JOB_MAX   1000000000000000ULL
#define TASK_MAX  4000000000U
#define UNDEFINED "undefined"
#define PREFIX    "sge-"

int bv_gridengine_id_parse(const char *job, const char *task, struct bv_gridengine_id *ret, struct bv_error *err)
{
    unsigned long long number, element = 1;
    if (bv_sched_number(job, JOB_MAX, &number) < 0 || number == 0)
        return bv_fail(err, BV_EUSAGE, 0, "'%.40s' is no number of a Grid Engine job", job ? job : "");
    if (task && strcmp(task, UNDEFINED) != 0 && (bv_sched_number(task, TASK_MAX, &element) < 0))
        return bv_fail(err, BV_EUSAGE, 0, "'%.40s' is no task of a Grid Engine job", task);
    /* Where the commands of a checkpointing environment are told of a job that is no array, the task is 0 or 1. */
    *ret = (struct bv_gridengine_id){number, element ? (unsigned)element : 1};
    return 0;
}

void bv_gridengine_name(struct bv_gridengine_id id, char ret[BV_JOB_ID_MAX + 1])
{
    snprintf(ret, BV_JOB_ID_MAX + 1, PREFIX "%llu.%u", id.job, id.task);
}

int bv_gridengine_name_parse(const char *name, struct bv_gridengine_id *ret)
{
    char text[BV_JOB_ID_MAX + 1], again[BV_JOB_ID_MAX + 1];
    struct bv_gridengine_id id;
    size_t n = strlen(PREFIX);
    if (strncmp(name, PREFIX, n) != 0 || strlen(name) >= sizeof(text))
        return 0;
    strcpy(text, name + n);
    char *task = strchr(text, '.');
    if (!task)
        return 0;
    *task++ = '\0';
    if (bv_gridengine_id_parse(text, task, &id, NULL) < 0)
        return 0;
    bv_gridengine_name(id, again);
    if (strcmp(again, name) != 0)
        return 0;
    *ret = id;
    return 1;
}

int bv_gridengine_job(struct bv_gridengine_id *ret, struct bv_error *err)
{
    const char *job = getenv("JOB_ID"), *task = getenv("SGE_TASK_ID");
    /* JOB_ID alone may be anybody's. */
    if (!job || !*job || !task)
        return 0;
    return bv_gridengine_id_parse(job, task, ret, err) < 0 ? bv_wrap(err, "JOB_ID, SGE_TASK_ID") : 1;
}
