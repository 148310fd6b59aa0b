/* SPDX-License-Identifier: Apache-2.0 */
/* Generations share pages and packs, and none needs another one to be there. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store_fixture.h"

#include "store/format.h"

#define MIB  (1u << 20)
#define PAGE 4096u

/* The store's linkat(2) is this one: it refuses when told to, as some file systems do. */
static int refuse_links;

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    if (refuse_links && strncmp(from, "pack-", 5) == 0) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

static struct bv_gen_stats write_upon(struct fixture *f, unsigned number, unsigned base, const void *bytes, size_t size)
{
    struct bv_gen_writer *w = begin_upon(&f->job, number, base);
    add_stream(w, "memory", bytes, size);
    return commit_generation(&f->job, w, number, 0);
}

static void assert_memory(struct fixture *f, unsigned number, const void *bytes, size_t size)
{
    autogen struct bv_gen *g = open_generation(&f->job, number);
    assert_ok(bv_gen_verify(g, &err));
    assert_stream(g, "memory", bytes, size);
}

static uint8_t *random_pages(size_t size, uint64_t seed)
{
    uint8_t *bytes = bv_alloc(size);
    fill_random(bytes, size, seed);
    return bytes;
}

static void what_did_not_change_is_a_link(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(4 * MIB + 100, 1);
    struct stat st;
    write_upon(f, 1, 0, bytes, 4 * MIB + 100);
    struct bv_gen_stats s = write_upon(f, 2, 1, bytes, 4 * MIB + 100);
    assert_int_equal(s.base, 1);
    assert_int_equal(s.new_bytes, 0);
    assert_int_equal(s.same_bytes, 4 * MIB + 100);
    assert_in_range(s.stored_bytes, 1, 20000);
    assert_in_range(s.linked_bytes, 4 * MIB, 4 * MIB + 4096);
    assert_int_equal(fstatat(f->job.dirfd, "000002/pack-000001.bvp", &st, 0), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(faccessat(f->job.dirfd, "000002/pack-000002.bvp", F_OK, 0), -1);
    assert_ok(bv_generation_delete(&f->job, 1, &err));
    assert_memory(f, 2, bytes, 4 * MIB + 100);
}

static void pages_that_moved_are_found(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(4 * MIB, 2), *moved = bv_alloc(4 * MIB);
    write_upon(f, 1, 0, bytes, 4 * MIB);
    /* Three new pages in front, one missing in the middle, the last MiB twice. */
    fill_random(moved, 3 * PAGE, 77);
    memcpy(moved + 3 * PAGE, bytes, MIB);
    memcpy(moved + 3 * PAGE + MIB, bytes + MIB + PAGE, MIB);
    memcpy(moved + 3 * PAGE + 2 * MIB, bytes + 3 * MIB, MIB);
    struct bv_gen_stats s = write_upon(f, 2, 1, moved, 4 * MIB);
    assert_int_equal(s.new_bytes, 3 * PAGE);
    assert_int_equal(s.zero_bytes, 4 * MIB - 3 * PAGE - 3 * MIB);
    assert_memory(f, 2, moved, 4 * MIB);
}

static void pages_that_come_twice_are_stored_once(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = bv_alloc(8 * MIB);
    fill_random(bytes, PAGE, 3);
    for (size_t at = PAGE; at < 8 * MIB; at += PAGE)
        memcpy(bytes + at, bytes, PAGE);
    struct bv_gen_stats s = write_upon(f, 1, 0, bytes, 8 * MIB);
    assert_int_equal(s.new_bytes, PAGE);
    assert_memory(f, 1, bytes, 8 * MIB);
}

static void the_base_may_vanish_while_it_is_used(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(2 * MIB, 4);
    for (refuse_links = 0; refuse_links < 2; refuse_links++) {
        unsigned number = 2 * (unsigned)refuse_links + 1;
        write_upon(f, number, 0, bytes, 2 * MIB);
        struct bv_gen_writer *w = begin_upon(&f->job, number + 1, number);
        assert_ok(bv_generation_delete(&f->job, number, &err));
        add_stream(w, "memory", bytes, 2 * MIB);
        struct bv_gen_stats s = commit_generation(&f->job, w, number + 1, 0);
        assert_int_equal(s.new_bytes, 0);
        assert_memory(f, number + 1, bytes, 2 * MIB);
    }
    refuse_links = 0;
}

static void where_links_are_refused_packs_are_copied(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    autofree uint8_t *bytes = random_pages(2 * MIB, 5);
    write_upon(f, 1, 0, bytes, 2 * MIB);
    refuse_links = 1;
    struct bv_gen_stats s = write_upon(f, 2, 1, bytes, 2 * MIB);
    refuse_links = 0;
    assert_int_equal(s.linked_bytes, 0);
    assert_true(s.stored_bytes > 2 * MIB);
    assert_int_equal(fstatat(f->job.dirfd, "000002/pack-000001.bvp", &st, 0), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_memory(f, 2, bytes, 2 * MIB);
}

static void a_bad_base_costs_space_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(MIB, 6);
    write_upon(f, 1, 0, bytes, MIB);
    assert_int_equal(unlinkat(f->job.dirfd, "000001/index", 0), 0);
    struct bv_gen_stats s = write_upon(f, 2, 1, bytes, MIB);
    assert_int_equal(s.base, 0);
    assert_int_equal(s.new_bytes, MIB);
    assert_memory(f, 2, bytes, MIB);
    s = write_upon(f, 3, 17, bytes, MIB);
    assert_int_equal(s.base, 0);
}

static void flip(struct fixture *f, const char *name, off_t at)
{
    uint8_t byte;
    autoclose int fd = openat(f->job.dirfd, name, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static int is_damaged(struct fixture *f, unsigned number)
{
    struct bv_error err = {0};
    autogen struct bv_gen *g = open_generation(&f->job, number);
    int rc = bv_gen_verify(g, &err);
    assert_true(rc == 0 || err.code == BV_ECORRUPT);
    return rc < 0;
}

static void a_flipped_bit_is_found_in_every_generation_that_shares_it(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(4 * MIB, 7);
    write_upon(f, 1, 0, bytes, 4 * MIB);
    write_upon(f, 2, 1, bytes, 4 * MIB);
    write_upon(f, 3, 2, bytes, 4 * MIB);
    fill_random(bytes, 4 * MIB, 8);
    write_upon(f, 4, 3, bytes, 4 * MIB);
    flip(f, "000002/pack-000001.bvp", 2 * MIB);
    assert_true(is_damaged(f, 1));
    assert_true(is_damaged(f, 2));
    assert_true(is_damaged(f, 3));
    assert_false(is_damaged(f, 4));
}

static void chains_stay_short(void **state)
{
    struct fixture *f = *state;
    size_t size = 4 * MIB;
    autofree uint8_t *bytes = random_pages(size, 9);
    uint64_t seed = 10, stored = 0;
    write_upon(f, 1, 0, bytes, size);
    for (unsigned number = 2; number <= 60; number++) {
        for (int i = 0; i < 20; i++) /* 2 % */
            fill_random(bytes + next_random(&seed) % (size / PAGE) * PAGE, PAGE, next_random(&seed));
        struct bv_gen_stats s = write_upon(f, number, number - 1, bytes, size);
        assert_in_range(s.packs, 1, BV_PACKS_SHARED);
        /* Nine in ten bytes of what is linked, or more, are needed; never less than seven. */
        assert_true(s.linked_bytes <= size * 100 / BV_LIVE_PERCENT + size / 10);
        stored += s.stored_bytes;
        assert_ok(bv_generation_delete(&f->job, number - 1, &err));
    }
    assert_true(stored < 60 * (size / 4));
    assert_memory(f, 60, bytes, size);
}

/* --- slabs --- */

struct counted {
    struct bv_slab slab;
    atomic_int released;
};

static void count_release(void *arg, struct bv_slab *slab)
{
    (void)slab;
    atomic_fetch_add(&((struct counted *)arg)->released, 1);
}

static void give_slab(struct counted *c, const void *bytes, size_t size)
{
    assert_int_equal(posix_memalign(&c->slab.bytes, PAGE, MIB), 0);
    memcpy(c->slab.bytes, bytes, size);
    c->slab.size = size;
    c->slab.release = count_release;
    c->slab.arg = c;
}

static void streams_may_be_open_at_the_same_time(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(16 * MIB, 11);
    struct counted *slabs = bv_alloc(16 * sizeof(*slabs));
    struct bv_gen_writer *w = begin_upon(&f->job, 1, 0);
    struct bv_gen_out *o[4];
    char name[8];
    bv_gen_writer_hold(w);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        assert_ok(bv_gen_stream_begin(w, name, &o[i], &err));
    }
    for (size_t i = 0; i < 16; i++) { /* stream i % 4 gets MiB i; the last of each is cut */
        give_slab(&slabs[i], bytes + i * MIB, i < 12 ? MIB : 5000 + i);
        assert_ok(bv_gen_stream_write(o[i % 4], &slabs[i].slab, &err));
    }
    usleep(20000);
    for (int i = 0; i < 16; i++)
        assert_int_equal(slabs[i].released, 0);
    bv_gen_writer_go(w);
    for (int i = 3; i >= 0; i--)
        assert_ok(bv_gen_stream_end(o[i], &err));
    commit_generation(&f->job, w, 1, 0);

    autogen struct bv_gen *g = open_generation(&f->job, 1);
    for (size_t i = 0; i < 4; i++) {
        autofree uint8_t *want = bv_alloc(4 * MIB);
        for (size_t k = 0; k < 4; k++)
            memcpy(want + k * MIB, bytes + (k * 4 + i) * MIB, MIB);
        snprintf(name, sizeof(name), "s%zu", i);
        assert_stream(g, name, want, 3 * MIB + 5012 + i);
    }
    for (int i = 0; i < 16; i++) {
        assert_int_equal(slabs[i].released, 1);
        free(slabs[i].slab.bytes);
    }
    free(slabs);
}

static void a_writer_that_is_closed_gives_all_slabs_back(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(32 * MIB, 12);
    for (int when = 0; when < 6; when++) {
        struct counted *slabs = bv_alloc(32 * sizeof(*slabs));
        struct bv_gen_writer *w = begin_upon(&f->job, 1, 0);
        struct bv_gen_out *o;
        assert_ok(bv_gen_stream_begin(w, "memory", &o, &err));
        if (when % 2)
            bv_gen_writer_hold(w);
        for (size_t i = 0; i < 32; i++) {
            give_slab(&slabs[i], bytes + i * MIB, MIB);
            assert_ok(bv_gen_stream_write(o, &slabs[i].slab, &err));
        }
        usleep((unsigned)when * 3000);
        bv_gen_writer_close(w);
        for (int i = 0; i < 32; i++) {
            assert_int_equal(slabs[i].released, 1);
            free(slabs[i].slab.bytes);
        }
        free(slabs);
        assert_int_equal(faccessat(f->job.dirfd, ".000001.0000", F_OK, 0), -1);
    }
}

/* In a child: the limit must not stay with the other tests. */
static void a_thread_that_fails_says_so_and_gives_all_slabs_back(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct bv_error err = {0}, again = {0};
        struct bv_gen_writer *w;
        struct bv_gen_out *o;
        autofree uint8_t *bytes = random_pages(32 * MIB, 13);
        struct counted *slabs = bv_alloc(32 * sizeof(*slabs));
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){5 * MIB, 5 * MIB});
        if (bv_gen_writer_open(&f->job, 1, 0, NULL, &w, &err) < 0 || bv_gen_stream_begin(w, "m", &o, &err) < 0)
            _exit(90);
        int rc = 0, written = 0;
        for (; rc == 0 && written < 32; written++) {
            give_slab(&slabs[written], bytes + (size_t)written * MIB, MIB);
            rc = bv_gen_stream_write(o, &slabs[written].slab, &err);
            usleep(2000);
        }
        if (rc == 0 || bv_gen_writer_finish(w, NULL, NULL, &again) == 0 || again.code != err.code)
            _exit(91);
        bv_gen_writer_close(w);
        for (int i = 0; i < written; i++)
            if (slabs[i].released != 1)
                _exit(92);
        if (faccessat(f->job.dirfd, ".000001.0000", F_OK, 0) == 0)
            _exit(93);
        _exit((int)err.code);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), BV_ENOSPACE);
}

