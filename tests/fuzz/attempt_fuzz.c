/* SPDX-License-Identifier: Apache-2.0 */
/* Both files of an attempt. */
#include <stdlib.h>
#include <string.h>

#include "store/attempt_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bv_attempt_info i = {0};
    double lease = -1;
    autojson json_t *outcome = NULL;
    if (bv_attempt_file_parse((const char *)data, size, &i, &lease, NULL) == 0 &&
        (lease < 0 || lease > BV_LEASE_MAX || i.pid < 0 || strnlen(i.socket_path, 108) == 108))
        abort();
    if (bv_attempt_end_parse((const char *)data, size, &outcome, NULL) == 0 && !json_is_object(outcome))
        abort();
    return 0;
}
