/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/range.h"
#include "store/store.h"

/* Generations: the committed checkpoints of a job. A generation is a directory with
 *     manifest          JSON, canonical, with the digests of everything below and of itself; its presence is the commit
 *     index             binary: for each named stream (an image, a captured file) the blocks that hold its bytes
 *     pack-000007.bvp   the blocks that generation 7 was the first to have, written once, sequentially
 *     pack-000005.bvp   a hard link: blocks of an earlier generation that this one uses too
 * A directory needs no other one: a generation is deleted by removing its directory. Streams are opaque here. All
 * digests are XXH3-128: against accidents, not against forgers. Format: doc/format/generation.md. */

/* --- writing: by one process; its own threads hash, compress and write --- */

struct bv_gen_writer;
struct bv_gen_out; /* a stream that is being written */

struct bv_gen_options {
    int level;        /* zstd level; 0 = 1 (fast) */
    unsigned threads; /* that hash and compress; 0 = as many as there are CPUs, 16 at most */
    /* A committed generation whose pages need not be stored again; 0 = none. To be one that this attempt has written or
     * was restored from: its blocks are trusted to be whole. One that cannot be opened is as none. */
    unsigned base;
    uint64_t expected_bytes; /* raw bytes of all streams together, for the message when space runs out; 0 = not known */
};

struct bv_gen_stats {
    uint64_t streams;
    uint64_t raw_bytes;    /* of all streams = zero + same + new */
    uint64_t zero_bytes;   /* in zero pages: free */
    uint64_t same_bytes;   /* in pages that were there already, in the base or in this generation */
    uint64_t new_bytes;    /* in pages that had to be stored */
    uint64_t stored_bytes; /* what this generation adds to the store: its pack and its index */
    uint64_t linked_bytes; /* of the packs of earlier generations that it shares */
    unsigned packs, base;  /* packs it uses, its own included; the base that was used, 0 = none */
    int64_t write_ns;      /* from go (or the first byte) until the pack was written, without sync_ns */
    int64_t sync_ns;       /* until all of it was durable */
    int64_t cpu_ns;        /* of the writer's threads */
};

/* Number the next generation would get: one more than any that exists, is being written, or was ever deleted.
 * Errors: BV_ESTORE, also when the numbers (999999) are used up. */
int bv_generation_next(const struct bv_job *j, unsigned *ret, struct bv_error *err);

/* Begin generation `number` for attempt `attempt` in the uncommitted directory; reads the base's index, starts the
 * threads. Functions of one writer are to be called by one thread at a time. Errors: BV_ENOSPACE, BV_ESTORE.
 *
 * Memory: 10 MiB per GiB of the base, 10 MiB per GiB of new pages, 4 MiB per thread, 6 MiB, and the slabs. */
int bv_gen_writer_open(const struct bv_job *j, unsigned number, unsigned attempt, const struct bv_gen_options *options,
                       struct bv_gen_writer **ret, struct bv_error *err);

/* An error of a thread (BV_ENOSPACE, BV_ESTORE) is returned by whichever of the following is called next, and by
 * finish; after it, and after any other error but BV_EUSAGE, the writer can only be closed. */

/* Begin a stream; several may be open at the same time. `name` is 1 to 255 printable ASCII bytes, unique in the
 * generation, relative, clean ("images/core-1000.img"). Errors: BV_EUSAGE for a bad name; the writer is as before. */
int bv_gen_stream_begin(struct bv_gen_writer *w, const char *name, struct bv_gen_out **ret, struct bv_error *err);

#define BV_SLAB (1u << 20)

/* A piece of a stream: up to BV_SLAB bytes of page-aligned, writable memory. All slabs of a stream but the last are
 * full. The writer owns slab and memory (which it may overwrite) until it calls `release`, from any thread, with no
 * lock held; also after an error, and at the latest in bv_gen_writer_close(). */
struct bv_slab {
    void *bytes;
    size_t size;
    void (*release)(void *arg, struct bv_slab *s);
    void *arg;
};

/* Queue the next slab of the stream. Never blocks: how much is queued is limited by how many slabs the caller has. No
 * slab is kept back in order to be written together with later ones: all come back without further calls, unless held.
 * After a failure the slab is released too. */
int bv_gen_stream_write(struct bv_gen_out *o, struct bv_slab *slab, struct bv_error *err);

/* The stream is complete; `o` is gone, whatever is returned. */
int bv_gen_stream_end(struct bv_gen_out *o, struct bv_error *err);

