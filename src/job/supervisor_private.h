/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "capsule/outside.h"
#include "capsule/relay.h"
#include "capsule/terminal.h"
#include "engine/engine.h"
#include "job/operation.h"
#include "job/retain.h"
#include "job/supervisor.h"
#include "job/writer.h"
#include "policy/policy.h"
#include "store/attempt.h"
#include "store/counter.h"
#include "store/event.h"
#include "store/generation.h"

/* Shared between supervisor*.c, checkpoint.c, restart.c and control.c only. */

#define CHECKPOINT_TIMEOUT                                                                                             \
    3600 /* s, where the request names none: days of work hang on it, a hang must end all the same */
#define RESTORE_TIMEOUT     300 /* s, and as long as reading the images takes from a very slow disk */
#define RESTORE_BYTES_PER_S (32 << 20)
#define OPERATION_GRACE     5 /* s that an operation has to end after a refusal */
#define CLIENTS_MAX         16
#define IN_FLIGHT_MAX       (1 << 20)

enum checkpoint_state {
    CHECKPOINT_NONE,
    CHECKPOINT_PREPARING, /* the writer gets its staging memory */
    CHECKPOINT_DUMPING,   /* the operation works in the capsule */
    CHECKPOINT_WRITING,   /* the writer works */
    CHECKPOINT_VERIFYING, /* it is committed, and read once more before the job is ended */
    CHECKPOINT_ENDING,    /* it is committed; the next could not begin before the operation has ended */
};

struct checkpoint {
    enum checkpoint_state state;
    enum bv_leave leave;
    unsigned generation, base; /* the one in which its pages are looked for, 0 = none */
    struct bv_deadline deadline;
    int64_t begun_ns, dump_ns, frozen_ns, total_ns;
    int staging;
    int op_sock;
    int streams; /* the engine's images come through pipes */
    int went;    /* the engine was told to let the tree go */
    struct bv_writer writer;
    uint64_t memory;      /* of the tree when it began */
    int by_policy;        /* nobody waits for it: what goes wrong is told to the user */
    int tell;             /* ... also then, although somebody waits */
    int verify;           /* before the job is ended */
    int refuted;          /* it does not verify */
    int64_t verify_ns;    /* when that began */
    const char *verified; /* "all", "index" or "no" */
    json_t *written;      /* what the writer has said */
    json_t *content;      /* of the manifest, being collected */
    json_t *findings;     /* of the preflight */
    char reason[64];
};

struct policy_last {
    unsigned generation; /* 0 = none in this attempt */
    int64_t at_ns;       /* realtime */
    double frozen_s, total_s;
    char why[64];
};

struct policy {
    struct bv_policy policy;
    int64_t ask_ns; /* monotonic: when it is to be asked again */
    int advice;     /* -1 = none */
    int64_t deaf_until_ns;
    unsigned bad_advice;
    struct policy_last last;
    unsigned made;   /* checkpoints of this attempt */
    double cpu_base; /* s that the tree had used when it began to run */
    int no_progress_before, restore_failed, stopped_early, interrupted;
};

struct usage {
    uint64_t memory; /* bytes, resident, of all processes together */
    double cpu_s;    /* of all processes, and of those that have ended */
};

/* To other hosts, of a job that has an address of its own. */
struct link {
    int wanted, is_up;
    int was_up; /* in this attempt: until then there may be nothing behind it that could answer but by a reset */
    struct bv_capsule_address address;
};

struct client {
    int fd;      /* -1 = free */
    int waiting; /* for the checkpoint's end */
};

struct supervisor {
    const struct bv_supervise_options *options;
    struct bv_store store;
    struct bv_job job;
    struct bv_spec spec;
    const struct bv_engine *engine;
    struct bv_engine_info engine_info;
    struct bv_host host;
    char *cpu_flags;
    struct bv_attempt attempt;
    struct bv_retention retention;
    char *relocated; /* where the job's directory really is, NULL = where it says */
    struct bv_bind *binds;
    size_t bind_count;

    struct bv_command command;
    struct bv_stdio stdio;
    struct bv_relay *relay[3];
    uint64_t *delivered;
    int stdin_eof;
    struct bv_terminal terminal;
    int master; /* of the job's terminal, -1 = none */

    struct bv_engine_container container; /* of an engine for such; dir NULL = none */
    struct bv_capsule_container capsule_container;
    char *container_dir;
    struct bv_operation operation;
    struct bv_capsule_config config;
    struct bv_capsule capsule;
    struct link link;
    pid_t root; /* as the capsule numbers it */
    struct bv_carrier outside;

