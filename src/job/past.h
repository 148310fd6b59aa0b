/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/json.h"
#include "policy/cost.h"

/* What the attempts before have left for the policy of the next one. Derived from the history, in which any line may be
 * missing, torn, or made up: what makes no sense is left out. */

struct bv_past {
    struct bv_costs costs; /* of the newest checkpoints */
    double run_s;          /* that the attempts before have run, together */
    int no_progress;       /* the attempt before has made none */
};

/* `events` is what bv_event_read() returns; `attempt` the number of the one that begins. */
struct bv_past bv_past_read(const json_t *events, unsigned attempt);

#define BV_EVENT_KEPT "connections-kept"

/* Has an attempt before this one gone on with the connections of this generation? Then the other sides have gone on,
 * too. A generation that was imported brings the events of the job it was made of. */
int bv_past_has_kept(const json_t *events, unsigned generation, unsigned attempt);
