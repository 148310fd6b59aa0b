/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shuffle.h"

#include <string.h>

/* Transpose 8 x 8 bytes, by exchanging ever smaller squares beside the diagonal (Hacker's Delight, 7-3). On a machine
 * of either byte order: counting rows and columns from the other end is the same transposition. */
static inline void exchange(uint64_t *a, uint64_t *b, int bits, uint64_t mask)
{
    uint64_t t = (*a >> bits ^ *b) & mask;
    *a ^= t << bits;
    *b ^= t;
}

/* Written out: so the words stay in registers, which makes it three times as fast. */
static inline void transpose(uint64_t w[8])
{
    const uint64_t m32 = 0x00000000ffffffffull, m16 = 0x0000ffff0000ffffull, m8 = 0x00ff00ff00ff00ffull;
    exchange(&w[0], &w[4], 32, m32);
    exchange(&w[1], &w[5], 32, m32);
    exchange(&w[2], &w[6], 32, m32);
    exchange(&w[3], &w[7], 32, m32);
    exchange(&w[0], &w[2], 16, m16);
    exchange(&w[1], &w[3], 16, m16);
    exchange(&w[4], &w[6], 16, m16);
    exchange(&w[5], &w[7], 16, m16);
    exchange(&w[0], &w[1], 8, m8);
    exchange(&w[2], &w[3], 8, m8);
    exchange(&w[4], &w[5], 8, m8);
    exchange(&w[6], &w[7], 8, m8);
}

static inline void load(uint64_t w[8], const uint8_t *from, size_t step)
{
    memcpy(&w[0], from, 8);
    memcpy(&w[1], from + step, 8);
    memcpy(&w[2], from + 2 * step, 8);
    memcpy(&w[3], from + 3 * step, 8);
    memcpy(&w[4], from + 4 * step, 8);
    memcpy(&w[5], from + 5 * step, 8);
    memcpy(&w[6], from + 6 * step, 8);
    memcpy(&w[7], from + 7 * step, 8);
}

static inline void store(const uint64_t w[8], uint8_t *to, size_t step)
{
    memcpy(to, &w[0], 8);
    memcpy(to + step, &w[1], 8);
    memcpy(to + 2 * step, &w[2], 8);
    memcpy(to + 3 * step, &w[3], 8);
    memcpy(to + 4 * step, &w[4], 8);
    memcpy(to + 5 * step, &w[5], 8);
    memcpy(to + 6 * step, &w[6], 8);
    memcpy(to + 7 * step, &w[7], 8);
}

/* 8 words at a time are a square of bytes; words that are left over are moved byte by byte. */
void bv_shuffle(const uint8_t *from, uint8_t *to, size_t size)
{
    size_t words = size / 8, squares = words / 8 * 8;
    for (size_t at = 0; at < squares; at += 8) {
        uint64_t w[8];
        load(w, from + at * 8, 8);
        transpose(w);
        store(w, to + at, words);
    }
    for (size_t at = squares; at < words; at++)
        for (size_t i = 0; i < 8; i++)
            to[i * words + at] = from[at * 8 + i];
    memcpy(to + words * 8, from + words * 8, size - words * 8);
}

void bv_unshuffle(const uint8_t *from, uint8_t *to, size_t size)
{
    size_t words = size / 8, squares = words / 8 * 8;
    for (size_t at = 0; at < squares; at += 8) {
        uint64_t w[8];
        load(w, from + at, words);
        transpose(w);
        store(w, to + at * 8, 8);
    }
    for (size_t at = squares; at < words; at++)
        for (size_t i = 0; i < 8; i++)
            to[at * 8 + i] = from[i * words + at];
    memcpy(to + words * 8, from + words * 8, size - words * 8);
}
