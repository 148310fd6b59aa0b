/* SPDX-License-Identifier: Apache-2.0 */
#include "store/event_parse.h"

#include <string.h>

/* NULL unless the line is an object that says when and what. */
static json_t *parse_line(const char *line, size_t size)
{
    autojson json_t *j = NULL;
    if (bv_json_parse(line, size, &j, NULL) < 0)
        return NULL;
    if (!json_is_string(json_object_get(j, "time")) || !json_is_string(json_object_get(j, "event")))
        return NULL;
    return json_incref(j);
}

/* Bad lines are counted, not listed: a file full of them must not need more memory than it has bytes. */
static void flush_bad(json_t *events, size_t *bad)
{
    if (*bad == 0)
        return;
    json_t *event = json_object();
    bv_json_set(event, "event", json_string("unreadable"));
    bv_json_set(event, "lines", json_integer((json_int_t)*bad));
    bv_json_append(events, event);
    *bad = 0;
}

json_t *bv_events_parse(const char *text, size_t size, int cut)
{
    json_t *events = json_array();
    size_t bad = 0;
    const char *end = text + size;
    for (const char *line = text, *eol; line < end && (eol = memchr(line, '\n', (size_t)(end - line)));
         line = eol + 1) {
        if (cut) {
            cut = 0;
            continue;
        }
        if (eol == line)
            continue;
        json_t *event = parse_line(line, (size_t)(eol - line));
        if (!event) {
            bad++;
            continue;
        }
        flush_bad(events, &bad);
        bv_json_append(events, event);
    }
    flush_bad(events, &bad);
    return events;
}
