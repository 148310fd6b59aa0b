/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "capsule/capsule.h"

/* Shared between the files of this folder only. */

/* Arrange the capsule's mounts; as its pid 1. */
int capsule_mount_all(const struct bv_capsule_config *config, struct bv_error *err);

/* In the job's network: bring the loopback interface up. What the job sends to itself is acknowledged at once. */
int capsule_loopback_up(struct bv_error *err);

/* In the job's network: the same for each address that its other interfaces, which are up, have now. Errors: BV_EHOST.
 */
int capsule_own_addresses(struct bv_error *err);

/* Send a signal to the process `root` of a container, which is not among our descendants' pids, and to all below it. */
void capsule_signal_tree(pid_t root, int number);

/* The life of the init; never returns. */
void capsule_init_main(const struct bv_capsule_config *config, int sock) __attribute__((noreturn));

/* Start the job: returns its pid, and the master of its terminal where it has one (else -1). Waits until the program
 * is executed, or the container runs, or has failed to. 1 if the other end of `sock` was closed before a container ran.
 * Errors: BV_ENOCMD, BV_ENOEXEC, BV_ENODIR, BV_EINTERNAL. */
int capsule_start_job(const struct bv_capsule_config *config, int sock, pid_t *ret_pid, int *ret_master,
                      struct bv_error *err);
