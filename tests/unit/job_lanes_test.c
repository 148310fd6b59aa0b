/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that go through the lanes come out as they went in, in order; and staging memory never blocks for ever. */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "job/lanes.h"
#include "job/slabs.h"

#define TOTAL ((size_t)20 * BV_SLAB + 12345)

struct source {
    int fd;
    size_t piece; /* bytes of each write */
    const uint8_t *bytes;
};

static void *write_all(void *arg)
{
    const struct source *s = arg;
    for (size_t at = 0; at < TOTAL; at += s->piece)
        if (bv_write_full(s->fd, s->bytes + at, TOTAL - at < s->piece ? TOTAL - at : s->piece) < 0)
            abort();
    close(s->fd);
    return NULL;
}

/* The slab that comes next is the next piece of what was sent. */
static void check_slab(struct bv_lanes *l, const uint8_t *bytes, size_t *at)
{
    struct bv_slab *slab = NULL;
    assert_int_equal(bv_lanes_collect(l, &slab), 0);
    assert_int_equal(slab->size, TOTAL - *at < BV_SLAB ? TOTAL - *at : BV_SLAB);
    assert_memory_equal(slab->bytes, bytes + *at, slab->size);
    *at += slab->size;
    slab->release(slab->arg, slab);
}

static void send_in_pieces(size_t piece)
{
    struct bv_slabs *slabs = bv_slabs_new(12 * BV_SLAB, 0);
    struct bv_lanes *l = bv_lanes_new();
    struct bv_slab *slab = NULL;
    uint8_t *bytes = malloc(TOTAL);
    int pipes[2];
    size_t checked = 0;
    assert_non_null(l);
    assert_non_null(bytes);
    for (size_t i = 0; i < TOTAL; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pthread_t thread;
    struct source source = {.fd = pipes[1], .piece = piece, .bytes = bytes};
    assert_int_equal(pthread_create(&thread, NULL, write_all, &source), 0);

    ssize_t n = -1;
    while (n != 0) {
        if (bv_lanes_full(l))
            check_slab(l, bytes, &checked);
        if (!slab)
            slab = bv_slabs_wait(slabs, 0);
        n = bv_lanes_fill(l, pipes[0], &slab);
        assert_true(n >= 0 || errno == EAGAIN);
    }
    assert_null(slab);
    while (!bv_lanes_empty(l))
        check_slab(l, bytes, &checked);
    assert_int_equal(checked, TOTAL);
    pthread_join(thread, NULL);
    close(pipes[0]);
    bv_lanes_free(l);
    bv_slabs_free(slabs);
    free(bytes);
}

static void whole_pages_come_out_as_they_went_in(void **state)
{
    (void)state;
    send_in_pieces(64 * 4096);
}

/* A lane then holds fewer bytes than a slab. */
static void odd_pieces_come_out_as_they_went_in(void **state)
{
    (void)state;
    send_in_pieces(3001);
}

static void what_is_in_a_lane_can_be_dropped(void **state)
{
    (void)state;
    static uint8_t bytes[4096];
    struct bv_slabs *slabs = bv_slabs_new(4 * BV_SLAB, 0);
    struct bv_lanes *l = bv_lanes_new();
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    struct bv_slab *slab = bv_slabs_take(slabs);
    assert_int_equal(write(pipes[1], bytes, sizeof(bytes)), sizeof(bytes));
    close(pipes[1]);
    assert_int_equal(bv_lanes_fill(l, pipes[0], &slab), sizeof(bytes));
    assert_int_equal(bv_lanes_fill(l, pipes[0], &slab), 0);
    bv_lanes_free(l);
    /* All are there again. */
    for (int i = 0; i < 4; i++)
        assert_non_null(bv_slabs_take(slabs));
    assert_null(bv_slabs_take(slabs));
    close(pipes[0]);
    bv_slabs_free(slabs);
}

static void an_empty_pipe_is_told_from_a_full_lane(void **state)
{
    (void)state;
    struct bv_slabs *slabs = bv_slabs_new(4 * BV_SLAB, 0);
    struct bv_lanes *l = bv_lanes_new();
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    struct bv_slab *slab = bv_slabs_take(slabs);
    assert_int_equal(bv_lanes_fill(l, pipes[0], &slab), -1);
    assert_int_equal(errno, EAGAIN);
    assert_non_null(slab);
    slab->release(slab->arg, slab);
    close(pipes[0]);
    close(pipes[1]);
    bv_lanes_free(l);
    bv_slabs_free(slabs);
}

/* Who has them all would wait for himself. */
static void who_holds_all_slabs_gets_one_more(void **state)
{
    (void)state;
    struct bv_slabs *slabs = bv_slabs_new(0, 0);
    struct bv_slab *all[5];
    for (int i = 0; i < 4; i++)
        assert_non_null(all[i] = bv_slabs_take(slabs));
    assert_null(bv_slabs_take(slabs));
    all[4] = bv_slabs_wait(slabs, 4);
    assert_non_null(all[4]);
    memset(all[4]->bytes, 1, BV_SLAB);
    for (int i = 0; i < 5; i++)
        all[i]->release(all[i]->arg, all[i]);
    bv_slabs_free(slabs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_pages_come_out_as_they_went_in),
        cmocka_unit_test(odd_pieces_come_out_as_they_went_in),
        cmocka_unit_test(what_is_in_a_lane_can_be_dropped),
        cmocka_unit_test(an_empty_pipe_is_told_from_a_full_lane),
        cmocka_unit_test(who_holds_all_slabs_gets_one_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
