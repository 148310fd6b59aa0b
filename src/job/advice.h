/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

/* What a scheduler's watcher, a process of its own, tells the supervisor (doc/format/control.md, "Advice"). The watcher
 * reads what others have written, so that nothing it says is trusted beyond what it may ask for here. */

enum bv_advice_kind {
    BV_ADVICE_DEADLINE,   /* the job will be ended at `at_ns`; 0 = there is no limit any more */
    BV_ADVICE_STOP,       /* save the job, and end the attempt within `grace` s */
    BV_ADVICE_CHECKPOINT, /* save the job */
    BV_ADVICE_NOTE,       /* tell the user `text` */
};

#define BV_ADVICE_GRACE_MAX 604800.0 /* s: a week */

struct bv_advice {
    enum bv_advice_kind kind;
    int64_t at_ns; /* CLOCK_REALTIME */
    double grace;
    char why[64];   /* a word: letters, digits, "-", ":" */
    char text[512]; /* printable ASCII */
};

/* Errors: BV_EPROTO. */
int bv_advice_parse(const json_t *message, struct bv_advice *ret, struct bv_error *err);
