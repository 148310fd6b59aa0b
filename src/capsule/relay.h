/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A relay carries bytes one way between a pipe (or terminal) of the job and a descriptor of the supervisor's, and
 * counts them: what the outside has got of a job's output is part of what must be identical after a restart. */

#define BV_RELAY_BUFFER (64 << 10)

struct bv_relay {
    int from, to;        /* borrowed; -1 = ended */
    int close_to;        /* close `to` when `from` has ended and everything is written (a pipe of ours) */
    int close_from;      /* close `from` when nobody takes the bytes any more (a pipe of ours) */
    int keep_reading;    /* ... or read on and drop them (a terminal of ours) */
    uint64_t skip;       /* drop that many bytes first: the outside has got them before the restart */
    uint64_t position;   /* bytes the source has given so far, over all attempts */
    uint64_t *delivered; /* of these, bytes that the outside has got; may lie in a mapping that outlives us */
    uint64_t own_count;
    size_t begin, end;
    char buffer[BV_RELAY_BUFFER];
};

struct bv_relay *bv_relay_new(int from, int to, uint64_t *delivered);
void bv_relay_free(struct bv_relay *r);

/* What to poll for; `fd` is -1 if there is nothing to wait for. */
struct pollfd bv_relay_poll(const struct bv_relay *r);

/* Do what `revents` allows; never blocks for long (see relay.c). */
void bv_relay_step(struct bv_relay *r, short revents);

/* Everything is carried over and no more can come. */
int bv_relay_done(const struct bv_relay *r);

/* Bytes that are on their way: in our buffer and still in the pipe `pipe_fd` (any end of it), which keeps them.
 * At most `room` bytes are stored to `out`; *ret_size is how many. The job must be frozen. */
int bv_relay_in_flight(const struct bv_relay *r, int pipe_fd, char *out, size_t room, size_t *ret_size,
                       struct bv_error *err);
