/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a container that we are in has been denied, as far as Bivouac minds. */

/* Is a filter of system calls in force for this process? Every job inherits it, and no engine without privilege can
 * suspend it. */
int bv_is_filtered(void);

/* Are parts of /proc covered by other mounts? The kernel then refuses a fresh one in a user namespace. */
int bv_is_proc_covered(void);

/* A number of /proc/sys, -1 if there is none. */
long bv_sysctl(const char *path);

/* What to do about a filter. A sentence without its full stop. */
#define BV_REMEDY_FILTER                                                                                               \
    "start the container without its filter of system calls (podman, docker: --security-opt seccomp=unconfined), a "   \
    "service without SystemCallFilter"
