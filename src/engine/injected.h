/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CRIU has a process make system calls by writing the instruction over the begin of its first executable mapping, and
 * puts the old bytes back behind it (compel/src/lib/infect.c, compel_execute_syscall; criu/parasite-syscall.c,
 * get_exec_start). It does so once more when the pages of the process are on their way already: into a file they have
 * been copied by then, but in the pipe of a stream they are the process's own pages until we read them. So an image may
 * have what was injected in the place of code: eight bytes, at the begin of a page. */

#define BV_INJECTED_SIZE 8

/* Are these BV_INJECTED_SIZE bytes what CRIU writes there? */
int bv_is_injected(const void *bytes);
