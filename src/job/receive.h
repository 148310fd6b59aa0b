/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <poll.h>

#include "engine/engine.h"
#include "job/slabs.h"
#include "store/generation.h"

/* Receive an engine's images as they come through their pipes, and hand them to a generation writer by slabs. The job
 * is frozen meanwhile: bytes are only moved here, and the writer is held, until staging memory runs out. */

struct bv_receive;

/* Is it an image? What else an engine writes (logs, statistics) is not part of the job's state, but must be read. */
int bv_receive_wants(const char *name);

/* Borrows all of them. */
struct bv_receive *bv_receive_new(const struct bv_engine *engine, struct bv_engine_stream *stream,
                                  struct bv_gen_writer *writer, struct bv_slabs *slabs);
void bv_receive_free(struct bv_receive *r);

/* How many descriptors bv_receive_poll() wants. */
size_t bv_receive_count(const struct bv_receive *r);
void bv_receive_poll(const struct bv_receive *r, struct pollfd *p);

/* Do what the descriptors allow. Errors: of the engine's stream or of the writer. */
int bv_receive_step(struct bv_receive *r, const struct pollfd *p, struct bv_error *err);

/* No image is under way. */
int bv_receive_idle(const struct bv_receive *r);

/* When the tree was found to be frozen (CLOCK_MONOTONIC), 0 = it is not yet. */
int64_t bv_receive_frozen_at(const struct bv_receive *r);
