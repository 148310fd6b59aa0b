/* SPDX-License-Identifier: Apache-2.0 */
/* What LSF and its users say: the first byte says which. Arguments are separated by line breaks. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sched/lsf/args.h"
#include "sched/lsf/ask.h"
#include "sched/lsf/end_job.h"
#include "sched/lsf/overrun.h"
#include "sched/lsf/place.h"
#include "sched/lsf/restart_cmd.h"

#define ARGS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void arguments(char *text)
{
    static char name[] = "echkpnt.bivouac";
    char *argv[ARGS_MAX + 1] = {name};
    int argc = 1;
    for (char *word = text; word && argc < ARGS_MAX;) {
        argv[argc++] = word;
        word = strchr(word, '\n');
        if (word)
            *word++ = '\0';
    }
    struct bv_lsf_echkpnt_args c;
    struct bv_lsf_erestart_args r;
    if (bv_lsf_echkpnt_parse(argc, argv, &c, NULL) == 0 && (c.pgid < 2 || (c.kill && c.stop) || (c.dir && !*c.dir)))
        abort();
    if (bv_lsf_erestart_parse(argc, argv, &r, NULL) == 0 && r.id.job == 0)
        abort();
}

static void id(const char *text)
{
    struct bv_lsf_id got;
    char again[BV_LSF_ID_TEXT], job[BV_JOB_ID_MAX + 1];
    if (bv_lsf_id_parse(text, &got, NULL) < 0)
        return;
    bv_lsf_id_text(got, again);
    bv_lsf_job_name(got, job);
    if (strcmp(again, text) != 0 || bv_job_id_check(job, NULL) < 0)
        abort();
}

static void files(const char *text, size_t size)
{
    char job[BV_JOB_ID_MAX + 1];
    autofree char *store = NULL;
    struct bv_lsf_overrun o;
    if (bv_lsf_pointer_parse(text, size, job, &store, NULL) == 0 &&
        (bv_job_id_check(job, NULL) < 0 || (store && store[0] != '/')))
        abort();
    if (bv_lsf_overrun_parse(text, size, &o, NULL) == 0 && (o.state == BV_LSF_NONE || o.id.job == 0 || o.at < 0))
        abort();
}

static const char *policy_value(void *arg, const char *name)
{
    return strncmp(name, "ORUN", 4) == 0 ? arg : "Y";
}

static void words(char *text)
{
    struct bv_lsf_pids pids;
    struct bv_lsf_policy policy;
    autofree char *quoted = bv_lsf_quote(text);
    bv_lsf_pids_parse(text, &pids);
    for (size_t i = 0; i < pids.count; i++)
        if (pids.pid[i] < 2)
            abort();
    if (strlen(quoted) < strlen(text) + 2 || bv_lsf_run_limit(text) > 100000000)
        abort();
    bv_lsf_submitted(text);
    bv_lsf_policy_read(policy_value, text, &policy, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    autofree char *text = bv_alloc(size);
    memcpy(text, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        arguments(text);
        break;
    case 1:
        id(text);
        break;
    case 2:
        files(text, size - 1);
        break;
    default:
        words(text);
    }
    return 0;
}
