/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/gen_writer.h"
#include "store/space.h"
#include "store/threads.h"

#define DEFAULT_LEVEL 1

/* What the bytes that are not written yet will need is guessed from how well those before them were compressed. */
int bv_gen_no_room(struct bv_gen_writer *w, int sys_errno, struct bv_error *err)
{
    pthread_mutex_lock(&w->pipe.lock);
    uint64_t left = w->announced > w->done ? w->announced - w->done : 0, done = w->done;
    pthread_mutex_unlock(&w->pipe.lock);
    if (done > 16 * BV_BLOCK_MAX && w->pack.size < done)
        left = (uint64_t)((double)left * (double)w->pack.size / (double)done);
    return bv_fail_write(w->dirfd, sys_errno, left, w->what, err);
}

void bv_gen_announce(struct bv_gen_writer *w, uint64_t bytes)
{
    pthread_mutex_lock(&w->pipe.lock);
    if (w->announced < w->put + bytes)
        w->announced = w->put + bytes;
    pthread_mutex_unlock(&w->pipe.lock);
}

void bv_gen_count_done(struct bv_gen_writer *w, uint64_t bytes)
{
    pthread_mutex_lock(&w->pipe.lock);
    w->done += bytes;
    pthread_mutex_unlock(&w->pipe.lock);
}

int bv_gen_write_block(void *arg, const struct bv_made *b, struct bv_error *err)
{
    struct bv_gen_writer *w = arg;
    size_t stored = b->out ? b->out_size : b->size;
    if (bv_pack_put(&w->pack, b->header, b->out ? b->out : b->raw, stored) < 0)
        return bv_gen_no_room(w, errno, err);
    if (w->written_count == w->written_room) {
        w->written_room = w->written_room ? w->written_room * 2 : 256;
        w->written = bv_realloc(w->written, w->written_room, sizeof(*w->written));
    }
    if (w->written_count == 0)
        bv_fault_point("checkpoint-pack-half");
    w->written[w->written_count++] =
        (struct bv_written){.number = b->number, .raw = (uint32_t)b->size, .stored = (uint32_t)stored};
    bv_gen_count_done(w, b->size);
    return 0;
}

/* --- opening --- */

