/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "criu.pb-c.h"

/* CRIU's images: two magic numbers, then messages, each behind its size. They come from a store, and are not trusted.
 * Private to this folder, but for tests. */

/* criu/include/magic.h */
#define CRIU_MAGIC_PSTREE  0x50273030u
#define CRIU_MAGIC_CORE    0x55053847u
#define CRIU_MAGIC_MM      0x57492820u
#define CRIU_MAGIC_PAGEMAP 0x56084025u

#define CRIU_PAGE      4096u
#define CRIU_IMAGE_MAX (256u << 20) /* bytes; a pagemap has some 20 for each range of pages */

/* criu/include/pagemap.h */
#define CRIU_PAGES_LAZY    2u /* could be restored later; never are */
#define CRIU_PAGES_PRESENT 4u /* they are in the pages image */

/* What has not been read yet of the bytes of an image, which are borrowed. */
struct criu_image {
    const uint8_t *at;
    size_t left;
};

/* 0, or -1 if these are not the bytes of such an image. */
int criu_image_open(struct criu_image *i, const uint8_t *bytes, size_t size, uint32_t magic);

/* The next message, which is to be freed by protobuf_c_message_free_unpacked(): 1, 0 at the end, -1 if it is broken. */
int criu_image_next(struct criu_image *i, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);
