/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

#define PRIVATE MATRIX_WORDS("--network", "private")

const struct matrix_row matrix_rows_network[] = {
    {"tcp-inside", "network", "TCP between processes of the job, with bytes under way", MATRIX_WORDS("@network", "tcp"),
     .options = PRIVATE},
    {"udp-inside", "network", "UDP between processes of the job", MATRIX_WORDS("@network", "udp"), .options = PRIVATE},
    {"unix-inside", "network", "Unix sockets with a name, and a descriptor under way",
     MATRIX_WORDS("@network", "unix")},
    {"tcp-listening", "network", "a TCP server that listens, in the host's network",
     MATRIX_WORDS("@network", "listen")},
    {"tcp-outside", "network", "TCP to a server outside of the job", MATRIX_WORDS("@network", "client"),
     .beside = MATRIX_WORDS("@network", "server")},
    {"tcp-close", "network", "TCP to a server outside, which a restart closes", MATRIX_WORDS("@network", "closed"),
     .options = MATRIX_WORDS("--tcp", "close"), .beside = MATRIX_WORDS("@network", "server"), .flow = MATRIX_CRASH},
    {"way-out", "network", "a network of its own with a way out, by pasta or slirp4netns",
     MATRIX_WORDS("@network", "tcp"), .options = MATRIX_WORDS("--network", "private,outside=auto"),
     .needs = "pasta|slirp4netns"},
    {NULL},
};
