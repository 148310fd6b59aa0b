/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* bivouac checkpoint --all: every running job of the user on this host, or as root of every user, all at the same time.
 * `leave` and `reason` as in a request; `timeout` in s, 0 = an hour. Returns the exit status: 0, or the code of the
 * first failure. */
int cmd_checkpoint_all(const char *leave, const char *reason, double timeout, int json);
