/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/criu/criu.h"

/* A process with two pages, and images that say so. */
struct fixture {
    struct tmpdir *dir;
    pid_t pid;
    char *pages;
};

static void put_message(int fd, const ProtobufCMessage *m)
{
    uint8_t bytes[256];
    uint32_t size = (uint32_t)protobuf_c_message_pack(m, bytes);
    assert_int_equal(bv_write_full(fd, &size, sizeof(size)), 0);
    assert_int_equal(bv_write_full(fd, bytes, size), 0);
}

static int begin_image(const struct fixture *f, const char *name, uint32_t magic)
{
    uint32_t head[2] = {0x54564319u, magic};
    int fd = openat(f->dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(bv_write_full(fd, head, sizeof(head)), 0);
    return fd;
}

static void put_tree(const struct fixture *f, uint32_t pid, size_t threads)
{
    uint32_t tids[] = {pid, pid};
    PstreeEntry e = PSTREE_ENTRY__INIT;
    autoclose int fd = begin_image(f, "pstree.img", 0x50273030u);
    e.pid = pid;
    e.n_threads = threads;
    e.threads = tids;
    put_message(fd, &e.base);
}

/* Of the process's only thread. */
static void put_core(const struct fixture *f, uint64_t rseq)
{
    char name[32];
    CoreEntry core = CORE_ENTRY__INIT;
    ThreadCoreEntry thread = THREAD_CORE_ENTRY__INIT;
    RseqEntry area = RSEQ_ENTRY__INIT;
    snprintf(name, sizeof(name), "core-%d.img", (int)f->pid);
    autoclose int fd = begin_image(f, name, 0x55053847u);
    area.rseq_abi_pointer = rseq;
    area.rseq_abi_size = 32;
    thread.rseq_entry = &area;
    core.thread_core = &thread;
    put_message(fd, &core.base);
}

static void put_map(const struct fixture *f, uint64_t address, uint64_t pages, uint32_t flags)
{
    char name[32];
    PagemapHead head = PAGEMAP_HEAD__INIT;
    PagemapEntry e = PAGEMAP_ENTRY__INIT;
    snprintf(name, sizeof(name), "pagemap-%d.img", (int)f->pid);
    autoclose int fd = begin_image(f, name, 0x56084025u);
    head.pages_id = 7;
    put_message(fd, &head.base);
    e.vaddr = address;
    e.compat_nr_pages = (uint32_t)pages;
    e.has_nr_pages = 1;
    e.nr_pages = pages;
    e.has_flags = 1;
    e.flags = flags;
    put_message(fd, &e.base);
}

static int setup(void **state)
{
    void *dir;
    if (tmpdir_setup(&dir) < 0)
        return -1;
    struct fixture *f = bv_alloc(sizeof(*f));
    f->dir = dir;
    f->pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(f->pages, 'a', 4096);
    memset(f->pages + 4096, 'b', 4096);
    f->pid = fork();
    if (f->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(f->pid, NULL, WUNTRACED);
    put_tree(f, (uint32_t)f->pid, 1);
    put_core(f, 0);
    put_map(f, (uint64_t)(uintptr_t)f->pages, 2, 4);
    put_bytes(f->dir->fd, "pages-7.img", f->pages, 8192);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *dir = f->dir;
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    munmap(f->pages, 8192);
    free(f);
    return tmpdir_teardown(&dir);
}

static void what_is_the_same_is_counted(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum = {0};
    assert_ok(criu_compare(f->dir->fd, &sum, &err));
    assert_int_equal(sum.processes, 1);
    assert_int_equal(sum.threads, 1);
    assert_int_equal(sum.pages, 2);
}

static void one_byte_is_found(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum;
    char where[64];
    f->pages[5000] ^= 1; /* ours: the process has its own */
    put_bytes(f->dir->fd, "pages-7.img", f->pages, 8192);
    snprintf(where, sizeof(where), "process %d at 0x%llx is not", (int)f->pid,
             (unsigned long long)(uintptr_t)f->pages + 5000);
    assert_fails_saying(BV_ERESTORE, where, criu_compare(f->dir->fd, &sum, &err));
}

static void what_the_kernel_writes_by_itself_may_differ(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum;
    f->pages[5000] ^= 1;
    put_bytes(f->dir->fd, "pages-7.img", f->pages, 8192);
    put_core(f, (uint64_t)(uintptr_t)f->pages + 4992);
    assert_ok(criu_compare(f->dir->fd, &sum, &err));
    put_core(f, (uint64_t)(uintptr_t)f->pages + 5001);
    assert_fails_saying(BV_ERESTORE, "is not what", criu_compare(f->dir->fd, &sum, &err));
}

static void pages_that_the_image_does_not_hold_are_not_compared(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum = {0};
    put_map(f, (uint64_t)(uintptr_t)f->pages, 2, 0);
    put_bytes(f->dir->fd, "pages-7.img", "", 0);
    assert_ok(criu_compare(f->dir->fd, &sum, &err));
    assert_int_equal(sum.pages, 0);
}

static void memory_that_is_not_there_is_found(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum;
    put_map(f, 4096, 1, 4);
    assert_fails_saying(BV_ERESTORE, "at 0x1000 is not there", criu_compare(f->dir->fd, &sum, &err));
}

static void a_thread_that_is_missing_is_found(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum;
    put_tree(f, (uint32_t)f->pid, 2);
    assert_fails_saying(BV_ERESTORE, "has 1 threads, in the checkpoint it has 2", criu_compare(f->dir->fd, &sum, &err));
}

static void a_process_that_is_missing_is_found(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum;
    put_tree(f, 0x7fffffff, 1);
    assert_fails_saying(BV_ERESTORE, "was not restored", criu_compare(f->dir->fd, &sum, &err));
}

static void images_that_are_none_are_refused(void **state)
{
    const struct fixture *f = *state;
    struct bv_engine_compared sum;
    put_map(f, 4097, 1, 4);
    assert_fails_saying(BV_ECORRUPT, "not valid", criu_compare(f->dir->fd, &sum, &err));
    put_map(f, (uint64_t)(uintptr_t)f->pages, UINT64_C(1) << 60, 4);
    assert_fails_saying(BV_ECORRUPT, "not valid", criu_compare(f->dir->fd, &sum, &err));
    put_map(f, (uint64_t)(uintptr_t)f->pages, 2, 4);
    put_bytes(f->dir->fd, "pages-7.img", f->pages, 8191);
    assert_fails_saying(BV_ECORRUPT, "too short", criu_compare(f->dir->fd, &sum, &err));
    put_text(f->dir->fd, "pstree.img", "no image at all");
    assert_fails_saying(BV_ECORRUPT, "unknown format", criu_compare(f->dir->fd, &sum, &err));
    uint32_t endless[3] = {0x54564319u, 0x50273030u, 0xffffffffu};
    put_bytes(f->dir->fd, "pstree.img", endless, sizeof(endless));
    assert_fails_saying(BV_ECORRUPT, "pstree.img is not valid", criu_compare(f->dir->fd, &sum, &err));
    assert_int_equal(unlinkat(f->dir->fd, "pstree.img", 0), 0);
    assert_fails_saying(BV_ECORRUPT, "pstree.img", criu_compare(f->dir->fd, &sum, &err));
}

#define compare_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        compare_test(what_is_the_same_is_counted),
        compare_test(one_byte_is_found),
        compare_test(what_the_kernel_writes_by_itself_may_differ),
        compare_test(pages_that_the_image_does_not_hold_are_not_compared),
        compare_test(memory_that_is_not_there_is_found),
        compare_test(a_thread_that_is_missing_is_found),
        compare_test(a_process_that_is_missing_is_found),
        compare_test(images_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
