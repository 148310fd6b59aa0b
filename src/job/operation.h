/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/msg.h"
#include "capsule/stdio.h"
#include "engine/engine.h"
#include "job/spec.h"

/* The part of a checkpoint or restart that happens inside the capsule, in a process of its own which the supervisor
 * watches through a socket.
 *
 *   supervisor                          operation
 *   operate {op: checkpoint, …}, fds -> engine freezes the tree and writes its images
 *                                       files are captured
 *                                    <- {is: frozen, clocks, affinity, forgotten, warnings, network}
 *   {verdict: go} or {fail: code, text} ->
 *                                       the tree resumes (or dies)
 *                                    <- {is: resumed}
 *                                    <- {is: done, frozen_ns} or {is: failed, code, text}
 *
 *   operate {op: restore, …}, fds ->    volatile directories, roll-back, engine
 *                                    <- {is: rolled-back, kept}
 *                                    <- {is: terminal} + descriptor, where the tree has one
 *                                    <- {is: held}, of a tree that has a way to other hosts
 *   {verdict: go}               ->
 *                                    <- {is: done} or {is: failed, code, text}
 *
 *   operate {op: try, …}, fds   ->      as restore, but the job's files are left alone, the tree stays stopped, and is
 *                                       compared with its images
 *                                    <- {is: done, processes, threads, pages} or {is: failed, code, text}
 *
 * Descriptors of a request: 0 the socket, 1 the staging directory, 2 the directory for what is overwritten (restore).
 */

struct bv_operation {
    const struct bv_spec *spec;
    const struct bv_engine *engine;
    const struct bv_engine_container *container; /* of an engine for such, else NULL */
    const struct bv_stdio *stdio; /* pipes the restored tree gets; their inodes at the dump come in the request */
    int any_cpu;                  /* see struct bv_engine_restore */
    const char *moved_dir;        /* see struct bv_supervise_options */
};

/* A bv_capsule_operation; `arg` is a struct bv_operation. */
int bv_operation_main(void *arg, struct bv_msg *request);
