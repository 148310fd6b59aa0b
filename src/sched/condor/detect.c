/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sched/condor/ad.h"
#include "sched/condor/condor.h"
#include "sched/condor/sandbox.h"

#define VANILLA        5
#define INTERVAL       3600.0 /* s */
#define MACHINE_WINDOW 600.0  /* HTCondor's default of MachineMaxVacateTime */
#define WINDOW_LEAST   1.0

static const struct {
    int64_t number;
    const char *name, *instead;
} universes[] = {
    {7, "scheduler", "it runs where it was submitted, and is never moved"},
    {9, "grid", "submit it where the job really runs"},
    {10, "java", "submit java as the executable of a vanilla job"},
    {11, "parallel", "only jobs of one host can be checkpointed yet"},
    {12, "local", "it runs where it was submitted, and is never moved"},
    {13, "vm", "the hypervisor has checkpoints of its own"},
};

static int read_job_ad(struct bv_condor_ad *ret, struct bv_error *err)
{
    struct bv_error e = {0};
    const char *path = getenv("_CONDOR_JOB_AD");
    if (!path || !*path)
        return 0;
    if (bv_condor_ad_read(path, ret, &e) < 0)
        return bv_fail(err, BV_EUSAGE, 0, "cannot read the job's ad: %s", e.text);
    return 1;
}

static int name_job(const struct bv_condor_ad *ad, struct bv_sched_job *ret, struct bv_error *err)
{
    int64_t cluster, proc, starts = 0;
    if (!bv_condor_ad_int(ad, "ClusterId", &cluster) || !bv_condor_ad_int(ad, "ProcId", &proc) || cluster < 0 ||
        proc < 0)
        return bv_fail(err, BV_EUSAGE, 0, "the job's ad in $_CONDOR_JOB_AD names no ClusterId and ProcId");
    snprintf(ret->native, sizeof(ret->native), "%lld.%lld", (long long)cluster, (long long)proc);
    snprintf(ret->id, sizeof(ret->id), "condor-%s", ret->native);
    ret->again = bv_condor_ad_int(ad, "NumJobStarts", &starts) && starts > 0;
    return 0;
}

static int check_universe(const struct bv_condor_ad *ad, const char *id, struct bv_error *err)
{
    int64_t universe = VANILLA;
    int is_docker = 0;
    bv_condor_ad_int(ad, "JobUniverse", &universe);
    bv_condor_ad_bool(ad, "WantDocker", &is_docker);
    if (is_docker)
        return bv_fail(err, BV_EBLOCKED, 0,
                       "job %s is of the docker universe, where HTCondor cannot carry checkpoints away: submit it as a "
                       "vanilla job, or with a container that bivouac runs in",
                       id);
    for (size_t i = 0; i < sizeof(universes) / sizeof(universes[0]); i++)
        if (universe == universes[i].number)
            return bv_fail(err, BV_EBLOCKED, 0,
                           "job %s is of the %s universe, and only vanilla jobs can be checkpointed: %s", id,
                           universes[i].name, universes[i].instead);
    return 0;
}

static int detect(struct bv_sched_job *ret, struct bv_error *err)
{
    autoad struct bv_condor_ad ad = {0};
    int got = read_job_ad(&ad, err);
    if (got <= 0)
        return got;
    return name_job(&ad, ret, err) < 0 || check_universe(&ad, ret->id, err) < 0 ? -1 : 1;
}

const struct bv_sched bv_sched_condor = {
    .name = "condor",
    .detect = detect,
};

/* --- what the wrapper has to know --- */

static int signal_of(const char *name)
{
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *abbrev = sigabbrev_np(i);
        if (abbrev && strcmp(abbrev, name) == 0)
            return i;
    }
    return SIGTERM;
}

