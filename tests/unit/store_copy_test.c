/* SPDX-License-Identifier: Apache-2.0 */
/* All streams of a generation at once, as a restart reads them: every byte, less what is to be left out, and no more
 * blocks than there must be, however old the job is. */
#include <stdatomic.h>
#include <sys/syscall.h>

#include "store_fixture.h"

#include "store/format.h"
#include "store/gather.h"
#include "store/gen.h"

#define PAGE  4096u
#define PAGES 2048u
#define SIZE  ((size_t)PAGES * PAGE)

/* The store's pwrite(2) is this one. */
static atomic_uint writes;

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    atomic_fetch_add(&writes, 1);
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}

/* --- small pieces --- */

struct piece {
    uint64_t at, length;
};

/* The file in pieces of odd numbers of pages, in an order that is none. */
static size_t make_pieces(struct piece *p, uint64_t size)
{
    size_t count = 0;
    uint64_t seed = 5;
    for (uint64_t at = 0; at < size; at += p[count++].length) {
        uint64_t n = (1 + next_random(&seed) % 100) * PAGE;
        p[count] = (struct piece){.at = at, .length = n < size - at ? n : size - at};
    }
    for (size_t i = count - 1; i > 0; i--) {
        size_t k = next_random(&seed) % (i + 1);
        struct piece swap = p[i];
        p[i] = p[k];
        p[k] = swap;
    }
    return count;
}

static void gather_with(uint64_t memory)
{
    static struct piece pieces[PAGES];
    const uint64_t size = SIZE - 77;
    autofree uint8_t *bytes = bv_alloc(SIZE), *back = bv_alloc(SIZE);
    autoclose int fd = memfd_create("target", MFD_CLOEXEC);
    size_t count = make_pieces(pieces, size);
    fill_random(bytes, size, 3);
    struct bv_gather *g = bv_gather_new(&fd, &size, 1, memory);
    /* Each third is a hole. */
    for (size_t i = 0; i < count; i++)
        if (i % 3)
            bv_gather_expect(g, 0, pieces[i].at, pieces[i].length);
        else
            memset(bytes + pieces[i].at, 0, pieces[i].length);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    for (size_t i = 0; i < count; i++)
        if (i % 3)
            assert_int_equal(bv_gather_put(g, 0, pieces[i].at, bytes + pieces[i].at, pieces[i].length), 0);
    assert_int_equal(bv_pread_full(fd, back, SIZE, 0), size);
    assert_memory_equal(back, bytes, size);
    bv_gather_free(g);
}

static void pieces_in_any_order_make_the_file(void **state)
{
    (void)state;
    gather_with(64 << 20);
    gather_with(2 << 20); /* too little for all that is begun */
    gather_with(0);
}

/* --- a generation --- */

struct copy {
    int fd;
    const struct bv_ranges *cuts;
};

static int open_memory(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts)
{
    struct copy *c = arg;
    (void)size;
    if (strcmp(name, "memory") != 0)
        return BV_GEN_SKIP;
    *cuts = c->cuts;
    c->fd = memfd_create("target", MFD_CLOEXEC);
    return fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
}

static void assert_copy(struct bv_gen *g, const struct bv_ranges *cuts, const uint8_t *bytes, size_t size)
{
    struct copy c = {.cuts = cuts};
    autofree uint8_t *back = bv_alloc(size + 1);
    assert_ok(bv_gen_copy_all(g, &(struct bv_gen_copy){.open_target = open_memory, .arg = &c, .threads = 3}, &err));
    assert_int_equal(bv_pread_full(c.fd, back, size + 1, 0), size);
    assert_memory_equal(back, bytes, size);
    close(c.fd);
}

static void write_memory(struct fixture *f, unsigned number, const uint8_t *bytes)
{
    struct bv_gen_writer *w = begin_upon(&f->job, number, number - 1);
    add_stream(w, "memory", bytes, SIZE);
    add_stream(w, "other", bytes, 2 * PAGE);
    commit_generation(&f->job, w, number, 0);
    if (number > 1)
        assert_ok(bv_generation_delete(&f->job, number - 1, &err));
}

