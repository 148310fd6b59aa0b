/* SPDX-License-Identifier: Apache-2.0 */
/* What bivouac-link reads: its list, its words, and packets of others. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "helper/list.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int find(const char *name, unsigned *ret)
{
    *ret = 1000;
    return name[0] == 'a' ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const gid_t groups[] = {50, 51};
    struct helper_caller who = {.uid = 1000, .groups = groups, .group_count = 2, .user = find, .group = find};
    struct bv_ip ip;
    uint8_t mac[BV_MAC_SIZE];
    if (size == 0)
        return 0;
    autofree char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % 4 == 0) {
        bv_ip_parse(text, &ip);
        bv_mac_parse(text, mac);
        return 0;
    }
    bv_ip_parse(data[0] % 4 == 1 ? "2001:db8::7/64" : "192.0.2.7/24", &ip);
    if (data[0] % 4 == 3)
        helper_list_allows(text, size - 1, &who, "br0", &ip, NULL);
    else
        bv_ip_is_told(&ip, (const uint8_t *)text, size - 1);
    return 0;
}
