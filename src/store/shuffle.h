/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Bytes of 8-byte words, sorted by their place in the word: first the lowest of all words, then the second … What is
 * behind the last whole word stays at the end. In arrays of floating-point numbers signs, exponents and high digits are
 * alike, low digits are noise; apart from each other the former compress well, and the latter cost no time.
 * Private to src/store. */

void bv_shuffle(const uint8_t *from, uint8_t *to, size_t size);
void bv_unshuffle(const uint8_t *from, uint8_t *to, size_t size);
