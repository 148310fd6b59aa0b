/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "criu.pb-c.h"
#include "engine/engine.h"

/* CRIU, spoken to by its RPC (https://criu.org/RPC) over the socket of a `criu swrk` that we start for each request and
 * that ends with it. libcriu offers the same, but keeps its options in a process-wide object, hides the pid of the
 * criu process, which we must be able to kill, and reduces every failure to -EBADE. */
extern const struct bv_engine bv_engine_criu;

/* --- private to this folder --- */

#define CRIU_LOG "criu.log" /* in the images directory */

/* A criu process serving one request. */
struct criu {
    pid_t pid;
    int sock;
    int is_done; /* it has given its last answer */
};

struct criu_spawn {
    const char *path;
    const char *const *options; /* NULL-terminated command line options */
    const char *const *command; /* and what follows them; set by the functions below */
    int images_fd;              /* set by the functions below */
    const struct bv_engine_pipe *pipes;
    size_t pipe_count;
    int inherited[16]; /* out: number each pipe's descriptor has in the criu process */
};
#define CRIU_PIPES_MAX 16

/* Tells our program that criu runs it as its action script. */
#define CRIU_HOOK_VARIABLE "BIVOUAC_CRIU_HOOK"

/* Start `criu OPTIONS swrk FD` with exactly the capabilities it may have, an empty environment and no other fds. */
int criu_spawn(struct criu_spawn *how, struct criu *ret, struct bv_error *err);

/* Kill it if it still runs, reap it, close the socket. */
void criu_end(struct criu *c);

/* What the caller wants to do at each notification; -1 refuses, which makes criu give up. `fd` is a descriptor that
 * came with it, or -1; the callee owns it. */
typedef int (*criu_notify)(void *arg, const char *script, int fd, struct bv_error *err);

/* Send the request and serve notifications until the response. *ret is freed with criu_resp__free_unpacked().
 * Errors: BV_EENGINE if criu dies or talks nonsense; what `notify` reported. A response that reports failure is success
 * here. */
int criu_call(struct criu *c, CriuReq *req, criu_notify notify, void *arg, CriuResp **ret, struct bv_error *err);

/* Turn a failed response into an error: the essence of criu's log, and the code that fits it best. Where there is no
 * log, what criu said, or else what `err` says already. */
int criu_log_error(int images_fd, enum bv_code otherwise, const char *what, const CriuResp *resp, struct bv_error *err);

/* The same for the log `name` of a criu that somebody else has started; `said` may be NULL. */
int criu_log_file_error(int dir_fd, const char *name, enum bv_code otherwise, const char *what, const char *said,
                        struct bv_error *err);

/* How long the tree was frozen, in ns, from criu's own statistics; 0 if unknown. */
int64_t criu_frozen_ns(int images_fd);

/* As criu_spawn(), but a whole `criu dump` that calls us back through an action script, which is our own program: criu
 * cannot stream when it is driven by RPC. Its `sock` is of no use. */
int criu_spawn_streaming(struct criu_spawn *how, const struct bv_engine_dump *d, struct criu *ret,
                         struct bv_error *err);

/* The whole of a dump that streams. */
int criu_dump_streaming(struct bv_engine_dump *d, struct criu_spawn *how, struct bv_error *err);

/* The action script. -1 = we are not called as one. */
int criu_hook_main(void);

int criu_stream_open(int images_fd, struct bv_engine_stream **ret, struct bv_error *err);
int criu_stream_fd(const struct bv_engine_stream *s);
int criu_stream_next(struct bv_engine_stream *s, struct bv_engine_image *ret, struct bv_error *err);
void criu_stream_close(struct bv_engine_stream *s);

int criu_probe(struct bv_engine_info *ret, struct bv_error *err);
int criu_dump(struct bv_engine_dump *d, struct bv_error *err);
int criu_is_bulk(const char *image);
int criu_leave_zeros(const struct bv_engine_thin *how, struct bv_error *err);
int criu_restore(const struct bv_engine_restore *r, struct bv_error *err);
int criu_compare(int images_fd, struct bv_engine_compared *ret, struct bv_error *err);
