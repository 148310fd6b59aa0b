/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/json.h"
#include "engine/runtime/runtime.h"

/* The parts of the engine `docker`, private to it. */

/* --- docker_command.c --- */

#define DOCKER_LABEL "org.bivouac.job" /* of a container that is a job's: its directory on this host */

struct docker_command {
    char *socket;   /* where dockerd listens */
    char *name;     /* of the container, NULL = dockerd makes one up */
    size_t volumes; /* how many places -v names */
    json_t *create; /* what dockerd is asked to create */
};

/* Take "docker [-H unix://PATH] run OPTION... IMAGE [COMMAND...]" apart. `ret` is to be zero, and freed in any case.
 * Errors: BV_EUSAGE, with what to do. */
int docker_parse(const struct bv_engine_container *c, struct docker_command *ret, struct bv_error *err);
void docker_command_free(struct docker_command *d);
#define autodocker __attribute__((cleanup(docker_command_free)))

/* --- dockerd.c --- */

/* One request of dockerd's API (https://docs.docker.com/reference/api/engine/), which is spoken to as the docker
 * program does it. `body` and `ret` may be NULL; *ret is the answer, NULL if it has none. `timeout` in seconds, 0 =
 * whoever has started us has a deadline. Errors: BV_ENOENGINE (nobody listens), BV_ETIMEOUT, BV_EPROTO, BV_ENOJOB
 * (there is no such container or image), BV_EENGINE (dockerd refuses, and says why). */
int dockerd_call(const char *socket, const char *method, const char *path, const json_t *body, double timeout,
                 json_t **ret, struct bv_error *err);

/* The stream of all that a container will write. Returns a descriptor, or -1 as above. */
int dockerd_attach(const char *socket, const char *id, struct bv_error *err);

/* --- docker_output.c --- */

#define DOCKER_NONCE 32 /* hexadecimal digits */

/* Start the process that copies a container's output from `stream` to our standard files, until there is no more, and
 * ends then with the container's exit status. It keeps nothing else open. Its pid, or -1. */
pid_t docker_output_start(const char *socket, const char *id, int stream, const char *dir, struct bv_error *err);

/* While the container of which `root` is the first process is frozen: wait until all that it has written has come out.
 * Errors: BV_ETIMEOUT (somebody does not read), BV_EENGINE. */
int docker_output_flush(pid_t root, const char *dir, struct bv_error *err);

/* Remove what the two have in `dir`. */
void docker_output_forget(const char *dir);
