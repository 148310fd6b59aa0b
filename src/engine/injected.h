/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CRIU has a process make system calls by writing the instruction over the begin of its first executable mapping, and
 * puts the old bytes back behind it (compel/src/lib/infect.c, compel_execute_syscall; criu/parasite-syscall.c,
 * get_exec_start). It does so once more when the pages of the process are on their way already: into a file they have
 * been copied by then, but in the pipe of a stream they are the process's own pages until we read them. So an image may
 * have what was injected in the place of code: eight bytes, at the begin of a page. */

#define BV_INJECTED_SIZE 8

/* Is `now` what `right` becomes when it is read while CRIU writes there? Both have BV_INJECTED_SIZE bytes. Neither the
 * one nor the other does it in one step, so that any of the bytes may be CRIU's; 0 also if they are the same. */
int bv_is_injected(const void *now, const void *right);
