/* SPDX-License-Identifier: Apache-2.0 */
/* Text of /proc/PID/maps, and of mountinfo: names in them are chosen by the job. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proc/maps.h"
#include "proc/mounts.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    autofree char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    automaps struct bv_maps maps = {0};
    if (bv_maps_parse(text, &maps, NULL) == 0)
        for (size_t i = 0; i < maps.count; i++)
            if (maps.map[i].start >= maps.map[i].end ||
                (maps.map[i].path && !maps.map[i].path[0] && !maps.map[i].deleted))
                abort();

    automounts struct bv_mounts mounts = {0};
    bv_mounts_parse(text, &mounts);
    for (size_t i = 0; i < mounts.count; i++)
        if (mounts.mount[i].path[0] != '/' || !bv_mounts_of(&mounts, mounts.mount[i].path))
            abort();
    for (size_t i = 0; i < mounts.count && i < 16; i++) {
        autofree char *there = bv_mounts_map(&mounts, &mounts, mounts.mount[i].path);
        if (there && !bv_mounts_of(&mounts, there))
            abort();
    }
    return 0;
}