static int create_files(struct bv_gen_writer *w, const struct bv_job *j, unsigned base, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_uncommitted_name(w->generation, w->attempt, name);
    w->jobfd = fcntl(j->dirfd, F_DUPFD_CLOEXEC, 0);
    if (w->jobfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot duplicate a descriptor");
    /* A writer of this attempt may have died here before. */
    if (bv_remove_tree(w->jobfd, name, err) < 0)
        return -1;
    w->dirfd = bv_dir_create(w->jobfd, name);
    if (w->dirfd < 0)
        return bv_fail_write(w->jobfd, errno, w->announced, w->what, err);

    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get random bytes");
    bv_base_open(&w->base, j, base, w->dirfd, &w->pages, &seed);
    w->index.seed = seed;
    bv_pack_name(w->generation, w->pack_name);
    if (bv_pack_begin(&w->pack, w->dirfd, w->pack_name, w->generation, seed) < 0)
        return bv_fail_write(w->dirfd, errno, w->announced, w->what, err);
    bv_fault_point("checkpoint-pack-open");
    return 0;
}

int bv_gen_writer_open(const struct bv_job *j, unsigned number, unsigned attempt, const struct bv_gen_options *options,
                       struct bv_gen_writer **ret, struct bv_error *err)
{
    static const struct bv_gen_options defaults = {0};
    if (number == 0 || number > BV_GENERATION_MAX || attempt > BV_ATTEMPT_MAX)
        return bv_fail(err, BV_EINTERNAL, 0, "generation %u of attempt %u is out of range", number, attempt);
    if (!options)
        options = &defaults;

    struct bv_gen_writer *w = bv_alloc(sizeof(*w));
    *w = (struct bv_gen_writer){.jobfd = -1, .dirfd = -1, .pack.fd = -1, .generation = number, .attempt = attempt};
    w->announced = options->expected_bytes;
    snprintf(w->job, sizeof(w->job), "%s", j->id);
    snprintf(w->what, sizeof(w->what), "writing generation %u of job %s", number, j->id);
    bv_index_init(&w->index, number);
    struct bv_pipe_stage stage = {.decide = bv_gen_decide, .write = bv_gen_write_block, .arg = w};
    int rc = create_files(w, j, options->base < number ? options->base : 0, err);
    if (rc == 0)
        rc = bv_pipe_start(&w->pipe, bv_thread_count(options->threads), options->level ? options->level : DEFAULT_LEVEL,
                           w->index.seed, &stage, err);
    if (rc < 0) {
        bv_gen_writer_close(w);
        return -1;
    }
    *ret = w;
    return 0;
}

/* --- streams --- */

int bv_gen_check(struct bv_gen_writer *w, struct bv_error *err)
{
    if (w->finished)
        return bv_fail(err, BV_EINTERNAL, 0, "%s is finished", w->what);
    return bv_pipe_check(&w->pipe, err);
}

int bv_gen_stream_begin(struct bv_gen_writer *w, const char *name, struct bv_gen_out **ret, struct bv_error *err)
{
    if (bv_gen_check(w, err) < 0 || bv_index_stream(&w->index, name, err) < 0)
        return -1;
    struct bv_gen_out *o = bv_alloc(sizeof(*o));
    o->w = w;
    o->number = w->index.stream_count - 1;
    o->place = bv_base_place(&w->base, name);
    if (o->number == w->out_room) {
        w->out_room = w->out_room ? w->out_room * 2 : 64;
        w->outs = bv_realloc(w->outs, w->out_room, sizeof(struct bv_gen_out *));
    }
    w->outs[o->number] = o;
    *ret = o;
    return 0;
}

static void put_item(struct bv_gen_out *o, struct bv_slab *slab, uint64_t zeros)
{
    struct bv_gen_writer *w = o->w;
    struct bv_item *item = bv_alloc(sizeof(*item));
    *item = (struct bv_item){.out = o, .slab = slab, .zeros = zeros};
    uint64_t size = slab ? slab->size : zeros;
    pthread_mutex_lock(&w->pipe.lock);
    o->put += size;
    w->put += size;
    if (w->announced < w->put)
        w->announced = w->put;
    if (!w->began_ns && !w->pipe.held)
        w->began_ns = bv_clock_ns(CLOCK_MONOTONIC);
    pthread_mutex_unlock(&w->pipe.lock);
    bv_pipe_put(&w->pipe, item);
}

void bv_gen_out_zeros(struct bv_gen_out *o, uint64_t length)
{
    if (length)
        put_item(o, NULL, length);
}

int bv_gen_stream_write(struct bv_gen_out *o, struct bv_slab *slab, struct bv_error *err)
{
    int rc = bv_gen_check(o->w, err);
    if (rc == 0 && (slab->size > BV_SLAB || o->put % BV_PAGE_SIZE || slab->size > BV_SIZE_LIMIT - o->put))
        rc = bv_fail(err, BV_EINTERNAL, 0, "%s: a slab of stream %s has an impossible size", o->w->what,
                     o->w->index.streams[o->number].name);
    if (rc < 0 || slab->size == 0)
        slab->release(slab->arg, slab);
    else
        put_item(o, slab, 0);
    return rc;
}

int bv_gen_stream_end(struct bv_gen_out *o, struct bv_error *err)
{
    o->ended = 1;
    o->w->streams++;
    return bv_gen_check(o->w, err);
}

void bv_gen_writer_hold(struct bv_gen_writer *w)
{
    bv_pipe_hold(&w->pipe, 1);
}

void bv_gen_writer_go(struct bv_gen_writer *w)
{
    if (!w->began_ns)
        w->began_ns = bv_clock_ns(CLOCK_MONOTONIC);
    bv_pipe_hold(&w->pipe, 0);
}

/* --- the end --- */

/* A pack without blocks is none. */
static int complete_pack(struct bv_gen_writer *w, struct bv_error *err)
{
    bv_fault_point("checkpoint-packed");
    if (w->written_count == 0 && unlinkat(w->dirfd, w->pack_name, 0) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot remove an empty pack");
    bv_pack_start_writeback(&w->pack);
    return 0;
}

static int finish(struct bv_gen_writer *w, const json_t *content, struct bv_gen_stats *stats, struct bv_error *err)
{
    bv_gen_writer_go(w);
    if (bv_pipe_drain(&w->pipe, err) < 0)
        return -1;
    bv_gen_seal(w);
    if (bv_pipe_drain(&w->pipe, err) < 0)
        return -1;
    bv_pipe_stop(&w->pipe);
    int64_t written = bv_clock_ns(CLOCK_MONOTONIC);
    if (complete_pack(w, err) < 0 || bv_gen_write_files(w, content, stats, err) < 0)
        return -1;
    stats->write_ns = written - w->began_ns;
    stats->sync_ns = bv_clock_ns(CLOCK_MONOTONIC) - written;
    return 0;
}

int bv_gen_writer_finish(struct bv_gen_writer *w, const json_t *content, struct bv_gen_stats *ret, struct bv_error *err)
{
    struct bv_error why = {0};
    struct bv_gen_stats stats = {0};
    if (bv_gen_check(w, err) < 0)
        return -1;
    if (content && !json_is_object(content))
        return bv_fail(err, BV_EINTERNAL, 0, "the content of a generation is no object");
    if (w->streams != w->index.stream_count)
        return bv_fail(err, BV_EINTERNAL, 0, "%s: a stream was not ended", w->what);
    if (finish(w, content, &stats, &why) < 0) {
        bv_pipe_fail(&w->pipe, &why);
        if (err)
            *err = why;
        return -1;
    }
    w->finished = 1;
    if (ret)
        *ret = stats;
    return 0;
}

void bv_gen_writer_close(struct bv_gen_writer *w)
{
    if (!w)
        return;
    bv_pipe_stop(&w->pipe);
    if (w->shared) {
        free(w->shared->raw);
        free(w->shared);
    }
    for (size_t i = 0; i < w->index.stream_count; i++) {
        free(w->outs[i]->extents);
        free(w->outs[i]);
    }
    free(w->outs);
    free(w->written);
    bv_slab_pool_free(w->slabs);
    bv_base_close(&w->base);
    bv_pages_free(&w->pages);
    bv_pack_end(&w->pack);
    bv_index_free(&w->index);
    close_fd(&w->dirfd);
    if (!w->finished && w->jobfd >= 0) {
        char name[BV_LAYOUT_NAME];
        bv_uncommitted_name(w->generation, w->attempt, name);
        bv_remove_tree(w->jobfd, name, NULL);
    }
    close_fd(&w->jobfd);
    free(w);
}
