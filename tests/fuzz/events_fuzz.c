/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the history holds, what is read is an array of events. */
#include <stdint.h>
#include <stdlib.h>

#include "store/event_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int cut = 0; cut < 2; cut++) {
        size_t i;
        json_t *event;
        autojson json_t *events = bv_events_parse((const char *)data, size, cut);
        json_array_foreach (events, i, event)
            if (!json_is_string(json_object_get(event, "event")))
                abort();
    }
    return 0;
}