static void a_stream_that_is_not_ended_is_a_mistake(void **state)
{
    struct fixture *f = *state;
    struct bv_gen_writer *w = begin_upon(&f->job, 1, 0);
    struct bv_gen_out *o;
    assert_ok(bv_gen_stream_begin(w, "memory", &o, &err));
    assert_fails(BV_EINTERNAL, bv_gen_writer_finish(w, NULL, NULL, &err));
    bv_gen_writer_close(w);
}

static void adding_a_large_file_ends_a_hold(void **state)
{
    struct fixture *f = *state;
    autofree uint8_t *bytes = random_pages(24 * MIB, 14);
    struct bv_gen_writer *w = begin_upon(&f->job, 1, 0);
    bv_gen_writer_hold(w);
    add_stream(w, "memory", bytes, 24 * MIB);
    commit_generation(&f->job, w, 1, 0);
    assert_memory(f, 1, bytes, 24 * MIB);
}

/* --- reading --- */

static int open_numbered(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts)
{
    int *fds = arg, i = atoi(name + 1);
    (void)size;
    (void)cuts;
    if (i % 5 == 4)
        return BV_GEN_SKIP;
    fds[i] = memfd_create("target", MFD_CLOEXEC);
    return fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
}

static int refuse_target(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts)
{
    (void)arg;
    (void)name;
    (void)size;
    (void)cuts;
    errno = EACCES;
    return -1;
}

