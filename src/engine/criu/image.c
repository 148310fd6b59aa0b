/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/image.h"

#include <string.h>

#define COMMON_MAGIC 0x54564319u /* criu/include/magic.h */

static int take_u32(struct criu_image *i, uint32_t *ret)
{
    if (i->left < sizeof(*ret))
        return -1;
    memcpy(ret, i->at, sizeof(*ret)); /* CRIU writes them as the machine has them */
    i->at += sizeof(*ret);
    i->left -= sizeof(*ret);
    return 0;
}

int criu_image_open(struct criu_image *i, const uint8_t *bytes, size_t size, uint32_t magic)
{
    uint32_t common, own;
    *i = (struct criu_image){.at = bytes, .left = size};
    return take_u32(i, &common) < 0 || take_u32(i, &own) < 0 || common != COMMON_MAGIC || own != magic ? -1 : 0;
}

int criu_image_next(struct criu_image *i, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
    uint32_t size;
    if (i->left == 0)
        return 0;
    if (take_u32(i, &size) < 0 || i->left < size)
        return -1;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, size, i->at);
    if (!m)
        return -1;
    i->at += size;
    i->left -= size;
    *ret = m;
    return 1;
}
