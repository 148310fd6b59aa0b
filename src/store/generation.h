/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "store/store.h"

/* Generations: the committed checkpoints of a job. A generation is a directory with
 *     manifest     JSON, canonical, with the digests of everything below and of itself; its presence is the commit
 *     index        binary: for each named stream (an image, a captured file) the blocks that hold its bytes
 *     pack-0.bvp   the blocks, zstd frames, written once, sequentially
 * Streams are opaque here. All digests are XXH3-128 and say so ("xxh3-128:…"): against accidents, not against forgers.
 */

/* --- writing: by one process, streams one after the other --- */

struct bv_gen_writer;

struct bv_gen_options {
    int level;               /* zstd level; 0 = 1 (fast) */
    uint64_t expected_bytes; /* raw bytes of all streams together, for the message when space runs out; 0 = not known */
};

struct bv_gen_stats {
    uint64_t streams, raw_bytes, stored_bytes, zero_bytes;
    int64_t write_ns, sync_ns;
};

/* Number the next generation would get: one more than any that exists, is being written, or was ever deleted.
 * Errors: BV_ESTORE, also when the numbers (999999) are used up. */
int bv_generation_next(const struct bv_job *j, unsigned *ret, struct bv_error *err);

/* Begin generation `number` for attempt `attempt` in the uncommitted directory. Errors: BV_ENOSPACE, BV_ESTORE. */
int bv_gen_writer_open(const struct bv_job *j, unsigned number, unsigned attempt, const struct bv_gen_options *options,
                       struct bv_gen_writer **ret, struct bv_error *err);

/* Append one stream: `size` bytes of `fd` from its start (holes and zero pages cost nothing). `fd` is a regular file or
 * a memfd; its offset is moved. `name` is 1 to 255 printable ASCII bytes, unique in the generation, relative, clean
 * ("images/core-1000.img").
 * Errors: BV_ENOSPACE (says how much was missing as far as known), BV_ECHANGED if the file is shorter than `size`;
 * after these the writer can only be closed. BV_EUSAGE for a bad name; the writer is as before. A limit on the size of
 * files is reported as BV_ENOSPACE if the process ignores SIGXFSZ. */
int bv_gen_writer_add(struct bv_gen_writer *w, const char *name, int fd, uint64_t size, struct bv_error *err);

/* Write index and manifest and sync everything; the directory is then complete but not committed.
 * `content` is what the job room wants to find again (an object, stored under "content"). */
int bv_gen_writer_finish(struct bv_gen_writer *w, const json_t *content, struct bv_gen_stats *ret,
                         struct bv_error *err);
/* Free; removes the uncommitted directory unless finish succeeded. */
void bv_gen_writer_close(struct bv_gen_writer *w);

/* Commit what a writer has finished: rename, sync. Errors: BV_EFENCED if a newer attempt exists, BV_EBUSY if the number
 * exists, BV_ESTORE. After a failed sync of the directory the generation may exist or not. */
int bv_generation_commit(const struct bv_job *j, unsigned number, unsigned attempt, struct bv_error *err);
/* Remove it instead. Missing is success. */
int bv_generation_discard(const struct bv_job *j, unsigned number, unsigned attempt, struct bv_error *err);

/* --- reading --- */

/* Numbers of all committed generations, ascending; allocated. */
int bv_generation_list(const struct bv_job *j, unsigned **ret, size_t *ret_count, struct bv_error *err);

struct bv_gen; /* an open generation: manifest and index are verified, blocks not yet */

/* Errors: BV_ENOJOB if there is no such generation, BV_ECORRUPT (says which file and why), BV_ESTORE (newer format). */
int bv_gen_open(const struct bv_job *j, unsigned number, struct bv_gen **ret, struct bv_error *err);
void bv_gen_close(struct bv_gen *g);
static inline void bv_cleanup_gen(struct bv_gen **g)
{
    bv_gen_close(*g);
}
#define autogen __attribute__((cleanup(bv_cleanup_gen)))

const json_t *bv_gen_manifest(const struct bv_gen *g); /* whole manifest; borrowed */
const json_t *bv_gen_content(const struct bv_gen *g);  /* its "content"; borrowed, an object */

struct bv_gen_stream {
    const char *name; /* borrowed */
    uint64_t size;
};
size_t bv_gen_stream_count(const struct bv_gen *g);
struct bv_gen_stream bv_gen_stream(const struct bv_gen *g, size_t i);
/* Index of the stream called `name`, or -1. */
ssize_t bv_gen_find(const struct bv_gen *g, const char *name);

/* Write stream `i` to `fd` from offset 0 (an empty regular file; zero pages become holes), every block verified.
 * Errors: BV_ECORRUPT, BV_ENOSPACE. */
int bv_gen_stream_copy(struct bv_gen *g, size_t i, int fd, struct bv_error *err);

/* Verify every block of every stream and the digest of every file. Errors: BV_ECORRUPT, BV_ESTORE. */
int bv_gen_verify(struct bv_gen *g, struct bv_error *err);

/* Remove a committed generation: renamed out of sight first. Errors: BV_ENOJOB, BV_ESTORE. */
int bv_generation_delete(const struct bv_job *j, unsigned number, struct bv_error *err);

/* --- housekeeping --- */

/* A fresh, empty 0700 directory .staging-NNNN of this attempt. The caller owns *ret_fd. */
int bv_staging_create(const struct bv_job *j, unsigned attempt, int *ret_fd, struct bv_error *err);
int bv_staging_remove(const struct bv_job *j, unsigned attempt, struct bv_error *err);

/* Remove staging and uncommitted directories of attempts older than `attempt`, and what is left of deleted generations:
 * what crashes left behind. To be called by the holder of `attempt`. */
int bv_job_sweep(const struct bv_job *j, unsigned attempt, struct bv_error *err);
