/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shuffle.h"

#include <string.h>

/* Transpose 8 x 8 bytes, by exchanging ever smaller squares beside the diagonal (Hacker's Delight, 7-3). On a machine
 * of either byte order: counting rows and columns from the other end is the same transposition. */
static inline void transpose(uint64_t w[8])
{
    for (int i = 0; i < 4; i++) {
        uint64_t t = (w[i] >> 32 ^ w[i + 4]) & 0x00000000ffffffffull;
        w[i] ^= t << 32;
        w[i + 4] ^= t;
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = i; k < i + 2; k++) {
            uint64_t t = (w[k] >> 16 ^ w[k + 2]) & 0x0000ffff0000ffffull;
            w[k] ^= t << 16;
            w[k + 2] ^= t;
        }
    for (int i = 0; i < 8; i += 2) {
        uint64_t t = (w[i] >> 8 ^ w[i + 1]) & 0x00ff00ff00ff00ffull;
        w[i] ^= t << 8;
        w[i + 1] ^= t;
    }
}

/* 8 words at a time are a square of bytes; words that are left over are moved byte by byte. */
void bv_shuffle(const uint8_t *from, uint8_t *to, size_t size)
{
    size_t words = size / 8, squares = words / 8 * 8;
    for (size_t at = 0; at < squares; at += 8) {
        uint64_t w[8];
        memcpy(w, from + at * 8, sizeof(w));
        transpose(w);
        for (size_t i = 0; i < 8; i++)
            memcpy(to + i * words + at, &w[i], 8);
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
        for (size_t i = 0; i < 8; i++)
            memcpy(&w[i], from + i * words + at, 8);
        transpose(w);
        memcpy(to + at * 8, w, sizeof(w));
    }
    for (size_t at = squares; at < words; at++)
        for (size_t i = 0; i < 8; i++)
            to[at * 8 + i] = from[i * words + at];
    memcpy(to + words * 8, from + words * 8, size - words * 8);
}
