/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/range.h"

/* An engine takes the state of a process tree and puts it back. Its functions run inside the capsule, in a process of
 * their own that the caller kills when a deadline passes: an engine may hang, it must not leave the tree half done. */

#define BV_ENGINE_API 1

/* What an engine declares to be able to do. */
enum bv_engine_capability {
    BV_ENGINE_LEAVE_RUNNING = 1 << 0, /* the tree may go on after a dump */
    BV_ENGINE_ROOTLESS = 1 << 1,      /* works in a user namespace of the job's own */
    BV_ENGINE_FROZEN_HOOK = 1 << 2,   /* calls back while the tree is frozen and the images are complete */
    BV_ENGINE_TCP = 1 << 3,           /* keeps TCP connections inside a private network */
    BV_ENGINE_TTY = 1 << 4,           /* keeps a terminal whose master is Bivouac's */
    BV_ENGINE_STREAM = 1 << 5,        /* can hand its images over through pipes while it dumps */
    BV_ENGINE_CONTAINER = 1 << 6,     /* the tree is a container that a runtime has started, see below */
    BV_ENGINE_ROOTFS = 1 << 7,        /* the images hold what a container has changed in its root file system */
    BV_ENGINE_SHELL_STATUS = 1 << 8,  /* a container's death by a signal is told as exit status 128 + its number */
};

/* A container, for an engine with BV_ENGINE_CONTAINER: it is not in a capsule's namespaces, and neither is the engine.
 * When the engine has started or restored it, there is in `dir`: BV_CONTAINER_PID, which has the pid of its first
 * process, and where this one is nobody's child, BV_CONTAINER_WAIT, with that of a process which ends with it. */
struct bv_engine_container {
    char *const *argv; /* the user's command, RUNTIME run ...; NULL-terminated */
    const char *cwd;
    const char *dir; /* of this job, on this host, the user's own */
};

enum bv_leave {
    BV_LEAVE_RUNNING,
    BV_LEAVE_STOPPED, /* every process got SIGSTOP */
    BV_LEAVE_DEAD,    /* killed, after `frozen` returned 0 */
};

/* What becomes of TCP connections, all of them. Both sides of a checkpoint must be told the same. */
enum bv_connections_fate {
    BV_CONNECTIONS_REFUSE, /* a dump fails while there is one */
    BV_CONNECTIONS_KEEP,   /* they are restored; only sound in a network of the tree's own */
    BV_CONNECTIONS_CLOSE,  /* the restored tree finds them closed */
};

/* One end of a pipe or socket that is not part of the tree: at a restore the tree gets descriptor `fd` for what had
 * inode `ino` when it was dumped. */
struct bv_engine_pipe {
    uint64_t ino;
    int fd;
};

struct bv_engine_dump {
    pid_t root;
    const struct bv_engine_container *container; /* with BV_ENGINE_CONTAINER */
    int stream;    /* images go to the stream that was opened on `images_fd`, not into files */
    int images_fd; /* empty directory for the engine's files */
    enum bv_leave leave;
    enum bv_connections_fate connections;
    int tty; /* the tree's terminal has its master outside */
    /* Called while the tree is frozen and all images are written. -1: the dump fails and the tree runs on, whatever
     * `leave` says. May be NULL. */
    int (*frozen)(void *arg, struct bv_error *err);
    void *arg;
    int64_t frozen_ns; /* out: how long the tree stood still, 0 if the engine does not know */
    int died;          /* out, of a dump that failed: the engine did not let go of the tree, which may be damaged */
};

struct bv_engine_restore {
    pid_t root;                                  /* expected pid of the tree's root */
    const struct bv_engine_container *container; /* with BV_ENGINE_CONTAINER; it gets our own standard files */
    int images_fd;
    enum bv_connections_fate connections;
    int any_cpu; /* do not look whether the CPU has all that the other had: the caller knows what the tree uses */
    int stopped; /* leave every process stopped before its first instruction: nothing of the tree runs */
    const struct bv_engine_pipe *pipes;
    size_t pipe_count;
    /* Called with the new master of the tree's terminal, which the callee owns. NULL if it has none. */
    void (*terminal)(void *arg, int master_fd);
    /* Called when the engine has looked what the host can, and restores nothing yet. May be NULL, as the next two. */
    int (*begins)(void *arg, struct bv_error *err);
    /* Called when the whole tree is restored and has not run yet. -1: the tree is killed. */
    int (*restored)(void *arg, struct bv_error *err);
    /* The same, but everything is as it will run, and held by the engine. */
    int (*held)(void *arg, struct bv_error *err);
    void *arg;
};

