/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/json.h"
#include "store/store.h"

/* What became of a job over all its attempts: how long it ran, stood still, and ran for nothing. Derived from its
 * history, in which any line may be missing, torn, or made up.
 *
 * Work is measured by its position: how long the job would have run until then without Bivouac, and without what was
 * lost. Attempt 0 begins at position 0, a restart at that of its checkpoint. What an attempt ran behind the checkpoint
 * from which the next one went on is lost; what a restart did not have to run again is saved. */

enum bv_attempt_end {
    BV_ATTEMPT_ALIVE,
    BV_ATTEMPT_EXITED,
    BV_ATTEMPT_SIGNALED,
    BV_ATTEMPT_CHECKPOINTED, /* to be continued */
    BV_ATTEMPT_STOPPED,      /* without a checkpoint of that moment: to be continued from an earlier one */
    BV_ATTEMPT_FAILED,       /* with an error of ours */
    BV_ATTEMPT_FENCED,       /* a newer attempt had taken over */
    BV_ATTEMPT_LOST,         /* has no end, and does not live */
    BV_ATTEMPT_LEFT,         /* of the job that this one was imported from */
};

struct bv_timeline_attempt {
    unsigned number;
    enum bv_attempt_end end;
    int end_number;               /* exit status, signal or error */
    int64_t begun_ns, ended_ns;   /* realtime; begun 0 = the job never ran in it; ended: or last sign of life, or now */
    size_t first_event;           /* of it, in `events` */
    unsigned generation;          /* from which it went on, 0 = from the beginning */
    size_t checkpoints, failures; /* that it made, and that came to nothing */
    double restore_s, running_s, frozen_s;
    double lost_s, saved_s;
    double cpu_s;                                   /* < 0 = not known */
    const json_t *host, *scheduler, *scheduler_job; /* escaped strings, borrowed; NULL = not known */
    double position_s, useful_s;                    /* where its work begins, and ends as far as it counts */
};

struct bv_timeline_checkpoint {
    unsigned generation;
    size_t attempt; /* index */
    int kept;       /* it is still in the store */
    int64_t at_ns;  /* of the commit */
    double position_s;
    double frozen_s, drain_s, write_s, sync_s, total_s; /* < 0 = not known */
    uint64_t raw_bytes, new_bytes, stored_bytes;
    const json_t *why; /* escaped string, borrowed; NULL = not known */
};

struct bv_timeline {
    json_t *events;
    struct bv_timeline_attempt *attempt; /* in the order they began */
    size_t attempts;
    struct bv_timeline_checkpoint *checkpoint; /* in the order they were made */
    size_t checkpoints;
    size_t failures;
    double running_s, frozen_s, restore_s, lost_s, saved_s;
    double cpu_s;      /* of the attempts of which it is known */
    double efficiency; /* share of the time of all attempts in which work was done that counts; < 0 = not known */
};

/* What is known beside the history. */
struct bv_timeline_facts {
    int64_t now_ns;         /* realtime */
    int alive;              /* the newest attempt lives */
    const json_t *outcome;  /* of the newest attempt, NULL = none is recorded */
    const int64_t *seen_ns; /* last sign of life of each attempt, realtime; 0 = not known */
    size_t seen_count;      /* attempts that there are: the newest is seen_count - 1 */
    const unsigned *kept;   /* generations that are in the store, ascending */
    size_t kept_count;
};

/* Never fails. Takes a reference of `events` (of bv_event_read()). */
void bv_timeline_build(json_t *events, const struct bv_timeline_facts *facts, struct bv_timeline *ret);

/* That of a job as it is now. A checkpoint that the history does not know is told of by its manifest.
 * Errors: those of bv_event_read(). */
int bv_timeline_read(const struct bv_job *j, struct bv_timeline *ret, struct bv_error *err);

void bv_timeline_free(struct bv_timeline *t);
#define autotimeline __attribute__((cleanup(bv_timeline_free)))

/* "running", "exited", "signaled", "checkpointed", "stopped", "failed", "fenced", "lost", "left". Static. */
const char *bv_timeline_end_name(enum bv_attempt_end end);

/* An object with "attempts", "checkpoints" and "totals"; doc/format/events.md. What is not known is null. */
json_t *bv_timeline_json(const struct bv_timeline *t);