    int signals, listener;
    char socket_path[108];
    struct client client[CLIENTS_MAX];
    int64_t claimed_ns, renew_at_ns, lease_until_ns;

    unsigned base; /* the generation this attempt has restored or written last: known to be good, and near; 0 = none */
    unsigned damaged_first, damaged_last; /* newer ones, which the restart had to leave out; 0 = none */
    uint64_t shared_stored;               /* bytes that the last checkpoint added which had a base; 0 = not known */
    struct checkpoint checkpoint;
    int operating;                     /* an operation lives in the capsule */
    struct bv_deadline abort_deadline; /* when it is killed */
    int left_stopped;                  /* by the last checkpoint, or because we were to stop */
    int stop_wanted;                   /* when the operation has ended */
    int run_wanted;                    /* likewise; comes first */
    struct policy policy;
    struct bv_deadline thaw_deadline; /* when it is tried again to let a container run on */
    int engine_died;                  /* in the middle of a dump: the tree may be damaged */

    pid_t end_group; /* killed behind a checkpoint that ends the job, 0 = none */

    int ended;   /* the loop is over */
    int hurried; /* and a signal has come since */
    struct bv_outcome outcome;
    struct bv_error failure; /* code != 0: the attempt ends with this error */
};

/* --- supervisor.c --- */
void supervisor_end(struct supervisor *s, enum bv_ending how, int number);
void supervisor_fail(struct supervisor *s, const struct bv_error *e);
struct bv_retainer supervisor_retainer(struct supervisor *s);
/* Pid of the job's root as we see it, 0 if it is not to be found. */
pid_t supervisor_root_pid(const struct supervisor *s);

/* --- supervisor_container.c --- */
/* Choose the engine by its name, and see whether it is able to what the job needs, before anything is made or started.
 */
int container_choose_engine(struct supervisor *s, const struct bv_spec *spec, struct bv_error *err);
/* What an engine for containers needs, and the capsule. Nothing to do for other engines. */
int container_prepare(struct supervisor *s, struct bv_error *err);
/* The signal that an exit status stands for, where the container's runtime tells it so; else 0. */
int container_signal(const struct supervisor *s, int exit_status);
pid_t container_root(const struct supervisor *s); /* 0 if there is none */
/* Let it run on, if a dump has left it standing still; tried again every few seconds until that has worked. */
void container_thaw(struct supervisor *s);
void container_free(struct supervisor *s);
int supervisor_has_container(const struct supervisor *s);

/* --- usage.c --- */
int supervisor_usage(const struct supervisor *s, struct usage *ret); /* -1 if there is no tree */

/* --- policy_driver.c --- */
void policy_open(struct supervisor *s); /* when the attempt is claimed */
void policy_close(struct supervisor *s);
void policy_started(struct supervisor *s); /* the job runs */
void policy_begun(struct supervisor *s);   /* a checkpoint, whoever has asked for it */
void policy_committed(struct supervisor *s);
void policy_failed(struct supervisor *s);
void policy_order(struct supervisor *s, const char *why); /* a checkpoint, soon */
void policy_suspended(struct supervisor *s);              /* or not any more: left_stopped has changed */
void policy_run(struct supervisor *s);                    /* when anything has happened, or policy_wake_ns() has come */
int64_t policy_wake_ns(const struct supervisor *s);       /* INT64_MAX = never */
int policy_advice_fd(const struct supervisor *s);         /* what to poll, -1 = nothing */
void policy_on_advice(struct supervisor *s);
int policy_signal(struct supervisor *s, int number); /* 0 = it is the job's */
enum policy_early { POLICY_EARLY_PASS, POLICY_EARLY_IGNORE, POLICY_EARLY_STOP };
enum policy_early policy_signal_early(struct supervisor *s, int number); /* before the job runs */
void policy_conclude(struct supervisor *s); /* the attempt has ended; may make a failure of it */
json_t *policy_status_last(const struct supervisor *s);
json_t *policy_status_next(const struct supervisor *s);

/* --- supervisor_io.c --- */
int supervisor_stdio_new(struct supervisor *s, struct bv_error *err);
int supervisor_stdio_restored(struct supervisor *s, const json_t *content, struct bv_error *err);
void supervisor_stdio_connect(struct supervisor *s);
void supervisor_terminal(struct supervisor *s, int master);
json_t *supervisor_stdio_json(struct supervisor *s, struct bv_error *err); /* at a freeze; NULL on failure */
void supervisor_drain(struct supervisor *s); /* after the job's end: carry over what is left */
void supervisor_stdio_free(struct supervisor *s);

