/* SPDX-License-Identifier: Apache-2.0 */
/* Where a job may go on: on nodes whose CPUs have what it may have used. Sites give their nodes features for that
 * ("bivouac slurm features"); a job that is requeued is constrained to those of the node where it was. Nothing of this
 * comes from the job itself: the controller's hook runs with the controller's rights. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proc/cpu.h"
#include "base/command.h"
#include "sched/slurm/private.h"

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define PREFIX     BV_CPU_FEATURE_PREFIX
#define PREFIX_LEN (sizeof(PREFIX) - 1)

static int is_ours(const char *word, size_t n)
{
    return n > PREFIX_LEN && strncmp(word, PREFIX, PREFIX_LEN) == 0 && strspn(word, NAME_BYTES) >= n;
}

/* Append a word to `out`, which has room, behind an "&". */
static void join(char *out, const char *word, size_t n)
{
    size_t used = strlen(out);
    if (used)
        out[used++] = '&';
    memcpy(out + used, word, n);
    out[used + n] = '\0';
}

char *bv_slurm_need(const char *features)
{
    char *out = bv_alloc(strlen(features) + 1);
    out[0] = '\0';
    for (const char *w = features; *w;) {
        size_t n = strcspn(w, ",\n ");
        if (is_ours(w, n))
            join(out, w, n);
        w += n;
        w += *w != '\0';
    }
    return out;
}

char *bv_slurm_constrain(const char *own, const char *need)
{
    if (strcmp(own, "(null)") == 0)
        own = "";
    if (!*need)
        return bv_strdup(own);
    if (own[strspn(own, NAME_BYTES "&")] != '\0')
        return NULL;
    char *out = bv_alloc(strlen(own) + strlen(need) + 2);
    out[0] = '\0';
    for (const char *w = own; *w;) {
        size_t n = strcspn(w, "&");
        if (n && !is_ours(w, n)) /* of ours, an earlier node had it, and so has this one */
            join(out, w, n);
        w += n;
        w += *w != '\0';
    }
    join(out, need, strlen(need));
    return out;
}

char *bv_slurm_lacking(const char *features, const char *need)
{
    autofree char *have = bv_slurm_need(features);
    autofree char *list = bv_asprintf("&%s&", have);
    char *out = bv_alloc(strlen(need) + 1);
    out[0] = '\0';
    for (const char *w = need; *w;) {
        size_t n = strcspn(w, "&");
        autofree char *word = bv_asprintf("&%.*s&", (int)n, w);
        if (n && !strstr(list, word))
            join(out, w, n);
        w += n;
        w += *w != '\0';
    }
    return out;
}

/* The first line of what a command of Slurm's prints. */
static int ask_line(char *const *argv, char **ret, struct bv_error *err)
{
    autocommand struct bv_command_result r = {0};
    char complaint[512];
    if (bv_command_run(argv[0], argv, SLURM_COMMAND_TIMEOUT, &r, err) < 0)
        return -1;
    if (r.status != 0) {
        bv_command_complaint(&r, complaint, sizeof(complaint));
        return bv_fail(err, BV_EINTERNAL, 0, "%s: %s", argv[0], complaint);
    }
    r.out[strcspn(r.out, "\n")] = '\0';
    *ret = bv_strdup(r.out);
    return 0;
}

/* The active features of a node. */
static int ask_features(const char *node, char **ret, struct bv_error *err)
{
    autofree char *which = bv_asprintf("--nodes=%s", node);
    char *argv[] = {(char *)"sinfo", (char *)"--noheader", (char *)"--Node", which, (char *)"--format=%b", NULL};
    autofree char *line = NULL;
    if (ask_line(argv, &line, err) < 0)
        return -1;
    if (!*line)
        return bv_fail(err, BV_EUSAGE, 0, "Slurm has no node %s", node);
    *ret = steal_ptr(&line);
    return 0;
}

static int ask_constraint(const char *number, char **ret, struct bv_error *err)
{
    char *argv[] = {(char *)"squeue",
                    (char *)"--noheader",
                    (char *)"--jobs",
                    (char *)number,
                    (char *)"--states=all",
                    (char *)"--format=%f",
                    NULL};
    return ask_line(argv, ret, err);
}

int slurm_constraint(const char *number, const char *node, char **ret, struct bv_error *err)
{
    autofree char *features = NULL, *own = NULL;
    *ret = NULL;
    if (ask_features(node, &features, err) < 0)
        return -1;
    autofree char *need = bv_slurm_need(features);
    if (!*need)
        return 0;
    if (ask_constraint(number, &own, err) < 0)
        return -1;
    autofree char *all = bv_slurm_constrain(own, need);
    if (!all)
        return bv_fail(err, BV_EUSAGE, 0,
                       "job %s has the constraint '%.100s', to which no features can be added: only names and '&' can",
                       number, own);
    if (strcmp(all, own) != 0)
        *ret = steal_ptr(&all);
    return 0;
}

int slurm_may_move(const char *job_id, const char *to, struct bv_error *err)
{
    struct slurm_queued q;
    autofree char *here = NULL, *there = NULL;
    if (slurm_ask_queue(job_id, &q, err) < 0 || ask_features(to, &there, err) < 0)
        return -1;
    if (strcmp(q.state, "RUNNING") != 0)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running: for Slurm it is %s", job_id, q.state);
    if (ask_features(q.nodes, &here, err) < 0)
        return -1;
    autofree char *need = bv_slurm_need(here);
    autofree char *lacking = bv_slurm_lacking(there, need);
    if (*lacking)
        return bv_fail(err, BV_EHOST, 0, "node %s lacks what the job may have used on %s: %s", to, q.nodes, lacking);
    return 0;
}

static int constrain(const char *number, const char *node, struct bv_error *err)
{
    autofree char *all = NULL;
    if (slurm_constraint(number, node, &all, err) < 0)
        return -1;
    if (!all)
        return 0;
    autofree char *job = bv_asprintf("JobId=%s", number);
    autofree char *features = bv_asprintf("Features=%s", all);
    char *argv[] = {(char *)"scontrol", (char *)"update", job, features, NULL};
    return slurm_control(argv, err);
}

int bv_slurm_place_check(const char *number, const char *nodes, struct bv_error *err)
{
    if (!number || !*number || number[strspn(number, "0123456789")] != '\0')
        return bv_fail(err, BV_EUSAGE, 0, "SLURM_JOB_ID is no number: this is a hook, EpilogSlurmctld");
    if (!nodes || !*nodes)
        return bv_fail(err, BV_EUSAGE, 0, "SLURM_JOB_NODELIST is not set: this is a hook, EpilogSlurmctld");
    return nodes[strspn(nodes, NAME_BYTES)] == '\0';
}

int bv_slurm_place_again(const char *number, const char *node, double timeout, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(timeout);
    struct slurm_queued q;
    struct bv_error last = {0};
    autofree char *features = NULL;
    if (ask_features(node, &features, err) < 0)
        return -1;
    autofree char *need = bv_slurm_need(features);
    while (*need && !bv_deadline_passed(deadline)) {
        if (slurm_ask_number(number, &q, err) < 0)
            return -1;
        if (strcmp(q.state, "PENDING") == 0 && constrain(number, node, &last) == 0)
            return 0;
        if (last.code == BV_EUSAGE) /* it will be no other the next time */
            break;
        if (strcmp(q.state, "RUNNING") == 0 || slurm_is_over(q.state))
            return 0;
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    return last.code ? bv_fail(err, last.code, 0, "%s", last.text) : 0;
}
