/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "proc/socket.h"

/* The TCP and UDP sockets of a tree that does not run: which of them lead out of the job. For use in the capsule. */

struct bv_connection {
    struct bv_inet_socket at;
    int udp;
    int inside; /* of a TCP connection: the tree has the other end, too */
    pid_t pid;  /* one that has it, and its descriptor */
    int fd;
};

struct bv_connections {
    struct bv_connection *socket;
    size_t count;
};
void bv_connections_free(struct bv_connections *c);
#define autoconnections __attribute__((cleanup(bv_connections_free)))

int bv_connections_scan(int procfd, pid_t root, int own_network, struct bv_connections *ret, struct bv_error *err);

/* Is it a TCP connection, and not a socket that listens or is not connected? */
int bv_connection_is_tcp(const struct bv_connection *c);

/* The first TCP connection that is inside the job, or that is not; NULL if there is none. */
const struct bv_connection *bv_connections_first(const struct bv_connections *c, int inside);

/* "network" of a manifest: `bound` and `outside` (doc/format/job.md); a new reference. */
json_t *bv_connections_json(int procfd, const struct bv_connections *c);

/* Close every TCP connection that leads out of the job: its program sees a reset, then the end of the file. Nothing is
 * said to the other side but by the kernel. Errors: BV_ERESTORE. */
int bv_connections_close(const struct bv_connections *c, struct bv_error *err);
