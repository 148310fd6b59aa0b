/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/store.h"

/* The history of a job: one JSON object a line, appended with one write(2), synced.
 * Every event has "time" (RFC 3339 UTC), "event" (submitted, started, checkpointed, checkpoint-failed, restarted,
 * fell-back, fenced, ended …), "attempt" and "host"; further keys by event, see doc/format/events.md. */

/* Append; `fields` (may be NULL) are copied in. A line that cannot be written is an error the caller may ignore. */
int bv_event_append(const struct bv_job *j, const char *event, unsigned attempt, const json_t *fields,
                    struct bv_error *err);

/* All events, oldest first, as a new JSON array. A torn last line (crash while appending) is left out; other bad lines
 * become {"event": "unreadable"}. Limit: the last 4 MiB of the file. */
int bv_event_read(const struct bv_job *j, json_t **ret, struct bv_error *err);
