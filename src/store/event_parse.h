/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/json.h"

/* The lines of events.jsonl, from memory. Private to src/store. */

#define BV_EVENTS_MAX (4 << 20) /* bytes of the file's end that are looked at: some 20,000 events */

/* A new array. With `cut` the text begins somewhere in a line, which is left out, as is a last line without its end.
 * A run of lines that are no events becomes one {"event": "unreadable", "lines": n}. Never fails. */
json_t *bv_events_parse(const char *text, size_t size, int cut);
