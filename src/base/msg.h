/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

/* Messages between Bivouac's own processes: one JSON object per datagram of a SOCK_SEQPACKET socket, so that a message
 * arrives whole or not at all, with up to BV_MSG_FDS descriptors. The same framing serves the control socket that
 * clients speak (doc/format/control.md). */

#define BV_MSG_MAX                                                                                                     \
    (128 << 10) /* bytes of one message: below the default socket buffer; what is longer travels as a file */
#define BV_MSG_FDS 8

/* Send one message; `fds` may be NULL. Fails with BV_EPROTO if it is too long, BV_ETIMEOUT if the peer does not read
 * until the deadline, BV_EINTERNAL else. */
int bv_msg_send(int sock, const json_t *msg, const int *fds, int fd_count, struct bv_deadline deadline,
                struct bv_error *err);

struct bv_msg {
    json_t *body; /* an object */
    int fds[BV_MSG_FDS];
    int fd_count;
};

/* Receive one message into `ret`, which bv_msg_free() releases with every descriptor still in it (set to -1 what was
 * taken). Returns 1 for a message, 0 for an orderly end of the peer, -1 with BV_ETIMEOUT, BV_EPROTO (too long, not a
 * JSON object, descriptors lost) or BV_EINTERNAL. */
int bv_msg_recv(int sock, struct bv_msg *ret, struct bv_deadline deadline, struct bv_error *err);
void bv_msg_free(struct bv_msg *msg);
#define automsg __attribute__((cleanup(bv_msg_free)))

/* Take descriptor `i` out of the message, or -1 if it has none there. */
int bv_msg_take_fd(struct bv_msg *msg, int i);
