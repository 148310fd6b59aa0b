/* SPDX-License-Identifier: Apache-2.0 */
/* Text of /proc/PID/net/tcp and its sisters. The first byte chooses the family. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proc/socket.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size == 0)
        return 0;
    autofree char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';

    autoinet struct bv_inet_sockets sockets = {0};
    bv_inet_parse(text, data[0] & 1, &sockets, NULL);
    return 0;
}
