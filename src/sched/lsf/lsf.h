/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/sched.h"

/* IBM Spectrum LSF 10.1, and OpenLava, which has the same interfaces for checkpoints.
 *
 * Ids: job 103 is lsf-103, element 3 of the array 77 is lsf-77[3]. A restart gets another number from LSF and keeps the
 * first one with us: the checkpoint directory knows it (place.h). */
extern const struct bv_sched bv_sched_lsf;
