/* SPDX-License-Identifier: Apache-2.0 */
/* No damage to a committed generation goes unnoticed: not a byte of it. */
#include "store_fixture.h"

#include "store/format.h"

#define STREAM_SIZE 300000
#define PACK_FILE   "pack-000001.bvp"

/* Generation 1 with data that compress, data that do not, zeros, and a small stream. */
static void make_generation(struct fixture *f, uint8_t *bytes)
{
    struct bv_gen_writer *w = begin_generation(&f->job, 1, 0);
    fill_random(bytes, STREAM_SIZE / 3, 5);
    memset(bytes + STREAM_SIZE / 3, 'x', STREAM_SIZE / 3);
    memset(bytes + STREAM_SIZE / 3 * 2, 0, STREAM_SIZE / 3);
    add_stream(w, "images/pages-1.img", bytes, STREAM_SIZE);
    add_stream(w, "images/core-1.img", "core", 4);
    commit_generation(&f->job, w, 1, 0);
}

static int open_file(struct fixture *f, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "000001/%s", name);
    int fd = openat(f->job.dirfd, path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Does opening or verifying fail, with a code that says that the data are bad? */
static int is_noticed(struct fixture *f)
{
    struct bv_error err = {0};
    autogen struct bv_gen *g = NULL;
    if (bv_gen_open(&f->job, 1, &g, &err) == 0 && bv_gen_verify(g, &err) == 0)
        return 0;
    assert_int_equal(err.code, BV_ECORRUPT);
    assert_non_null(strstr(err.text, "generation 1 of job job-1"));
    return 1;
}

static void flip(int fd, off_t at, uint8_t mask)
{
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= mask;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* Every byte of the first 600, then 400 drawn from the rest; in each a bit that is drawn as well. */
static void flip_and_look(struct fixture *f, const char *name)
{
    autofree uint8_t *bytes = bv_alloc(STREAM_SIZE);
    make_generation(f, bytes);
    autoclose int fd = open_file(f, name);
    off_t size = lseek(fd, 0, SEEK_END);
    uint64_t seed = 42;
    for (off_t i = 0; i < 1000; i++) {
        off_t at = i < 600 && i < size ? i : (off_t)(next_random(&seed) % (uint64_t)size);
        uint8_t mask = (uint8_t)(1u << (next_random(&seed) % 8));
        flip(fd, at, mask);
        if (!is_noticed(f))
            fail_msg("bit mask %02x at byte %lld of %s goes unnoticed", mask, (long long)at, name);
        flip(fd, at, mask);
    }
    assert_false(is_noticed(f));
}

static void a_flipped_bit_in_the_pack_is_found(void **state)
{
    flip_and_look(*state, PACK_FILE);
}

static void a_flipped_bit_in_the_index_is_found(void **state)
{
    flip_and_look(*state, BV_INDEX_FILE);
}

static void a_flipped_bit_in_the_manifest_is_found(void **state)
{
    flip_and_look(*state, BV_MANIFEST_FILE);
}

static void a_flipped_bit_is_found_by_the_copy_that_would_use_it(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(STREAM_SIZE);
    make_generation(f, bytes);
    autoclose int fd = open_file(f, PACK_FILE);
    autogen struct bv_gen *g = open_generation(&f->job, 1);
    autoclose int copy = memfd_create("copy", MFD_CLOEXEC);
    flip(fd, BV_PACK_HEADER + BV_BLOCK_HEADER + 50000, 0x10);
    assert_fails(BV_ECORRUPT, bv_gen_stream_copy(g, 0, copy, &err));
}

static void a_file_that_is_cut_off_is_found(void **state)
{
    static const char *const names[] = {PACK_FILE, BV_INDEX_FILE, BV_MANIFEST_FILE};
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(STREAM_SIZE);
    make_generation(f, bytes);
    for (size_t i = 0; i < 3; i++) {
        autoclose int fd = open_file(f, names[i]);
        off_t size = lseek(fd, 0, SEEK_END);
        autofree char *kept = bv_alloc((size_t)size);
        assert_int_equal(bv_pread_full(fd, kept, (size_t)size, 0), size);
        for (off_t cut = size - 1; cut > 0; cut -= 1 + cut / 3) {
            assert_int_equal(ftruncate(fd, cut), 0);
            assert_true(is_noticed(f));
        }
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_true(is_noticed(f));
        assert_int_equal(bv_pwrite_full(fd, kept, (size_t)size, 0), 0);
        assert_int_equal(bv_pwrite_full(fd, "\n", 1, size), 0);
        assert_true(is_noticed(f));
        assert_int_equal(ftruncate(fd, size), 0);
        assert_false(is_noticed(f));
    }
}

static void a_file_that_is_missing_is_found(void **state)
{
    static const char *const names[] = {PACK_FILE, BV_INDEX_FILE, BV_MANIFEST_FILE};
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(STREAM_SIZE);
    make_generation(f, bytes);
    autoclose int dir = openat(f->job.dirfd, "000001", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(renameat(dir, names[i], dir, "elsewhere"), 0);
        assert_true(is_noticed(f));
        assert_int_equal(renameat(dir, "elsewhere", dir, names[i]), 0);
    }
    assert_false(is_noticed(f));
}

static void a_link_in_place_of_a_file_is_not_followed(void **state)
{
    static const char *const names[] = {PACK_FILE, BV_INDEX_FILE, BV_MANIFEST_FILE};
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(STREAM_SIZE);
    make_generation(f, bytes);
    autoclose int dir = openat(f->job.dirfd, "000001", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(renameat(dir, names[i], dir, "elsewhere"), 0);
        assert_int_equal(symlinkat("elsewhere", dir, names[i]), 0);
        assert_true(is_noticed(f));
        assert_int_equal(unlinkat(dir, names[i], 0), 0);
        /* Nor does a reader wait for whoever opens the other end of a fifo. */
        assert_int_equal(mkfifoat(dir, names[i], 0600), 0);
        assert_true(is_noticed(f));
        assert_int_equal(unlinkat(dir, names[i], 0), 0);
        assert_int_equal(renameat(dir, "elsewhere", dir, names[i]), 0);
    }
    assert_int_equal(renameat(f->job.dirfd, "000001", f->job.dirfd, "real"), 0);
    assert_int_equal(symlinkat("real", f->job.dirfd, "000001"), 0);
    struct bv_gen *g = NULL;
    assert_fails(BV_ECORRUPT, bv_gen_open(&f->job, 1, &g, &err));
}

static void a_generation_under_another_number_is_found(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(STREAM_SIZE);
    make_generation(f, bytes);
    assert_int_equal(renameat(f->job.dirfd, "000001", f->job.dirfd, "000002"), 0);
    struct bv_gen *g = NULL;
    assert_fails(BV_ECORRUPT, bv_gen_open(&f->job, 2, &g, &err));
    assert_fails(BV_ENOJOB, bv_gen_open(&f->job, 1, &g, &err));
}

static void the_generation_of_another_job_is_found(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(STREAM_SIZE);
    make_generation(f, bytes);
    autojson json_t *record = json_object();
    autojob struct bv_job other = {0};
    struct bv_gen *g = NULL;
    assert_ok(bv_job_create(&f->store, "job-2", record, &other, &err));
    assert_int_equal(renameat(f->job.dirfd, "000001", other.dirfd, "000001"), 0);
    assert_fails(BV_ECORRUPT, bv_gen_open(&other, 1, &g, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_flipped_bit_in_the_pack_is_found),
        store_test(a_flipped_bit_in_the_index_is_found),
        store_test(a_flipped_bit_in_the_manifest_is_found),
        store_test(a_flipped_bit_is_found_by_the_copy_that_would_use_it),
        store_test(a_file_that_is_cut_off_is_found),
        store_test(a_file_that_is_missing_is_found),
        store_test(a_link_in_place_of_a_file_is_not_followed),
        store_test(a_generation_under_another_number_is_found),
        store_test(the_generation_of_another_job_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