static void all_streams_come_back_at_once(void **state)
{
    struct fixture *f = *state;
    int fds[600];
    autofree uint8_t *bytes = random_pages(3 * MIB, 15), *back = bv_alloc(3 * MIB);
    for (unsigned number = 1; number <= 2; number++) {
        struct bv_gen_writer *w = begin_upon(&f->job, number, number - 1);
        for (int i = 0; i < 600; i++) {
            char name[16];
            snprintf(name, sizeof(name), "f%d", i);
            add_stream(w, name, bytes + i * 10, i % 100 == 50 ? 2 * MIB + 77 : 20 + (size_t)i * 7);
        }
        commit_generation(&f->job, w, number, 0);
        fill_random(bytes + MIB, MIB, number);
    }
    fill_random(bytes + MIB, MIB, 1); /* as it was when generation 2 was written */
    autogen struct bv_gen *g = open_generation(&f->job, 2);
    assert_ok(bv_gen_copy_all(g, &(struct bv_gen_copy){.open_target = open_numbered, .arg = fds, .threads = 3}, &err));
    for (int i = 0; i < 600; i++) {
        if (i % 5 == 4)
            continue;
        size_t size = i % 100 == 50 ? 2 * MIB + 77 : 20 + (size_t)i * 7;
        assert_int_equal(lseek(fds[i], 0, SEEK_END), size);
        assert_int_equal(bv_pread_full(fds[i], back, size, 0), size);
        assert_memory_equal(back, bytes + i * 10, size);
        close(fds[i]);
    }
    assert_fails(BV_ESTORE, bv_gen_copy_all(g, &(struct bv_gen_copy){.open_target = refuse_target}, &err));
}