/* What a restart has to decode. */
static uint64_t bytes_to_decode(const struct bv_gen *g)
{
    const struct bv_index *x = &g->index;
    autofree uint8_t *used = bv_alloc(x->block_count);
    uint64_t sum = 0;
    for (size_t i = 0; i < x->extent_count; i++)
        if (x->extents[i].block != BV_EXTENT_ZERO && !used[x->extents[i].block]++)
            sum += x->blocks[x->extents[i].block].raw;
    return sum;
}

static void an_old_job_is_not_slower_to_read_than_it_must_be(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(SIZE);
    uint64_t seed = 9, worst = 0, sum = 0;
    fill_random(bytes, SIZE, 1);
    for (unsigned number = 1; number <= 100; number++) {
        write_memory(f, number, bytes);
        autogen struct bv_gen *g = open_generation(&f->job, number);
        uint64_t decode = bytes_to_decode(g);
        worst = decode > worst ? decode : worst;
        sum += decode;
        assert_in_range(g->index.pack_count, 1, BV_PACKS_SHARED);
        if (number % 10 == 0) {
            writes = 0;
            assert_copy(g, NULL, bytes, SIZE);
            assert_in_range(g->index.extent_count, PAGES / 10, PAGES);
            assert_in_range(writes, 1, 2 * SIZE / BV_BLOCK_MAX);
        }
        for (unsigned i = 0; i < PAGES / 10; i++)
            fill_random(bytes + next_random(&seed) % PAGES * PAGE, PAGE, next_random(&seed));
    }
    print_message("# decoded: %.2f of the bytes on average, %.2f at worst\n", (double)sum / 100 / SIZE,
                  (double)worst / SIZE);
    assert_in_range(worst * 100, 0, (uint64_t)SIZE * 100 * 100 / BV_LIVE_PERCENT);
}

static void zeros_are_left_out_on_request(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(SIZE), *less = bv_alloc(SIZE);
    uint64_t seed = 17;
    size_t left = 0;
    autoranges struct bv_ranges zeros = {0}, some = {0};
    fill_random(bytes, SIZE, 1);
    for (unsigned i = 0; i < PAGES / 2; i++)
        memset(bytes + next_random(&seed) % PAGES * PAGE, 0, PAGE);
    write_memory(f, 1, bytes);
    autogen struct bv_gen *g = open_generation(&f->job, 1);
    bv_gen_zeros(g, (size_t)bv_gen_find(g, "memory"), &zeros);

    /* All of it, and then each second range. */
    size_t next = 0;
    for (size_t at = 0; at < SIZE; at += PAGE) {
        if (next < zeros.count && at >= zeros.range[next].at + zeros.range[next].length)
            next++;
        int is_zero = next < zeros.count && at >= zeros.range[next].at;
        assert_int_equal(is_zero, bytes[at] == 0 && memcmp(bytes + at, bytes + at + 1, PAGE - 1) == 0);
        if (!is_zero)
            memcpy(less + left++ * PAGE, bytes + at, PAGE);
    }
    assert_copy(g, &zeros, less, left * PAGE);
    left = next = 0;
    for (size_t i = 0; i < zeros.count; i += 2)
        bv_ranges_add(&some, zeros.range[i].at, zeros.range[i].length);
    for (size_t at = 0; at < SIZE; at += PAGE) {
        if (next < some.count && at >= some.range[next].at + some.range[next].length)
            next++;
        if (next == some.count || at < some.range[next].at)
            memcpy(less + left++ * PAGE, bytes + at, PAGE);
    }
    assert_copy(g, &some, less, left * PAGE);

    /* Nothing else. */
    struct bv_range wrong = {.at = zeros.range[0].at, .length = zeros.range[0].length + PAGE};
    struct bv_ranges cuts = {.range = &wrong, .count = 1};
    struct copy c = {.cuts = &cuts};
    assert_fails(BV_EINTERNAL, bv_gen_copy_all(g, &(struct bv_gen_copy){.open_target = open_memory, .arg = &c}, &err));
    close(c.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_in_any_order_make_the_file),
        store_test(an_old_job_is_not_slower_to_read_than_it_must_be),
        store_test(zeros_are_left_out_on_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
