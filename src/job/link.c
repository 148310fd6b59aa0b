/* SPDX-License-Identifier: Apache-2.0 */
#include "job/link.h"

#define PROGRAM BV_LIBEXECDIR "/bivouac-link"

int bv_link_check(const struct bv_network *network, struct bv_error *err)
{
    if (!network->address)
        return 0;
    return bv_fail(err, BV_EHOST, 0,
                   "the job asks for an address of its own (address=%s), which takes the program " PROGRAM
                   ", and that is not installed here",
                   network->address);
}
