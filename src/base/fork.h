/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

/* fork(2), with a child that is killed when its parent dies. */
pid_t bv_fork(void);
