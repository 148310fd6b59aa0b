/* SPDX-License-Identifier: Apache-2.0 */
#include "job/receive.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "job/lanes.h"

struct image {
    int pipe;
    struct bv_gen_out *out;
    struct bv_slab *slab; /* being filled, or NULL */
    int is_laned;
};

struct bv_receive {
    const struct bv_engine *engine;
    struct bv_engine_stream *stream;
    struct bv_gen_writer *writer;
    struct bv_slabs *slabs;
    struct bv_lanes *lanes; /* NULL = there are none */
    int lanes_taken;        /* by one of the images */
    struct image *image;
    size_t count;
    int64_t frozen_at_ns;
};

struct bv_receive *bv_receive_new(const struct bv_engine *engine, struct bv_engine_stream *stream,
                                  struct bv_gen_writer *writer, struct bv_slabs *slabs)
{
    struct bv_receive *r = bv_alloc(sizeof(*r));
    *r = (struct bv_receive){.engine = engine, .stream = stream, .writer = writer, .slabs = slabs};
    r->lanes = bv_lanes_new();
    return r;
}

void bv_receive_free(struct bv_receive *r)
{
    if (!r)
        return;
    bv_lanes_free(r->lanes);
    for (size_t i = 0; i < r->count; i++)
        close_fd(&r->image[i].pipe);
    free(r->image);
    free(r);
}

size_t bv_receive_count(const struct bv_receive *r)
{
    return r->count + 1;
}

void bv_receive_poll(const struct bv_receive *r, struct pollfd *p)
{
    p[0] = (struct pollfd){.fd = r->engine->stream_fd(r->stream), .events = POLLIN};
    for (size_t i = 0; i < r->count; i++)
        p[i + 1] = (struct pollfd){.fd = r->image[i].pipe, .events = POLLIN};
}

int bv_receive_idle(const struct bv_receive *r)
{
    return r->count == 0;
}

int64_t bv_receive_frozen_at(const struct bv_receive *r)
{
    return r->frozen_at_ns;
}

int bv_receive_wants(const char *name)
{
    /* Runtimes add tables of their own, and podman puts all into one archive. */
    const char *dot = strrchr(name, '.');
    return strstr(name, ".img") || (dot && (strcmp(dot, ".json") == 0 || strcmp(dot, ".tar") == 0));
}

static int begin_image(struct bv_receive *r, struct bv_error *err)
{
    struct bv_engine_image e;
    int got = r->engine->stream_next(r->stream, &e, err);
    if (got <= 0)
        return got;

    if (!e.early && !r->frozen_at_ns)
        r->frozen_at_ns = bv_clock_ns(CLOCK_MONOTONIC);
    struct image image = {.pipe = e.pipe};
    if (r->engine->is_bulk && r->engine->is_bulk(e.name))
        bv_fault_point("checkpoint-receive");
    if (bv_receive_wants(e.name)) {
        autofree char *name = bv_asprintf("images/%s", e.name);
        if (bv_gen_stream_begin(r->writer, name, &image.out, err) < 0) {
            close(e.pipe);
            return -1;
        }
    }
    r->image = bv_realloc(r->image, r->count + 1, sizeof(r->image[0]));
    r->image[r->count++] = image;
    return 0;
}

static int hand_over(struct image *i, struct bv_slab *slab, struct bv_error *err)
{
    if (slab->size == 0 || !i->out) {
        slab->release(slab->arg, slab);
        return 0;
    }
    return bv_gen_stream_write(i->out, slab, err);
}

static int collect(struct bv_receive *r, struct image *i, struct bv_error *err)
{
    struct bv_slab *slab;
    int sys_errno = bv_lanes_collect(r->lanes, &slab);
    int rc = hand_over(i, slab, err);
    return sys_errno ? bv_fail(err, BV_EENGINE, sys_errno, "cannot read an image") : rc;
}

static int collect_all(struct bv_receive *r, struct image *i, struct bv_error *err)
{
    while (!bv_lanes_empty(r->lanes))
        if (collect(r, i, err) < 0)
            return -1;
    return 0;
}

/* When staging memory is used up, the job stays frozen until the writer has made room: slower, never wrong. */
static int get_slab(struct bv_receive *r, struct image *i, struct bv_error *err)
{
    i->slab = bv_slabs_take(r->slabs);
    if (i->slab)
        return 0;
    bv_gen_writer_go(r->writer);
    if (i->is_laned && collect_all(r, i, err) < 0)
        return -1;
    size_t held = 0;
    for (size_t k = 0; k < r->count; k++)
        held += r->image[k].slab != NULL;
    i->slab = bv_slabs_wait(r->slabs, held);
    return 0;
}

static int end_image(struct bv_receive *r, size_t index, struct bv_error *err)
{
    struct image *i = &r->image[index];
    int rc = i->is_laned ? collect_all(r, i, err) : 0;
    if (i->is_laned)
        r->lanes_taken = 0;
    if (rc == 0 && i->slab)
        rc = hand_over(i, steal_ptr(&i->slab), err);
    if (rc == 0 && i->out)
        rc = bv_gen_stream_end(i->out, err);
    close_fd(&i->pipe);
    *i = r->image[--r->count];
    return rc;
}

/* As read(2), and what is full is handed over. An image that has filled a slab is a big one, and the first such takes
 * the lanes. */
static ssize_t read_alone(struct bv_receive *r, struct image *i, struct bv_error *err)
{
    ssize_t n = read(i->pipe, (char *)i->slab->bytes + i->slab->size, BV_SLAB - i->slab->size);
    if (n <= 0)
        return n;
    i->slab->size += (size_t)n;
    if (i->slab->size < BV_SLAB)
        return n;
    i->is_laned = r->lanes && !r->lanes_taken;
    r->lanes_taken |= i->is_laned;
    return hand_over(i, steal_ptr(&i->slab), err) < 0 ? -1 : n;
}

static ssize_t read_laned(struct bv_receive *r, struct image *i, struct bv_error *err)
{
    if (bv_lanes_full(r->lanes) && collect(r, i, err) < 0)
        return -1;
    return bv_lanes_fill(r->lanes, i->pipe, &i->slab);
}

/* Read until the pipe is empty. 1 = go on, 0 = the image has ended (and its place is another's now). */
static int read_image(struct bv_receive *r, size_t index, struct bv_error *err)
{
    struct bv_error why = {0};
    for (;;) {
        struct image *i = &r->image[index];
        if (!i->slab && get_slab(r, i, err) < 0)
            return -1;
        ssize_t n = i->is_laned ? read_laned(r, i, &why) : read_alone(r, i, &why);
        if (n > 0 || (!why.code && errno == EINTR))
            continue;
        if (n == 0)
            return end_image(r, index, err);
        if (why.code)
            return bv_fail(err, why.code, 0, "%s", why.text);
        return errno == EAGAIN ? 1 : bv_fail(err, BV_EENGINE, errno, "cannot read an image");
    }
}

int bv_receive_step(struct bv_receive *r, const struct pollfd *p, struct bv_error *err)
{
    /* From the last to the first: one that ends is replaced by the last, which has had its turn. */
    for (size_t i = r->count; i-- > 0;)
        if (p[i + 1].revents && read_image(r, i, err) < 0)
            return -1;
    return p[0].revents ? begin_image(r, err) : 0;
}
