/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/ip.h"
#include "base/msg.h"
#include "capsule/stdio.h"

/* The capsule: the namespaces in which a job runs, and their init (pid 1). Made anew for each attempt; nothing of it is
 * part of a checkpoint. It is built so that a restore cannot collide with anything: own user, pid, mount and ipc
 * namespaces (own network on demand, a time namespace where clocks must continue), own /proc, /dev/shm and terminals,
 * job pids from BV_FIRST_JOB_PID on.
 *
 * The supervisor stays outside and commands the init over a socket; when the supervisor dies, so does the capsule, and
 * when the supervisor's process group is stopped or continued, so is the job. */

#define BV_FIRST_JOB_PID 1000

/* comm of the capsule's process that stays in the supervisor's process group, see sentinel.c. */
#define BV_SENTINEL_NAME "bivouac-stop"

struct bv_bind {
    char *host; /* what exists outside: a directory or file */
    char *job;  /* where the job sees it */
    int read_only;
};

/* What to run: the arguments of execvpe(3) and the state in which a bare program would start. */
struct bv_command {
    char **argv, **envp;
    char *cwd;
    sigset_t mask;
};

/* Runs in a process of its own inside the capsule, with the message that asked for it; its value is the exit status. */
typedef int (*bv_capsule_operation)(void *arg, struct bv_msg *request);

/* A job that is not to be in namespaces of ours: a container, which a runtime starts and gives its own. Its capsule is
 * an init alone. `dir` is where the pid file `pid_name` says which process is the container's first when `start` has
 * returned, or an operation that restores it has ended. It becomes a child of the init, or the process of the pid file
 * `wait_name` does, which ends with it and has its exit status. */
struct bv_capsule_container {
    const char *dir, *pid_name, *wait_name;
    /* In a process with the job's standard files, directory and environment. */
    int (*start)(void *arg, struct bv_error *err);
    /* Kill what there is of it; in the init when its supervisor is gone, else, or if that has returned -1, in the
     * supervisor. */
    int (*remove)(void *arg);
    /* Called all the time while the supervisor waits for the init to remove it. */
    void (*waiting)(void *arg);
    void *arg;
};

struct bv_capsule_config {
    const struct bv_capsule_container *container; /* NULL = a job of ours; with it, what is said of namespaces, mounts
                                                     and clocks does not count */
    int private_network;
    int private_tmp;
    const char *preload; /* library of src/preload, of which the job gets a copy at BV_KEEP_LIBRARY; NULL = none */
    int protect;         /* everything of the host is read-only, but what is bound */
    /* With `protect`: directories, NULL-terminated, in which names can be made all the same, for the time of the
     * capsule and for nobody else to see. One for which the kernel cannot do that stays read-only. May be NULL. */
    const char *const *covered;
    const struct bv_bind *binds;
    size_t bind_count;
    int continue_clocks; /* let CLOCK_MONOTONIC and CLOCK_BOOTTIME go on from these values */
    int64_t monotonic_ns, boottime_ns;
    const struct bv_command *command;
    struct bv_stdio *stdio;
    bv_capsule_operation operation;
    void *arg;
};

struct bv_capsule {
    pid_t init; /* as seen by the supervisor; its child */
    int sock;
    const struct bv_capsule_container *container;
};

/* Build it. What `config` points to must stay until bv_capsule_destroy().
 * Errors: BV_EHOST (a namespace cannot be made, with what to do), BV_ENODIR (a bind's source is missing). */
int bv_capsule_create(const struct bv_capsule_config *config, struct bv_capsule *ret, struct bv_error *err);

/* What would help against this error of bv_capsule_create(), on this host or in this container. Static, NULL = unknown.
 */
const char *bv_capsule_remedy(const struct bv_error *err);

/* Kill everything in it and reap the init. Waits until the last process is gone. */
void bv_capsule_destroy(struct bv_capsule *c);

/* Requests to the init. Each returns at once; what comes of it arrives as an event.
 *   start     run the command; its pid is BV_FIRST_JOB_PID
 *   operate   run config.operation with this request (an object) and these descriptors; one that restores the job names
 *             its `root`, which the init then looks after (else 0)
 *   abort     kill the operation and all its helpers
 *   signal    send `number` to the job's root, or with `all` to every process of the job */
int bv_capsule_start(struct bv_capsule *c, struct bv_error *err);
int bv_capsule_operate(struct bv_capsule *c, json_t *request, pid_t root, const int *fds, int fd_count,
                       struct bv_error *err);
int bv_capsule_abort(struct bv_capsule *c, struct bv_error *err);
int bv_capsule_signal(struct bv_capsule *c, int number, int all, struct bv_error *err);

enum bv_capsule_event_kind {
    BV_CAPSULE_STARTED,
    BV_CAPSULE_START_FAILED,    /* `error` says why */
    BV_CAPSULE_ROOT_ENDED,      /* `status` as from wait(2) */
    BV_CAPSULE_OPERATION_ENDED, /* `status` as from wait(2) */
    BV_CAPSULE_TERMINAL,        /* `fd` is the master of the job's terminal, owned by the receiver */
    BV_CAPSULE_STOPPED,         /* the job was stopped by a SIGTSTP to the supervisor's process group */
    BV_CAPSULE_GONE,            /* the init has ended */
};

struct bv_capsule_event {
    enum bv_capsule_event_kind kind;
    int status;
    int fd;
    struct bv_error error;
};

/* Read one event; to be called when `sock` is readable. */
int bv_capsule_event(struct bv_capsule *c, struct bv_capsule_event *ret, struct bv_error *err);

/* A job's own address. The link of its private network to others is made and switched by bivouac-link(8), to which the
 * network is handed as a descriptor; the address is set from within, by the right of the capsule's owner. */
struct bv_capsule_address {
    struct bv_ip address;
    struct bv_ip gateway; /* family 0 = none */
    uint8_t mac[BV_MAC_SIZE];
};

/* The network namespace, as a descriptor. Errors: BV_EENGINE. */
int bv_capsule_open_network(const struct bv_capsule *c, struct bv_error *err);

/* Give the link's inner end, which is there, the address, and bring it up. Errors: BV_EHOST. */
int bv_capsule_set_address(const struct bv_capsule *c, const struct bv_capsule_address *a, struct bv_error *err);

/* Tell the neighbours, as soon as the link is up at both ends, that the address is here now. Errors: BV_EHOST. */
int bv_capsule_announce(const struct bv_capsule *c, const struct bv_capsule_address *a, struct bv_error *err);

/* Others have given the job's network its addresses: what it sends to these, which is to itself, is acknowledged at
 * once from now on, as it must be for a checkpoint to lose none of it. Errors: BV_EHOST. */
int bv_capsule_own_addresses(const struct bv_capsule *c, struct bv_error *err);
