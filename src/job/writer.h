/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "engine/engine.h"
#include "job/retain.h"
#include "store/generation.h"

/* The process that makes an uncommitted generation of a dump: it receives the engine's images into staging memory while
 * the job is frozen, and deduplicates, compresses, writes and syncs them when the job runs again, while the supervisor
 * goes on relaying. It dies with the supervisor.
 *
 *   supervisor            writer
 *                      <- {is: ready}           staging memory stands; the dump may begin
 *   {do: drain} ->                              the engine has sent all images, and the job is still frozen
 *                      <- {is: drained}         all of it is copied. What is in a pipe may be the job's own pages, by
 *                                               reference (vmsplice(2)): before that the job must not run.
 *   {do: finish, content} ->                    all images are dumped, all files are staged, the CPUs are free
 *                      <- {is: written, …}      the generation is complete, not committed
 *                      <- {is: failed, code, text}   at any time instead
 */

struct bv_writer_config {
    const struct bv_job *job;
    unsigned generation, attempt;
    unsigned base; /* generation to deduplicate against, 0 = none */
    int staging;   /* directory: images/ (where the engine does not stream), files/, capture.json */
    const struct bv_engine *engine;
    struct bv_engine_stream *stream;    /* NULL = the engine writes files; the writer's own from now on */
    uint64_t expected_bytes;            /* of the job's memory */
    const struct bv_retainer *retainer; /* of the quotas; NULL = there are none */
    uint64_t expected_stored;           /* bytes that the generation adds to the store at least */
    uint64_t staging_limit;             /* bytes of staging memory, 0 = what the machine can spare */
};

struct bv_writer {
    pid_t pid;
    int sock;
};

/* Such a process with another body, which ends by _exit() and dies with its parent. */
typedef void bv_writer_body(const void *arg, int sock);
int bv_writer_fork(bv_writer_body *body, const void *arg, struct bv_writer *ret, struct bv_error *err);

int bv_writer_start(const struct bv_writer_config *config, struct bv_writer *ret, struct bv_error *err);
int bv_writer_drain(struct bv_writer *w, struct bv_error *err);
int bv_writer_finish(struct bv_writer *w, json_t *content, struct bv_error *err);

/* The process that reads a committed generation once more: {is: opened} when manifest and index are good, then {is:
 * verified} when every block is, or {is: failed, code, text}. It is talked to and ended like a writer. */
int bv_verifier_start(const struct bv_job *job, unsigned generation, struct bv_writer *ret, struct bv_error *err);

/* Kill it if it still runs, and reap it. */
void bv_writer_end(struct bv_writer *w);
