/* SPDX-License-Identifier: Apache-2.0 */
/* Images that come through pipes are in the generation as they were sent, with lanes and where there are none. */
#include <pthread.h>
#include <sys/resource.h>

#include "job/lanes.h"
#include "job/receive.h"
#include "store_fixture.h"

#define BIG   ((size_t)9 * BV_SLAB + 4321)
#define SMALL ((size_t)777)

/* An engine of two images, a big one and a small one; both are sent at the same time. */
struct bv_engine_stream {
    int announce; /* readable while there is an image to come */
    struct bv_engine_image image[2];
    size_t next;
};

static int stream_fd(const struct bv_engine_stream *s)
{
    return s->next < 2 ? s->announce : -1;
}

static int stream_next(struct bv_engine_stream *s, struct bv_engine_image *ret, struct bv_error *err)
{
    (void)err;
    if (s->next == 2)
        return 0;
    *ret = s->image[s->next++];
    return 1;
}

static const struct bv_engine engine = {.stream_fd = stream_fd, .stream_next = stream_next};

struct sender {
    pthread_t thread;
    int pipe;
    const uint8_t *bytes;
    size_t size;
};

static void *send_bytes(void *arg)
{
    struct sender *s = arg;
    if (bv_write_full(s->pipe, s->bytes, s->size) < 0)
        abort();
    close(s->pipe);
    return NULL;
}

static void start_image(struct bv_engine_stream *s, size_t i, const char *name, struct sender *sender)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    snprintf(s->image[i].name, sizeof(s->image[i].name), "%s", name);
    s->image[i].pipe = ends[0];
    sender->pipe = ends[1];
    assert_int_equal(pthread_create(&sender->thread, NULL, send_bytes, sender), 0);
}

static void receive_all(struct bv_receive *r, const struct bv_engine_stream *s)
{
    while (s->next < 2 || !bv_receive_idle(r)) {
        struct pollfd p[3];
        size_t n = bv_receive_count(r);
        assert_in_range(n, 1, 3);
        bv_receive_poll(r, p);
        assert_true(poll(p, (nfds_t)n, 60000) > 0);
        assert_ok(bv_receive_step(r, p, &err));
    }
}

/* Descriptors that are open: no lane may leave one behind. */
static int first_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

/* No process may have more descriptors than are there now, and `more`. */
static void limit_descriptors(struct rlimit *before, int more)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    struct rlimit few = {.rlim_cur = (rlim_t)(first_free() + more), .rlim_max = before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static void transfer(struct fixture *f, int has_lanes)
{
    autofree uint8_t *big = bv_alloc(BIG), *small = bv_alloc(SMALL);
    struct bv_engine_stream s = {.announce = open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    struct sender senders[2] = {{.bytes = big, .size = BIG}, {.bytes = small, .size = SMALL}};
    struct bv_slabs *slabs = bv_slabs_new(12 * BV_SLAB, 0);
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    struct rlimit before;
    fill_random(big, BIG, 1);
    fill_random(small, SMALL, 2);

    if (!has_lanes)
        limit_descriptors(&before, 3);
    struct bv_receive *r = bv_receive_new(&engine, &s, w, slabs);
    if (!has_lanes)
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    start_image(&s, 0, "pages-1.img", &senders[0]);
    start_image(&s, 1, "core-1000.img", &senders[1]);
    receive_all(r, &s);
    for (size_t i = 0; i < 2; i++)
        pthread_join(senders[i].thread, NULL);
    bv_receive_free(r);
    commit_generation(&f->job, w, 1, 0);
    bv_slabs_free(slabs);
    close(s.announce);

    autogen struct bv_gen *g = open_generation(&f->job, 1);
    assert_int_equal(bv_gen_stream_count(g), 2);
    assert_stream(g, "images/pages-1.img", big, BIG);
    assert_stream(g, "images/core-1000.img", small, SMALL);
}

static void images_arrive_through_lanes(void **state)
{
    transfer(*state, 1);
}

static void images_arrive_where_there_are_no_lanes(void **state)
{
    transfer(*state, 0);
}

/* However far it gets, what it has opened is closed again. */
static void without_descriptors_there_are_no_lanes(void **state)
{
    (void)state;
    int free_before = first_free(), without = 0;
    for (int more = 0; more < 32; more++) {
        struct rlimit before;
        limit_descriptors(&before, more);
        struct bv_lanes *l = bv_lanes_new();
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        without += !l;
        bv_lanes_free(l);
        assert_int_equal(first_free(), free_before);
    }
    assert_in_range(without, 4, 31); /* a lane is two descriptors; all of them fit at last */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(images_arrive_through_lanes),
        store_test(images_arrive_where_there_are_no_lanes),
        cmocka_unit_test(without_descriptors_there_are_no_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
