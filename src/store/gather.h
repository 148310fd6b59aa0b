/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Many small pieces for files, put together in memory until they are a big one: a file that was changed again and again
 * has its pages in many blocks, and one write(2) for each page would take longer than all the rest. Private to
 * src/store. For any number of threads. */

struct bv_gather;

/* For files of these sizes; `memory` bytes at most wait at the same time, what is beyond is written piece by piece. */
struct bv_gather *bv_gather_new(const int *fds, const uint64_t *sizes, size_t count, uint64_t memory);
void bv_gather_free(struct bv_gather *g);

/* Before the first put: this piece will come, once. Pieces are whole pages but for the end of a file. */
void bv_gather_expect(struct bv_gather *g, size_t file, uint64_t at, uint64_t length);

/* A piece that was expected. Returns 0 or -1 with errno. All is written when all has come. */
int bv_gather_put(struct bv_gather *g, size_t file, uint64_t at, const uint8_t *bytes, uint64_t length);
