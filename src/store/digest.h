/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xxhash.h>

/* XXH3-128 digests: 16 bytes in the canonical (big-endian) order of xxhash, as text "xxh3-128:<32 hex digits>".
 * They find accidents; a forger can make any. Private to src/store. */

struct bv_digest {
    uint8_t bytes[16];
};

#define BV_DIGEST_PREFIX "xxh3-128:"
#define BV_DIGEST_TEXT   42 /* with the NUL */

struct bv_digest bv_digest_of(const void *bytes, size_t size);

/* Of a page. These do more than find accidents: equal digests are taken for equal pages. So they are seeded with a
 * number drawn for the job: who can choose some of a job's data, but does not know the seed, cannot look for two pages
 * that the job would confuse. */
struct bv_digest bv_digest_page(uint64_t seed, const void *bytes, size_t size);
void bv_digest_text(const struct bv_digest *d, char ret[BV_DIGEST_TEXT]);

/* Returns 0, or -1 if `text` is no such digest. */
int bv_digest_parse(const char *text, struct bv_digest *ret);

static inline int bv_digest_same(const struct bv_digest *a, const struct bv_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Over bytes that come in parts. The state is freed with bv_digest_end(), which gives the result (`ret` may be NULL);
 * NULL is allowed. */
XXH3_state_t *bv_digest_begin(void);
void bv_digest_add(XXH3_state_t *state, const void *bytes, size_t size);
void bv_digest_end(XXH3_state_t *state, struct bv_digest *ret);