/* Images of which zeros can be left out. */
struct bv_engine_thin {
    int images_fd; /* all images but the bulk */
    /* Where image `name` is zeros; borrowed. NULL = there is no such image. */
    const struct bv_ranges *(*zeros)(void *arg, const char *name);
    /* These bytes, which are zeros, must not be in image `name`; they become the callee's. At most once for each. */
    void (*cut)(void *arg, const char *name, struct bv_ranges *cuts);
    void *arg;
};

/* What of a restored and stopped tree was found to be as its images say. */
struct bv_engine_compared {
    uint64_t processes, threads;
    uint64_t pages; /* of private memory, each compared byte by byte */
};

/* Images on their way from an engine, received by a process that need not be in the capsule. */
struct bv_engine_stream;

struct bv_engine_image {
    char name[256]; /* a plain file name */
    int pipe;       /* its bytes, until end of file; owned by the receiver */
    int early;      /* it is begun before the tree is frozen; the first that is not, right after that */
};

struct bv_engine_info {
    char version[64];
    char path[4096];
};

struct bv_engine {
    size_t struct_size;
    unsigned api; /* BV_ENGINE_API */
    const char *name;
    unsigned capabilities;

    /* Find the engine's program and see whether it is new enough. Cheap; runs anywhere.
     * Errors: BV_ENOENGINE with what to do. */
    int (*probe)(struct bv_engine_info *ret, struct bv_error *err);

    /* Errors: BV_ENOENGINE, BV_EENGINE (with the tail of the engine's log), BV_ENOSPACE, or what `frozen` reported. */
    int (*dump)(struct bv_engine_dump *d, struct bv_error *err);

    /* With BV_ENGINE_STREAM. Open the receiving side in the images directory, before the dump begins. */
    int (*stream_open)(int images_fd, struct bv_engine_stream **ret, struct bv_error *err);
    /* What to poll for the next image; -1 when no more can come. */
    int (*stream_fd)(const struct bv_engine_stream *s);
    /* Receive what `stream_fd` has announced: 1 = an image begins, 0 = nothing yet, or no more.
     * Errors: BV_EPROTO if the engine talks nonsense. */
    int (*stream_next)(struct bv_engine_stream *s, struct bv_engine_image *ret, struct bv_error *err);
    void (*stream_close)(struct bv_engine_stream *s);

    /* May be NULL, both. Is this an image of memory only, which the others describe? */
    int (*is_bulk)(const char *image);
    /* Before a restore, with the bulk still missing: change the other images so that zeros need not be restored which
     * are there by themselves. Images that cannot be understood are left alone. Errors: BV_ESTORE, BV_ENOSPACE. */
    int (*leave_zeros)(const struct bv_engine_thin *how, struct bv_error *err);

    /* Restore the tree. Its root becomes a child of the calling process or of the capsule's init.
     * Errors: BV_ENOENGINE, BV_ERESTORE (with the tail of the log), BV_ECHANGED, BV_EHOST, or what `restored` said. */
    int (*restore)(const struct bv_engine_restore *r, struct bv_error *err);

    /* Compare a tree that is held, or stopped and has not run, with the images: processes, threads, and all of
     * their private memory that the images hold. In the tree's own pid namespace.
     * Errors: BV_ERESTORE (what is different, and where), BV_ECORRUPT. */
    int (*compare)(int images_fd, struct bv_engine_compared *ret, struct bv_error *err);

    /* With BV_ENGINE_CONTAINER, all of these. */
    /* Can this command be run here and be checkpointed? Errors, one sentence with what to do: BV_EUSAGE, BV_EHOST,
     * BV_EDENIED, BV_ENODIR, BV_ENOENGINE. */
    int (*check)(const struct bv_engine_container *c, struct bv_error *err);
    /* Start it, with our own standard files. Errors: BV_ENOENGINE, BV_ENOEXEC (the runtime has said why). */
    int (*start)(const struct bv_engine_container *c, struct bv_error *err);
    /* Let it run, if a dump that was killed has left it frozen. */
    int (*thaw)(const struct bv_engine_container *c, struct bv_error *err);
    /* Kill it if it is the one of `dir`, and let the runtime forget it. Nothing to do is success. */
    int (*remove)(const struct bv_engine_container *c, struct bv_error *err);
};

#define BV_CONTAINER_PID  "pid"
#define BV_CONTAINER_WAIT "wait"

/* An engine may run Bivouac's own program again as a hook of its. To be called first by main(): -1 = this is no hook,
 * else the exit status. */
int bv_engine_hook_main(char *const *argv);

/* The engine called `name`, NULL = the default one. Errors: BV_EUSAGE. Static. */
const struct bv_engine *bv_engine_find(const char *name, struct bv_error *err);

/* The engine whose containers this command starts, NULL if it starts none. Static. */
const struct bv_engine *bv_engine_of_command(char *const *argv);
