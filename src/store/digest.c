/* SPDX-License-Identifier: Apache-2.0 */
#include "store/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

static struct bv_digest canonical(XXH128_hash_t hash)
{
    XXH128_canonical_t c;
    struct bv_digest d;
    XXH128_canonicalFromHash(&c, hash);
    memcpy(d.bytes, c.digest, sizeof(d.bytes));
    return d;
}

struct bv_digest bv_digest_of(const void *bytes, size_t size)
{
    return canonical(XXH3_128bits(bytes, size));
}

struct bv_digest bv_digest_page(uint64_t seed, const void *bytes, size_t size)
{
    return canonical(XXH3_128bits_withSeed(bytes, size, seed));
}

void bv_digest_text(const struct bv_digest *d, char ret[BV_DIGEST_TEXT])
{
    memcpy(ret, BV_DIGEST_PREFIX, strlen(BV_DIGEST_PREFIX));
    bv_hex_into(ret + strlen(BV_DIGEST_PREFIX), d->bytes, sizeof(d->bytes));
}

int bv_digest_parse(const char *text, struct bv_digest *ret)
{
    struct bv_digest d;
    size_t prefix = strlen(BV_DIGEST_PREFIX);
    if (strncmp(text, BV_DIGEST_PREFIX, prefix) != 0 ||
        bv_unhex(text + prefix, d.bytes, sizeof(d.bytes)) != sizeof(d.bytes))
        return -1;
    *ret = d;
    return 0;
}

XXH3_state_t *bv_digest_begin(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (!state || XXH3_128bits_reset(state) != XXH_OK) {
        fputs("bivouac: out of memory\n", stderr);
        abort();
    }
    return state;
}

void bv_digest_add(XXH3_state_t *state, const void *bytes, size_t size)
{
    XXH3_128bits_update(state, bytes, size);
}

void bv_digest_end(XXH3_state_t *state, struct bv_digest *ret)
{
    if (state && ret)
        *ret = canonical(XXH3_128bits_digest(state));
    XXH3_freeState(state);
}
