/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"

/* In the place of the way to other hosts while a tree is restored: every address is this host's own, so that it can be
 * bound and connected to, and no packet gets anywhere. In the network of the calling process, which must be the job's
 * own. */
int bv_standin_open(struct bv_error *err);

/* Undo it. */
int bv_standin_close(struct bv_error *err);

/* While sockets are restored, in such a network: let nothing get even to the loopback, where there may be nobody yet,
 * who would answer by a reset. What the engine gives a socket that was not sent before, is sent at once. -1 with errno:
 * nothing has changed. */
int bv_standin_silence(int on);
