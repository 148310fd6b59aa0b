/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "proc/host.h"
#include "store/store.h"

/* Attempts and fencing: at most one supervisor runs a job, on any file system that has link(2) and rename(2).
 *
 * Each attempt owns the file attempts/NNNN, created exclusively by link(2): JSON with host, boot id, pid namespace,
 * pid, start time, control socket, lease. The supervisor renews its lease by touching the file (times are the file
 * server's, so clocks of hosts need not agree: "now" is the mtime of a file touched for the purpose). A new attempt N+1
 * may be claimed only when attempt N has an end recorded, or its process is gone (same host, boot and pid namespace),
 * or its lease ran out, or the caller vouches for its death. Whoever finds a higher number than its own is fenced. */

#define BV_LEASE_DEFAULT 60.0 /* s */

struct bv_attempt {
    unsigned number; /* 0 is the first */
    int dirfd;       /* of attempts/ */
    double lease;    /* s */
};

struct bv_attempt_claim {
    double lease;            /* s; 0 = the default */
    int vouched;             /* the scheduler says that the previous attempt is dead */
    const char *socket_path; /* of the control socket, at most 107 bytes, recorded for clients; may be NULL */
};

/* Claim the next attempt. Errors: BV_EBUSY (one lives; the text names host, pid and how long its lease lasts),
 * BV_ESTORE. A race of two claimants gives it to exactly one. */
int bv_attempt_claim(const struct bv_job *j, const struct bv_attempt_claim *how, struct bv_attempt *ret,
                     struct bv_error *err);

/* Renew the lease; to be called at least every lease/3. Errors: BV_EFENCED if a higher number exists, BV_ESTORE. */
int bv_attempt_renew(const struct bv_attempt *a, struct bv_error *err);

/* Still the highest number? Errors: BV_EFENCED. */
int bv_attempt_check(const struct bv_attempt *a, struct bv_error *err);

/* Record how the attempt ended: `outcome` is an object, for example {"status": "exited", "code": 0}. After that the
 * next attempt may be claimed at once. Written only while not fenced. */
int bv_attempt_end(const struct bv_attempt *a, const json_t *outcome, struct bv_error *err);
void bv_attempt_close(struct bv_attempt *a);

/* What the store knows of the newest attempt. */
struct bv_attempt_info {
    unsigned number;
    struct bv_host host;
    pid_t pid;
    unsigned long long start_time;
    char socket_path[108];
    double lease_left; /* s, < 0 when it ran out */
    int ended;         /* an end is recorded */
    double ended_s;    /* how long ago, if ended */
    int alive;         /* not ended, lease valid, and not known dead on this host */
    int here;          /* it runs, or ran, on this host, boot and pid namespace */
    int same_host;     /* the same host and boot, but perhaps in a container with process ids of its own */
    json_t *outcome;   /* NULL unless ended; freed by bv_attempt_info_free */
};
/* Returns 1 and fills `ret`, 0 if the job has no attempt yet, -1 on error (BV_ECORRUPT, BV_ESTORE). */
int bv_attempt_last(const struct bv_job *j, struct bv_attempt_info *ret, struct bv_error *err);
void bv_attempt_info_free(struct bv_attempt_info *i);

/* The file server's time (ns), with which times of the job's files can be compared; where nothing can be written, this
 * host's. */
int64_t bv_job_now(const struct bv_job *j);

/* When each attempt renewed its lease last: (*ret)[n] of attempt n, in nanoseconds of our CLOCK_REALTIME whatever the
 * file server's says, 0 = there is none of that number. Allocated. Errors: BV_ESTORE. */
int bv_attempt_seen(const struct bv_job *j, int64_t **ret, size_t *ret_count, struct bv_error *err);
