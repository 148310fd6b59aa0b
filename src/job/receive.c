/* SPDX-License-Identifier: Apache-2.0 */
#include "job/receive.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

struct image {
    int pipe;
    struct bv_gen_out *out;
    struct bv_slab *slab; /* being filled, or NULL */
};

struct bv_receive {
    const struct bv_engine *engine;
    struct bv_engine_stream *stream;
    struct bv_gen_writer *writer;
    struct bv_slabs *slabs;
    struct image *image;
    size_t count;
};

struct bv_receive *bv_receive_new(const struct bv_engine *engine, struct bv_engine_stream *stream,
                                  struct bv_gen_writer *writer, struct bv_slabs *slabs)
{
    struct bv_receive *r = bv_alloc(sizeof(*r));
    *r = (struct bv_receive){.engine = engine, .stream = stream, .writer = writer, .slabs = slabs};
    return r;
}

void bv_receive_free(struct bv_receive *r)
{
    if (!r)
        return;
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

/* What an engine writes beside its images (statistics) is not part of the job's state, but must be read. */
static int is_image(const char *name)
{
    return strstr(name, ".img") != NULL;
}

static int begin_image(struct bv_receive *r, struct bv_error *err)
{
    struct bv_engine_image e;
    int got = r->engine->stream_next(r->stream, &e, err);
    if (got <= 0)
        return got;

    struct image image = {.pipe = e.pipe};
    if (is_image(e.name)) {
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

/* When staging memory is used up, the job stays frozen until the writer has made room: slower, never wrong. */
static struct bv_slab *get_slab(struct bv_receive *r)
{
    struct bv_slab *slab = bv_slabs_take(r->slabs);
    if (slab)
        return slab;
    bv_gen_writer_go(r->writer);
    return bv_slabs_wait(r->slabs);
}

static int hand_over(struct image *i, struct bv_error *err)
{
    struct bv_slab *slab = steal_ptr(&i->slab);
    if (slab->size == 0 || !i->out) {
        slab->release(slab->arg, slab);
        return 0;
    }
    return bv_gen_stream_write(i->out, slab, err);
}

static int end_image(struct bv_receive *r, size_t index, struct bv_error *err)
{
    struct image *i = &r->image[index];
    int rc = i->slab ? hand_over(i, err) : 0;
    if (rc == 0 && i->out)
        rc = bv_gen_stream_end(i->out, err);
    close_fd(&i->pipe);
    *i = r->image[--r->count];
    return rc;
}

/* Read until the pipe is empty. 1 = go on, 0 = the image has ended (and its place is another's now). */
static int read_image(struct bv_receive *r, size_t index, struct bv_error *err)
{
    for (;;) {
        struct image *i = &r->image[index];
        if (!i->slab)
            i->slab = get_slab(r);
        ssize_t n = read(i->pipe, (char *)i->slab->bytes + i->slab->size, BV_SLAB - i->slab->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 1;
        if (n < 0)
            return bv_fail(err, BV_EENGINE, errno, "cannot read an image");
        if (n == 0)
            return end_image(r, index, err);
        i->slab->size += (size_t)n;
        if (i->slab->size == BV_SLAB && hand_over(i, err) < 0)
            return -1;
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