/* While held, slabs are only queued: the job is frozen, and the CPUs are the engine's. A new writer is not held. go
 * lets the threads begin, and finish does so by itself. */
void bv_gen_writer_hold(struct bv_gen_writer *w);
void bv_gen_writer_go(struct bv_gen_writer *w);

/* Add a whole stream: `size` bytes of `fd` from its start (holes and zero pages cost nothing). `fd` is a regular file
 * or a memfd; its offset is moved. It has a few slabs of its own; when they are used up, a hold ends. Errors:
 * BV_ENOSPACE (says how much was missing as far as known), BV_ECHANGED if the file is shorter than `size`, BV_EUSAGE
 * for a bad name. A limit on the size of files is reported as BV_ENOSPACE if the process ignores SIGXFSZ. */
int bv_gen_writer_add(struct bv_gen_writer *w, const char *name, int fd, uint64_t size, struct bv_error *err);

/* Wait for the threads, write index and manifest and sync everything; the directory is then complete but not committed.
 * All streams have been ended. `content` is what the job room wants to find again (an object, stored under "content").
 * `ret` may be NULL. */
int bv_gen_writer_finish(struct bv_gen_writer *w, const json_t *content, struct bv_gen_stats *ret,
                         struct bv_error *err);
/* Free, with all open streams; removes the uncommitted directory unless finish succeeded. NULL is allowed. */
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

/* An open generation, with its readers, is used by one thread at a time. */

/* Write stream `i` to `fd` from offset 0 (an empty regular file; zero pages become holes), every block verified.
 * Errors: BV_ECORRUPT, BV_ENOSPACE. */
int bv_gen_stream_copy(struct bv_gen *g, size_t i, int fd, struct bv_error *err);

/* Where stream `i` is known to be zeros. */
void bv_gen_zeros(const struct bv_gen *g, size_t i, struct bv_ranges *ret);

/* What bv_gen_copy_all() is to do. */
struct bv_gen_copy {
    /* Called for each stream, in order, by the calling thread: returns a descriptor (read and write) of an empty
     * regular file or memfd, which is closed there; BV_GEN_SKIP; or -1 with errno. *cuts, which is NULL, may be set to
     * ranges that are left out: what is behind them moves up. They have to be zeros as bv_gen_zeros() says; borrowed.
     */
    int (*open_target)(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts);
    void *arg;
    unsigned threads; /* 0 = as many as there are CPUs, 16 at most */
};
#define BV_GEN_SKIP (-2)

/* Write many streams at once, the fastest way there is: each block is read once. After an error the targets hold
 * anything. Errors: as above. */
int bv_gen_copy_all(struct bv_gen *g, const struct bv_gen_copy *how, struct bv_error *err);

/* A stream from its first byte to its last, for a pipe. Returns the count, 0 at the end. */
struct bv_gen_reader;
int bv_gen_reader_open(struct bv_gen *g, size_t i, struct bv_gen_reader **ret, struct bv_error *err);
ssize_t bv_gen_reader_read(struct bv_gen_reader *r, void *buf, size_t size, struct bv_error *err);
void bv_gen_reader_close(struct bv_gen_reader *r);

/* Verify every block of every stream and the digest of every file. Errors: BV_ECORRUPT, BV_ESTORE. */
int bv_gen_verify(struct bv_gen *g, struct bv_error *err);

/* Remove a committed generation: renamed out of sight first. Errors: BV_EBUSY if it is pinned or held (pin.h),
 * BV_ENOJOB, BV_ESTORE. */
int bv_generation_remove(const struct bv_job *j, unsigned number, struct bv_error *err);

/* The same whether it is pinned or not, and with its pin. */
int bv_generation_delete(const struct bv_job *j, unsigned number, struct bv_error *err);

/* How many seconds ago, by the file server's clock, the generation was made. Errors: BV_ENOJOB. */
int bv_generation_age(const struct bv_job *j, unsigned number, double *ret, struct bv_error *err);

/* --- housekeeping --- */

/* A fresh, empty 0700 directory .staging-NNNN of this attempt. The caller owns *ret_fd. */
int bv_staging_create(const struct bv_job *j, unsigned attempt, int *ret_fd, struct bv_error *err);
int bv_staging_remove(const struct bv_job *j, unsigned attempt, struct bv_error *err);

/* Remove staging and uncommitted directories of attempts older than `attempt`, and what is left of deleted generations:
 * what crashes left behind. To be called by the holder of `attempt`. */
int bv_job_sweep(const struct bv_job *j, unsigned attempt, struct bv_error *err);
