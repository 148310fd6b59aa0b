/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "sched/condor/condor.h"

#define DEFAULT_INTERVAL 3600.0
#define DEFAULT_VACATE   120.0 /* MachineMaxVacateTime is 600 s unless an administrator says otherwise */
#define TIME_MAX         1e8
#define KIB              1024.0

enum { VANILLA = 5, PARALLEL = 11 }; /* numbers of universes, from HTCondor's manual, "Job ClassAd Attributes" */

static int parse_id(const char *ad, struct bv_condor_job *j, struct bv_error *err)
{
    double cluster, proc;
    if (bv_condor_ad_number(ad, "ClusterId", &cluster) && bv_condor_ad_number(ad, "ProcId", &proc) && cluster >= 0 &&
        cluster <= INT32_MAX && proc >= 0 && proc <= INT32_MAX) {
        j->cluster = (unsigned)cluster;
        j->proc = (unsigned)proc;
        return 0;
    }
    return bv_fail(err, BV_EUSAGE, 0, "the job's ad has no ClusterId and ProcId: is _CONDOR_JOB_AD HTCondor's?");
}

/* Seconds, or what is there already if the ad says nothing. */
static int parse_time(const char *ad, const char *name, double *ret, struct bv_error *err)
{
    double value;
    autofree char *text = bv_condor_ad_value(ad, name);
    if (!text || strcasecmp(text, "undefined") == 0)
        return 0;
    if (!bv_condor_ad_number(ad, name, &value) || value < 1 || value > TIME_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "%s is '%.60s': write a number of seconds, 1 or more", name, text);
    *ret = value;
    return 0;
}

static int parse_words(const char *ad, struct bv_condor_job *j, struct bv_error *err)
{
    bv_condor_ad_string(ad, "BivouacNetwork", &j->network);
    bv_condor_ad_string(ad, "BivouacStore", &j->store);
    if (j->network && strcmp(j->network, "host") != 0 && strcmp(j->network, "private") != 0)
        return bv_fail(err, BV_EUSAGE, 0, "BivouacNetwork is '%.60s': write \"host\" or \"private\"", j->network);
    if (j->store && j->store[0] != '/')
        return bv_fail(err, BV_EUSAGE, 0, "BivouacStore is '%.200s': write an absolute path", j->store);
    return 0;
}

int bv_condor_job_parse(const char *ad, struct bv_condor_job *ret, struct bv_error *err)
{
    autocondorjob struct bv_condor_job j = {
        .universe = VANILLA, .interval = DEFAULT_INTERVAL, .vacate = DEFAULT_VACATE};
    double kib, universe;
    int is_given = 1;
    char *output = NULL;
    if (parse_id(ad, &j, err) < 0)
        return -1;
    if (bv_condor_ad_number(ad, "JobUniverse", &universe) && universe >= 0 && universe < 100)
        j.universe = (unsigned)universe;
    bv_condor_ad_bool(ad, "WantDocker", &j.is_docker);
    if (parse_time(ad, "BivouacInterval", &j.interval, err) < 0 ||
        parse_time(ad, "JobMaxVacateTime", &j.vacate, err) < 0 || parse_words(ad, &j, err) < 0)
        return -1;
    /* Without request_disk it is an expression: of what the inputs take, which says nothing of the job. The transform
     * on the access point then makes a number of it. */
    bv_condor_ad_bool(ad, "BivouacDiskGiven", &is_given);
    if (is_given && bv_condor_ad_number(ad, "RequestDisk", &kib) && kib > 0 && kib < (double)INT64_MAX / KIB)
        j.disk = (uint64_t)(kib * KIB);
    j.is_listed = bv_condor_ad_string(ad, "TransferOutput", &output);
    free(output);
    *ret = j;
    j = (struct bv_condor_job){0};
    return 0;
}

int bv_condor_job_check(const struct bv_condor_job *j, struct bv_error *err)
{
    if (j->universe == PARALLEL)
        return bv_fail(
            err, BV_EBLOCKED, 0,
            "a job of the parallel universe runs on several machines, and only jobs of one can be checkpointed "
            "yet: submit it to the vanilla universe, with request_cpus");
    if (j->universe != VANILLA)
        return bv_fail(err, BV_EBLOCKED, 0,
                       "a job of universe %u cannot be checkpointed: submit it to the vanilla universe", j->universe);
    if (j->is_docker)
        return bv_fail(
            err, BV_EBLOCKED, 0,
            "a job of the docker universe cannot be checkpointed from outside its container: let its command "
            "begin with 'bivouac condor run --', in an image that has bivouac and criu");
    return 0;
}

static int read_ad(char **ret, struct bv_error *err)
{
    const char *path = getenv("_CONDOR_JOB_AD");
    size_t size;
    if (!path || !*path || !getenv("_CONDOR_SCRATCH_DIR"))
        return 0;
    return bv_read_file(AT_FDCWD, path, BV_CONDOR_AD_MAX, ret, &size, err) < 0 ? bv_wrap(err, "the job's ad %s", path)
                                                                               : 1;
}

int bv_condor_wants_restart(void)
{
    autofree char *ad = NULL;
    int wants = 0;
    return read_ad(&ad, NULL) > 0 && bv_condor_ad_bool(ad, "checkpoint_restart", &wants) && wants;
}

int bv_condor_job_read(struct bv_condor_job *ret, struct bv_error *err)
{
    autofree char *ad = NULL;
    int is = read_ad(&ad, err);
    return is <= 0 ? is : bv_condor_job_parse(ad, ret, err) < 0 ? -1 : 1;
}

void bv_condor_job_free(struct bv_condor_job *j)
{
    free(j->network);
    free(j->store);
    *j = (struct bv_condor_job){0};
}

static int detect(struct bv_sched_job *ret, struct bv_error *err)
{
    autocondorjob struct bv_condor_job j = {0};
    int is = bv_condor_job_read(&j, err);
    if (is <= 0)
        return is;
    snprintf(ret->native, sizeof(ret->native), "%u.%u", j.cluster, j.proc);
    snprintf(ret->id, sizeof(ret->id), "condor-%s", ret->native);
    return 1;
}

const struct bv_sched bv_sched_condor = {
    .name = "condor",
    .detect = detect,
};
