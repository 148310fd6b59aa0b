/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "unit.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/generation.h"
#include "store/store.h"

/* A fresh store with one job in it, for tests of src/store. */

struct fixture {
    char dir[64];
    struct bv_store store;
    struct bv_job job;
};

static inline int fixture_setup(void **state)
{
    struct bv_error err = {0};
    struct fixture *f = bv_alloc(sizeof(*f));
    autojson json_t *record = json_pack("{s:s}", "command", "true");
    snprintf(f->dir, sizeof(f->dir), "/tmp/bivouac-store.XXXXXX");
    if (!mkdtemp(f->dir) || bv_store_open(f->dir, 1, &f->store, &err) < 0 ||
        bv_job_create(&f->store, "job-1", record, &f->job, &err) < 0) {
        print_error("%s\n", err.text);
        return -1;
    }
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    bv_job_close(&f->job);
    bv_store_close(&f->store);
    bv_remove_tree(AT_FDCWD, f->dir, NULL);
    free(f);
    return 0;
}

#define store_test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* A number that looks random and is the same in each run. */
static inline uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*seed >> 33);
}

static inline void fill_random(uint8_t *p, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(next_random(&seed) >> 8);
}

static inline int file_of(const void *bytes, size_t size)
{
    int fd = memfd_create("stream", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(bv_write_full(fd, bytes, size), 0);
    return fd;
}

static inline void add_stream(struct bv_gen_writer *w, const char *name, const void *bytes, size_t size)
{
    autoclose int fd = file_of(bytes, size);
    assert_ok(bv_gen_writer_add(w, name, fd, size, &err));
}

static inline struct bv_gen_writer *begin_generation(const struct bv_job *j, unsigned number, unsigned attempt)
{
    struct bv_gen_writer *w = NULL;
    assert_ok(bv_gen_writer_open(j, number, attempt, NULL, &w, &err));
    return w;
}

/* One that shares the pages of generation `base`. */
static inline struct bv_gen_writer *begin_upon(const struct bv_job *j, unsigned number, unsigned base)
{
    struct bv_gen_writer *w = NULL;
    struct bv_gen_options options = {.base = base, .threads = 3};
    assert_ok(bv_gen_writer_open(j, number, 0, &options, &w, &err));
    return w;
}

static inline struct bv_gen_stats commit_generation(const struct bv_job *j, struct bv_gen_writer *w, unsigned number,
                                                    unsigned attempt)
{
    struct bv_gen_stats stats = {0};
    autojson json_t *content = json_pack("{s:s, s:f}", "engine", "none", "seconds", 0.1);
    assert_ok(bv_gen_writer_finish(w, content, &stats, &err));
    bv_gen_writer_close(w);
    assert_ok(bv_generation_commit(j, number, attempt, &err));
    return stats;
}

static inline struct bv_gen *open_generation(const struct bv_job *j, unsigned number)
{
    struct bv_gen *g = NULL;
    assert_ok(bv_gen_open(j, number, &g, &err));
    return g;
}

static inline void assert_stream(struct bv_gen *g, const char *name, const void *bytes, size_t size)
{
    autoclose int fd = memfd_create("copy", MFD_CLOEXEC);
    autofree uint8_t *copy = bv_alloc(size);
    ssize_t i = bv_gen_find(g, name);
    assert_true(i >= 0);
    assert_int_equal(bv_gen_stream(g, (size_t)i).size, size);
    assert_ok(bv_gen_stream_copy(g, (size_t)i, fd, &err));
    assert_int_equal(lseek(fd, 0, SEEK_END), size);
    assert_int_equal(bv_pread_full(fd, copy, size, 0), size);
    assert_memory_equal(copy, bytes, size);
}
