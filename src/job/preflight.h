/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "config/value.h"

/* Preflight: what in a live process tree would stop a checkpoint, or be lost by one, in plain words.
 *
 * The topics are listed in bivouac-preflight(1). Only with `in_capsule` are looked for: outside-file, orphan, and
 * System V objects that no process has attached. Sockets of another network namespace, and those objects, are asked for
 * from inside, by a short-lived child that enters the namespace; where it may not, they stay unseen. */

enum bv_finding_weight {
    BV_FINDING_NOTE,    /* good to know: kept, but with a condition */
    BV_FINDING_WEAKENS, /* the checkpoint succeeds and something is lost */
    BV_FINDING_BLOCKS,  /* the checkpoint would fail */
};

struct bv_finding {
    enum bv_finding_weight weight;
    const char *topic; /* stable word for scripts: "io_uring", "tcp-outside", … static */
    pid_t pid;         /* 0 if it is not about one process */
    char comm[64];
    char *text;         /* one sentence: what is there */
    const char *remedy; /* one sentence: what to do; static */
    int unnoticed; /* it blocks, and the engine would not see it: what it makes could not be restored, or wrongly */
};

struct bv_findings {
    struct bv_finding *finding; /* heaviest first, then by topic and pid; the same topic at most 8 times */
    size_t count;
};
void bv_findings_free(struct bv_findings *f);

struct bv_preflight {
    int procfd;          /* an open /proc directory */
    pid_t root;          /* pid of the tree's root in it */
    int in_capsule;      /* the tree runs in a capsule: own pid, mount and ipc namespaces, /dev/shm and terminal are
                            accounted for; else it is judged as what `bivouac run` would start */
    int private_network; /* the capsule has its own network */
    enum bv_tcp tcp;     /* what a checkpoint does about connections to outside */
};

/* Inspect. The tree may be running; what vanishes meanwhile is left out.
 * Errors: BV_ENOTRUNNING, BV_EDENIED, BV_EINTERNAL. Findings are no errors. */
int bv_preflight_run(const struct bv_preflight *p, struct bv_findings *ret, struct bv_error *err);

/* "blocks", "weakens" or "notes". Static. */
const char *bv_finding_weight_name(enum bv_finding_weight weight);

/* How many of them block. */
size_t bv_preflight_blocking(const struct bv_findings *f);

/* The first of which the engine cannot be asked, because it would not notice it; NULL if there is none. */
const struct bv_finding *bv_preflight_unnoticed(const struct bv_findings *f);

/* [{"weight": "blocks", "topic": …, "pid": …, "command": …, "text": …, "remedy": …}], a new reference. */
json_t *bv_findings_json(const struct bv_findings *f);
