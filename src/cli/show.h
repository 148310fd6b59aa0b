/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/store.h"

/* `bivouac show JOB@GENERATION`: print what is in one checkpoint. */
int show_generation(const struct bv_job *job, unsigned generation, int json, struct bv_error *err);
