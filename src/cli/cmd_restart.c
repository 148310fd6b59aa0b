/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/supervise.h"
#include "store/generation.h"

static const char usage[] =
    "usage: bivouac restart [OPTION]... JOB[@GENERATION]\n\n"
    "Continue JOB from a checkpoint: the newest that verifies, or the one named. Unlike 'bivouac run' it never starts the\n"
    "job's command from the beginning.\n\n"
    "  -s, --store DIR       where checkpoints are kept (default: $BIVOUAC_STORE, else ~/.bivouac)\n"
    "      --chdir DIR       continue in DIR: the job sees it where its own directory was\n"
    "  -j, --job NEW         continue as a new job NEW, a copy; JOB itself is left as it is\n"
    "      --accept-changed  continue although a file that is too large to copy has changed\n"
    "      --lease TIME      how long another host must wait for a silent supervisor (default: 60s)\n"
    "      --takeover        the earlier supervisor is known to be dead: do not wait for its lease\n"
    "  -h, --help            show this\n";

enum { OPT_CHDIR = 256, OPT_ACCEPT, OPT_LEASE, OPT_TAKEOVER };

static const struct option options[] = {
    {"store", required_argument, NULL, 's'},
    {"chdir", required_argument, NULL, OPT_CHDIR},
    {"job", required_argument, NULL, 'j'},
    {"accept-changed", no_argument, NULL, OPT_ACCEPT},
    {"lease", required_argument, NULL, OPT_LEASE},
    {"takeover", no_argument, NULL, OPT_TAKEOVER},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* The record of the copy: the original's, and which checkpoint it begins from. */
static int copy_spec(const char *store_path, const char *ref, struct bv_spec *ret, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autojson json_t *record = NULL;
    autofree unsigned *list = NULL;
    size_t n = 0;
    unsigned generation;
    if (cmd_open_store(store_path, &store, err) < 0 || cmd_open_job(&store, ref, &job, &generation, err) < 0 ||
        bv_job_record(&job, &record, err) < 0 || bv_generation_list(&job, &list, &n, err) < 0)
        return -1;
    if (!generation && n == 0)
        return bv_fail(err, BV_ENOCKPT, 0, "job %s has no checkpoint", job.id);
    if (bv_spec_parse(record, ret, err) < 0)
        return -1;
    free(ret->copy_of);
    ret->copy_of = bv_asprintf("%s@%u", job.id, generation ? generation : list[n - 1]);
    return 0;
}

static int apply(int option, struct bv_supervise_options *o, char **chdir_path, const char **copy, struct bv_error *err)
{
    switch (option) {
    case 's':
        o->store_path = optarg;
        return 0;
    case OPT_CHDIR:
        free(*chdir_path);
        *chdir_path = NULL;
        return cmd_absolute(optarg, chdir_path, err);
    case 'j':
        *copy = optarg;
        return bv_job_id_check(optarg, err);
    case OPT_ACCEPT:
        o->accept_changed = 1;
        return 0;
    case OPT_LEASE:
        return cmd_parse_duration(optarg, &o->lease, err);
    case OPT_TAKEOVER:
        o->vouched = 1;
        return 0;
    default:
        return bv_fail(err, BV_EUSAGE, 0, "unknown option");
    }
}

int bv_cmd_restart(int argc, char **argv)
{
    struct bv_error err = {0};
    struct bv_supervise_options o = {.restart_only = 1};
    autospec struct bv_spec spec = {0};
    autofree char *chdir_path = NULL;
    const char *copy = NULL;
    char job[BV_JOB_ID_MAX + 1];
    int option;
    while ((option = getopt_long(argc, argv, "s:j:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == '?')
            return BV_EUSAGE;
        if (apply(option, &o, &chdir_path, &copy, &err) < 0)
            return cmd_fail(&err, 0);
    }
    if (argc - optind != 1)
        return cmd_usage("restart", "exactly one JOB[@GENERATION] is needed");
    if (bv_job_ref_parse(argv[optind], job, &o.generation, &err) < 0)
        return cmd_fail(&err, 0);
    o.job_id = job;
    o.chdir = chdir_path;
    if (copy) {
        if (copy_spec(o.store_path, argv[optind], &spec, &err) < 0)
            return cmd_fail(&err, 0);
        o.spec = &spec;
        o.job_id = copy;
        o.generation = 0;
    }
    return cmd_supervise(&o);
}
