/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job/supervisor.h"

/* Run the supervisor and end as the job did: its exit status is ours, and its deadly signal too. Used by run and
 * restart. */
int cmd_supervise(const struct bv_supervise_options *o);
