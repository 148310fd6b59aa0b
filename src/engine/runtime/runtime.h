/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "engine/engine.h"

/* Containers, by the checkpoint verbs of the runtimes that run them. They use CRIU, as root, in ways of their own; what
 * is ours is the freezer around: the container is frozen before the runtime dumps it, stays so behind the dump, and
 * runs on when its files are captured, or is killed when the checkpoint is committed. */
extern const struct bv_engine bv_engine_runc;
extern const struct bv_engine bv_engine_crun;
extern const struct bv_engine bv_engine_podman;
extern const struct bv_engine bv_engine_docker;

/* Is this the command of a runtime that runs a container (RUNTIME [OPTION]... run ...)? */
int runtime_is_run(char *const *argv);

/* --- private to this folder --- */

#define RUNTIME_VERB_TIMEOUT 60 /* s, for what is done in an instant */

/* --- run.c --- */

struct runtime_run {
    const char *const *argv; /* NULL-terminated */
    const char *cwd;
    double timeout; /* s, 0 = whoever has started us has a deadline */
    char *said;     /* where to put the end of what it says; NULL = it has our own standard files */
    size_t said_room;
    int own_mounts; /* what it mounts is seen by nobody else, and goes with it */
};

/* Run a program to its end. *ret_status as from wait(2). Errors: BV_ENOENGINE (it cannot be run), BV_ETIMEOUT (it was
 * killed), BV_EINTERNAL. */
int runtime_run(const struct runtime_run *r, int *ret_status, struct bv_error *err);

/* --- cgroup.c --- */

/* Is the host's control group file system the unified one? Errors: BV_EHOST. */
int runtime_check_cgroups(struct bv_error *err);

/* Freeze the control group of process `root`, and wait until all of it is. Errors: BV_EBLOCKED (it is not the
 * container's alone), BV_EENGINE. */
int runtime_freeze(pid_t root, struct bv_error *err);
int runtime_is_frozen(pid_t root);
int runtime_thaw(pid_t root, struct bv_error *err);

/* --- command.c --- */

/* A runtime's option, before or behind the verb "run". A table of them ends with a NULL name. */
struct runtime_option {
    const char *name; /* "--bundle" */
    char brief;       /* 'b', 0 = none */
    int has_value;
    const char *refused; /* why it cannot be used with Bivouac, and what to do; NULL = it can */
    const void *more;    /* for take() */
};

/* How the command line of a runtime is read: --NAME VALUE, --NAME=VALUE, -n VALUE, -nVALUE, -n=VALUE; several flags in
 * one word, -ab, the last of which may have a value. */
struct runtime_syntax {
    const struct runtime_option *global, *own; /* before and behind the verb */
    int briefs_alone;                          /* -n VALUE only */
    int has_end;                               /* "--" ends the options; else it is none that is known */

    /* For each option in its turn, if not NULL. `value` is NULL for a flag, unless it was given one; it is borrowed of
     * the command line. Errors: as it likes; they end the scan. */
    int (*take)(const struct runtime_option *o, const char *value, void *arg, struct bv_error *err);
    void *arg;
};

struct runtime_command {
    size_t verb; /* argv[verb] is "run" */
    size_t end;  /* behind its options: "--", or what to run */
};

/* Take `argv` apart. Errors: BV_EUSAGE, with what to do, and those of take(). */
int runtime_parse(char *const *argv, const struct runtime_syntax *s, struct runtime_command *ret, struct bv_error *err);

/* --- verbs.c --- */

/* Can a container be checkpointed from outside, here and by us? Errors: BV_EDENIED, BV_EHOST. */
int runtime_check_host(struct bv_error *err);

/* The absolute path of an open directory; allocated. Errors: BV_ESTORE. */
int runtime_name_directory(int fd, char **ret, struct bv_error *err);

/* That of the images, and of a directory for logs beside it, which is made. Errors: also BV_ENOSPACE. */
int runtime_name_directories(int images_fd, char **ret_images, char **ret_work, struct bv_error *err);

/* Does the program `name` tell its version, and is there a criu? Errors: BV_ENOENGINE. */
int runtime_probe(const char *name, struct bv_engine_info *ret, struct bv_error *err);

/* Run a verb, of which what it says is only told when it fails, as an error of this code. Errors: as runtime_run(). */
int runtime_call(const char *const *words, const char *cwd, double timeout, const char *what, enum bv_code code,
                 struct bv_error *err);

/* CRIU has more to say than the runtime: let its `log` in directory `work` explain an error of this code. Returns -1.
 */
int runtime_explain(const char *work, const char *log, enum bv_code code, const char *what, struct bv_error *err);

/* Is there no other interface than lo? Then both ends of each connection are in the container. */
int runtime_is_alone_in_network(pid_t root);

/* As bv_engine.thaw(), where the container's first process is noted. */
int runtime_thaw_noted(const struct bv_engine_container *c, struct bv_error *err);

/* Dump a container that is frozen, and leave it so. */
typedef int runtime_dump_frozen(struct bv_engine_dump *d, const void *arg, struct bv_error *err);

/* Let a container that stands still be dumped, and its files be captured; then stop its processes, if they are not to
 * run when it is let go. Errors: also those of `how`, and BV_EENGINE (it ran on meanwhile). */
int runtime_dump_held(struct bv_engine_dump *d, runtime_dump_frozen *how, const void *arg, struct bv_error *err);

/* What bv_engine.dump() is to do, with the verb `how` for the dump itself: that, in a freeze of ours. */
int runtime_dump(struct bv_engine_dump *d, runtime_dump_frozen *how, const void *arg, struct bv_error *err);

/* --- podman_options.c --- */

/* Take `podman run ...` apart. Errors: BV_EUSAGE. */
int podman_parse(char *const *argv, struct runtime_command *ret, struct bv_error *err);

/* --- podman_conmon.c --- */

/* Podman's monitor gives the container its own standard files, and podman says things to those that it gives to the
 * monitor. So our program stands in for the monitor: it takes the standard files of the process that has called
 * podman_conmon_prepare(), runs the real one with them, and leaves in `dir` the pid of what stays of that, as
 * BV_CONTAINER_WAIT. *ret is for podman's option --conmon; allocated. Errors: BV_EINTERNAL. */
int podman_conmon_prepare(const char *dir, const char *real, char **ret, struct bv_error *err);
void podman_conmon_remove(const char *dir);

/* As bv_engine_hook_main(). */
int podman_hook_main(char *const *argv);
