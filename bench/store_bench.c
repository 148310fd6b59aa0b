/* SPDX-License-Identifier: Apache-2.0 */
/* store_bench [-s MIB] [-t THREADS] [-l LEVEL] [-r ROUNDS] DIRECTORY [random|float|zero|changed …]
 *
 * Writes generations of made-up data into a store below DIRECTORY, as the streaming source does (slabs of memory),
 * reads them back, and says how fast that was. A generation of "changed" has 10 % of the pages of the one before
 * changed. To be run under perf(1). */
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/generation.h"

#define PAGE 4096u

struct bench {
    size_t size;
    struct bv_gen_options options;
    int rounds;
    struct bv_job job;
    uint8_t *data, *work; /* what the job's memory is; the slabs, which the writer may overwrite */
    struct bv_slab *slabs;
};

static void die(const struct bv_error *err)
{
    fprintf(stderr, "store_bench: %s\n", err->text);
    exit(1);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void fill_random(uint8_t *p, size_t size, uint64_t seed)
{
    seed = seed * 2654435761u + 88172645463325252ull;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t x = next_random(&seed);
        memcpy(p + i, &x, 8);
    }
}

/* A smooth field with noise in its low bits. */
static void fill_float(uint8_t *p, size_t size)
{
    uint64_t seed = 42;
    for (size_t i = 0; i < size / sizeof(double); i++) {
        double x = sin((double)i * 1e-3) * (1 + 1e-6 * (double)(next_random(&seed) % 1000));
        memcpy(p + i * sizeof(x), &x, sizeof(x));
    }
}

/* One page in 20 has data. */
static void fill_zero(uint8_t *p, size_t size)
{
    memset(p, 0, size);
    for (size_t i = 0; i < size; i += 20 * PAGE)
        fill_random(p + i, PAGE, i);
}

/* Change a tenth of the pages: in runs of 16, as programs do. */
static void change(uint8_t *p, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size / PAGE / 16; i++)
        if (next_random(&seed) % 10 == 0)
            fill_random(p + i * 16 * PAGE, (size_t)16 * PAGE, seed);
}

static void release(void *arg, struct bv_slab *slab)
{
    (void)arg;
    (void)slab;
}