/* --- supervisor_loop.c --- */
void supervisor_loop(struct supervisor *s);
/* Renew the lease, if it is time. Who is fenced fails, unless he has ended. */
void supervisor_renew(struct supervisor *s);
/* Behind the job's end: wait until `ret` is ready, and keep the lease. 0, or -1 if somebody wants us to end first. */
int supervisor_linger(struct supervisor *s, struct pollfd *ret);
/* Wait for the operation's next message while serving relays; 1 message, 0 it ended, -1 deadline or the capsule died.
 */
int supervisor_await(struct supervisor *s, int sock, struct bv_deadline deadline, struct bv_msg *ret,
                     struct bv_error *err);

/* --- checkpoint.c --- */
int checkpoint_begin(struct supervisor *s, enum bv_leave leave, double timeout, const char *reason,
                     struct bv_error *err);
void checkpoint_on_operation(struct supervisor *s);
void checkpoint_on_writer(struct supervisor *s);
void checkpoint_on_deadline(struct supervisor *s);
void checkpoint_on_operation_ended(struct supervisor *s);
void checkpoint_fail(struct supervisor *s, const struct bv_error *e);
int checkpoint_operation_sock(const struct supervisor *s); /* what to poll, -1 = nothing */
int checkpoint_writer_sock(const struct supervisor *s);

/* --- restart.c --- */
struct restart {
    unsigned generation; /* 0 = there is none: start the command */
    int staging;
    uint64_t bytes; /* of its streams, unpacked */
    json_t *content;
    struct bv_error newer; /* code != 0: there are newer ones, and this is why the newest is not used */
};
int restart_choose(struct supervisor *s, struct restart *ret, struct bv_error *err);
int restart_run(struct supervisor *s, const struct restart *r, struct bv_error *err);
void restart_free(struct supervisor *s, struct restart *r);

/* --- link.c: nothing to do for a job without an address of its own --- */
int link_check(struct supervisor *s, struct bv_error *err); /* may we have it here? Before anything is touched */
int link_probe(struct supervisor *s, struct bv_error *err); /* is the address free? When no other attempt can have it */
int link_make(struct supervisor *s, struct bv_error *err);  /* of the new capsule, with the address; down */
int link_up(struct supervisor *s, struct bv_error *err);    /* and its neighbours are told */
int link_down(struct supervisor *s, struct bv_error *err);
size_t link_leaving(const struct supervisor *s); /* connections that would be cut off before they have said all */
/* Of a capsule that is about to end: else a connection whose end the other side does not confirm keeps it for minutes.
 */
void link_remove(struct supervisor *s);
/* Of a job that is over, whose last words may arrive before; not those of one that is another's now. */
void link_end(struct supervisor *s);
void link_go_on(struct supervisor *s); /* up, if the tree runs on; what fails is told to the user */

/* --- supervisor_network.c --- */
int network_check(struct supervisor *s, struct bv_error *err); /* before anything begins */
int network_check_ports(const struct supervisor *s, const struct restart *r, struct bv_error *err);
int network_attach(struct supervisor *s, struct bv_error *err); /* when the tree is there, and has not run */
void network_on_ended(struct supervisor *s);                    /* the program that carries its connections */
/* The same of a restored tree, whose connections may go on: once. */
int network_resume(struct supervisor *s, const struct restart *r, struct bv_error *err);
/* Are connections to outside closed when the job goes on from this? */
int network_closes(const struct supervisor *s, const struct restart *r);
void network_note_closed(struct supervisor *s, const struct restart *r);

/* --- supervisor_note.c: the lines of the history that have figures --- */
void note_submitted(const struct supervisor *s);
void note_started(const struct supervisor *s, const struct restart *r);
void note_checkpointed(const struct supervisor *s, const json_t *result);
void note_ended(const struct supervisor *s, const json_t *outcome);

/* --- control.c --- */
int control_open(struct supervisor *s, struct bv_error *err);
void control_close(struct supervisor *s);
void control_accept(struct supervisor *s);
void control_serve(struct supervisor *s, struct client *c);
/* Tell every client that waits. `e` NULL = the checkpoint is committed, `result` says what. */
void control_answer(struct supervisor *s, const json_t *result, const struct bv_error *e);
void control_progress(struct supervisor *s, const char *phase);
