/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* The process tree as the kernel shows it in a /proc directory. `procfd` is an open descriptor of that directory; pids
 * are those of the pid namespace it was mounted in. Processes come and go while one looks unless they are stopped: one
 * that vanished is left out, never an error, except the root itself. Source: proc(5). */

struct bv_pids {
    pid_t *pid; /* parents before their children; zombies included */
    size_t count;
};
void bv_pids_free(struct bv_pids *p);
#define autopids __attribute__((cleanup(bv_pids_free)))

/* `root` and all its descendants. Limit: 65536 processes.
 * Errors: BV_ENOTRUNNING if `root` does not exist, BV_EINTERNAL. */
int bv_tree_scan(int procfd, pid_t root, struct bv_pids *ret, struct bv_error *err);

/* The thread ids of a process. */
int bv_tree_threads(int procfd, pid_t pid, struct bv_pids *ret, struct bv_error *err);

struct bv_task {
    pid_t pid, ppid, pgid, sid;
    char state; /* R S D T t Z X I (proc(5)) */
    char comm[64];
    unsigned long long start_time;    /* clock ticks since boot; with the pid it names a process for ever */
    unsigned long long utime, stime;  /* clock ticks */
    unsigned long long children_time; /* ... of children that have ended and were waited for */
    unsigned long long rss;           /* bytes */
    int tty;                          /* device number of the controlling terminal, 0 if none */
    int seccomp;                      /* 0 none, 1 strict, 2 filter */
    int threads;
};
int bv_task_read(int procfd, pid_t pid, struct bv_task *ret, struct bv_error *err);