static void a_reader_gives_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    size_t size = 5 * MIB + 123;
    autofree uint8_t *bytes = random_pages(size, 16), *back = bv_alloc(size);
    memset(bytes + MIB, 0, MIB);
    write_upon(f, 1, 0, bytes, size);
    autogen struct bv_gen *g = open_generation(&f->job, 1);
    struct bv_gen_reader *r;
    uint64_t seed = 3;
    size_t done = 0;
    assert_ok(bv_gen_reader_open(g, 0, &r, &err));
    for (;;) {
        size_t want = next_random(&seed) % 200000;
        ssize_t n = bv_gen_reader_read(r, back + done, want < size - done ? want : size - done, NULL);
        assert_true(n >= 0);
        done += (size_t)n;
        if (n == 0 && want)
            break;
    }
    assert_int_equal(done, size);
    assert_memory_equal(back, bytes, size);
    bv_gen_reader_close(r);
    assert_fails(BV_EINTERNAL, bv_gen_reader_open(g, 1, &r, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(what_did_not_change_is_a_link),
        store_test(pages_that_moved_are_found),
        store_test(pages_that_come_twice_are_stored_once),
        store_test(the_base_may_vanish_while_it_is_used),
        store_test(where_links_are_refused_packs_are_copied),
        store_test(a_bad_base_costs_space_and_nothing_else),
        store_test(a_flipped_bit_is_found_in_every_generation_that_shares_it),
        store_test(chains_stay_short),
        store_test(streams_may_be_open_at_the_same_time),
        store_test(a_writer_that_is_closed_gives_all_slabs_back),
        store_test(a_thread_that_fails_says_so_and_gives_all_slabs_back),
        store_test(a_stream_that_is_not_ended_is_a_mistake),
        store_test(adding_a_large_file_ends_a_hold),
        store_test(all_streams_come_back_at_once),
        store_test(a_reader_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