/* What a user says to Bivouac has to mean something. Errors: BV_EBLOCKED, for which the job is held. */
static int read_words(const struct bv_condor_ad *ad, struct bv_condor_job *ret, struct bv_error *err)
{
    int64_t interval = 0;
    if (bv_condor_ad_has(ad, "BivouacInterval")) {
        if (!bv_condor_ad_int(ad, "BivouacInterval", &interval) || interval <= 0)
            return bv_fail(err, BV_EBLOCKED, 0,
                           "BivouacInterval is no number of seconds: write +BivouacInterval = 3600");
        ret->interval = (double)interval;
    }
    if (bv_condor_ad_has(ad, "BivouacNetwork") && !bv_condor_ad_string(ad, "BivouacNetwork", &ret->network))
        return bv_fail(err, BV_EBLOCKED, 0, "BivouacNetwork is no word in quotes: write +BivouacNetwork = \"private\"");
    if (bv_condor_ad_has(ad, "BivouacStore") && !bv_condor_ad_string(ad, "BivouacStore", &ret->store))
        return bv_fail(err, BV_EBLOCKED, 0, "BivouacStore is no path in quotes: write +BivouacStore = \"/DIR\"");
    return 0;
}

static void read_wishes(const struct bv_condor_ad *ad, struct bv_condor_job *ret)
{
    int64_t number;
    autofree char *outputs = NULL, *kill_signal = NULL;
    bv_condor_ad_bool(ad, "checkpoint_restart", &ret->wants_checkpoint);
    /* HTCondor's own default is an expression, and much too small: it is the size of the inputs. */
    if (bv_condor_ad_int(ad, "RequestDisk", &number) && number > 0 && number < (INT64_MAX >> 10))
        ret->disk = (uint64_t)number << 10;
    if (bv_condor_ad_string(ad, "TransferOutput", &outputs))
        ret->is_listed = bv_condor_list_has(outputs, BV_CONDOR_FILE);
    ret->was_uploaded = bv_condor_ad_int(ad, "CheckpointNumber", &number) && number >= 0;
    if (bv_condor_ad_string(ad, "KillSig", &kill_signal))
        ret->leave_signal = signal_of(kill_signal);
}

static void read_window(const struct bv_condor_ad *job, struct bv_condor_job *ret)
{
    autoad struct bv_condor_ad machine = {0};
    const char *path = getenv("_CONDOR_MACHINE_AD");
    int64_t seconds;
    if (path && *path)
        bv_condor_ad_read(path, &machine, NULL);
    if (bv_condor_ad_int(&machine, "MachineMaxVacateTime", &seconds) && seconds > 0)
        ret->window = (double)seconds;
    if (bv_condor_ad_int(job, "JobMaxVacateTime", &seconds) && (double)seconds < ret->window)
        ret->window = (double)seconds;
    if (ret->window < WINDOW_LEAST)
        ret->window = WINDOW_LEAST;
}

static int open_sandbox(struct bv_condor_job *ret, struct bv_error *err)
{
    struct stat here, there;
    const char *named = getenv("_CONDOR_SCRATCH_DIR");
    ret->sandbox = realpath(named && *named ? named : ".", NULL);
    ret->sandbox_fd = ret->sandbox ? open(ret->sandbox, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (ret->sandbox_fd < 0 || fstat(ret->sandbox_fd, &there) < 0 || stat(".", &here) < 0)
        return bv_fail(err, BV_ENODIR, errno, "cannot open the job's sandbox %s", named ? named : ".");
    if (here.st_dev != there.st_dev || here.st_ino != there.st_ino)
        return bv_fail(
            err, BV_EBLOCKED, 0,
            "the job does not run in its sandbox, and only that is carried to the next machine: submit it with "
            "should_transfer_files = YES");
    return 0;
}

int bv_condor_job_read(struct bv_condor_job *ret, struct bv_error *err)
{
    autoad struct bv_condor_ad ad = {0};
    struct bv_condor_job j = {
        .sandbox_fd = -1, .interval = INTERVAL, .window = MACHINE_WINDOW, .leave_signal = SIGTERM};
    int got = read_job_ad(&ad, err);
    if (got == 0)
        return bv_fail(err, BV_EUSAGE, 0, "this is no job of HTCondor: $_CONDOR_JOB_AD is not set");
    if (got < 0 || name_job(&ad, &j.name, err) < 0)
        return -1;
    read_wishes(&ad, &j);
    read_window(&ad, &j);
    int rc = read_words(&ad, &j, err);
    *ret = j;
    if (rc < 0 || check_universe(&ad, j.name.id, err) < 0)
        return -1;
    return open_sandbox(ret, err);
}

void bv_condor_job_free(struct bv_condor_job *j)
{
    free(j->sandbox);
    free(j->store);
    free(j->network);
    close_fd(&j->sandbox_fd);
    *j = (struct bv_condor_job){.sandbox_fd = -1};
}