static double seconds_since(int64_t begin)
{
    return (double)(bv_clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
}

static void write_one(struct bench *b, const char *name, unsigned number, unsigned base)
{
    struct bv_error err = {0};
    struct bv_gen_writer *w;
    struct bv_gen_out *o;
    struct bv_gen_stats s;
    struct bv_gen_options options = b->options;
    options.base = base;
    memcpy(b->work, b->data, b->size);
    int64_t begin = bv_clock_ns(CLOCK_MONOTONIC);
    if (bv_gen_writer_open(&b->job, number, 0, &options, &w, &err) < 0)
        die(&err);
    double opened = seconds_since(begin);
    bv_gen_writer_hold(w);
    if (bv_gen_stream_begin(w, "images/pages-1.img", &o, &err) < 0)
        die(&err);
    for (size_t at = 0; at < b->size; at += BV_SLAB) {
        struct bv_slab *slab = &b->slabs[at / BV_SLAB];
        *slab = (struct bv_slab){.bytes = b->work + at, .size = BV_SLAB, .release = release};
        if (bv_gen_stream_write(o, slab, &err) < 0)
            die(&err);
    }
    bv_gen_writer_go(w);
    if (bv_gen_stream_end(o, &err) < 0 || bv_gen_writer_finish(w, NULL, &s, &err) < 0)
        die(&err);
    bv_gen_writer_close(w);
    if (bv_generation_commit(&b->job, number, 0, &err) < 0)
        die(&err);
    double gib = (double)b->size / (1 << 30);
    printf("write %-8s %5.2f GiB/s written %5.2f GiB/s durable  %4.2f s CPU/GiB  stored %.4f  open %.3f s  packs %u\n",
           name, gib / (double)s.write_ns * 1e9, gib / (double)(s.write_ns + s.sync_ns) * 1e9,
           (double)s.cpu_ns / 1e9 / gib, (double)s.stored_bytes / (double)b->size, opened, s.packs);
}

static int open_target(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts)
{
    (void)cuts;
    (void)name;
    (void)size;
    int *fd = arg;
    *fd = memfd_create("target", MFD_CLOEXEC);
    return fcntl(*fd, F_DUPFD_CLOEXEC, 0);
}

static void check(const struct bench *b, int fd)
{
    void *p = mmap(NULL, b->size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED || memcmp(p, b->data, b->size) != 0) {
        fprintf(stderr, "store_bench: what was read is not what was written\n");
        exit(1);
    }
    munmap(p, b->size);
}

static void read_one(struct bench *b, const char *name, unsigned number)
{
    struct bv_error err = {0};
    struct bv_gen *g;
    double gib = (double)b->size / (1 << 30);
    int64_t begin = bv_clock_ns(CLOCK_MONOTONIC);
    autoclose int all = -1, one = memfd_create("target", MFD_CLOEXEC);
    if (bv_gen_open(&b->job, number, &g, &err) < 0)
        die(&err);
    double opened = seconds_since(begin);
    begin = bv_clock_ns(CLOCK_MONOTONIC);
    struct bv_gen_copy copy = {.open_target = open_target, .arg = &all, .threads = b->options.threads};
    if (bv_gen_copy_all(g, &copy, &err) < 0)
        die(&err);
    double copied = seconds_since(begin);
    check(b, all);
    close_fd(&all);
    begin = bv_clock_ns(CLOCK_MONOTONIC);
    if (bv_gen_stream_copy(g, 0, one, &err) < 0)
        die(&err);
    double copied_one = seconds_since(begin);
    begin = bv_clock_ns(CLOCK_MONOTONIC);
    if (bv_gen_verify(g, &err) < 0)
        die(&err);
    printf("read  %-8s %5.2f GiB/s copy_all %5.2f GiB/s stream_copy %5.2f GiB/s verify  open %.3f s\n", name,
           gib / copied, gib / copied_one, gib / seconds_since(begin), opened);
    bv_gen_close(g);
}

static void run_kind(struct bench *b, const char *kind, unsigned *number)
{
    int changed = strcmp(kind, "changed") == 0;
    if (strcmp(kind, "random") == 0 || changed)
        fill_random(b->data, b->size, 1);
    else if (strcmp(kind, "float") == 0)
        fill_float(b->data, b->size);
    else
        fill_zero(b->data, b->size);
    if (changed)
        write_one(b, "base", (*number)++, 0);
    for (int i = 0; i < b->rounds; i++) {
        if (changed)
            change(b->data, b->size, (uint64_t)i * 977 + 13);
        write_one(b, kind, *number, changed ? *number - 1 : 0);
        read_one(b, kind, *number);
        (*number)++;
    }
}

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    madvise(p, size, MADV_HUGEPAGE);
    return p;
}

int main(int argc, char **argv)
{
    static const char *const every[] = {"random", "float", "zero", "changed", NULL};
    struct bench b = {.size = (size_t)1 << 30, .rounds = 2};
    struct bv_error err = {0};
    autostore struct bv_store store = {0};
    autojson json_t *record = json_object();
    unsigned number = 1;
    for (int c; (c = getopt(argc, argv, "s:t:l:r:")) != -1;) {
        int value = optarg ? atoi(optarg) : -1;
        if (value < 0)
            return 2;
        if (c == 's')
            b.size = (size_t)value << 20;
        else if (c == 't')
            b.options.threads = (unsigned)value;
        else if (c == 'l')
            b.options.level = value;
        else if (c == 'r')
            b.rounds = value;
        else
            return 2;
    }
    if (optind == argc)
        return 2;
    autofree char *path = bv_asprintf("%s/store-bench", argv[optind]);
    bv_remove_tree(AT_FDCWD, path, NULL);
    if (bv_store_open(path, 1, &store, &err) < 0 || bv_job_create(&store, "bench", record, &b.job, &err) < 0)
        die(&err);
    b.data = map(b.size);
    b.work = map(b.size);
    b.slabs = bv_alloc(b.size / BV_SLAB * sizeof(*b.slabs));
    for (const char *const *kind = optind + 1 < argc ? (const char *const *)argv + optind + 1 : every; *kind; kind++)
        run_kind(&b, *kind, &number);
    bv_remove_tree(AT_FDCWD, path, NULL);
    free(b.slabs);
    return 0;
}
