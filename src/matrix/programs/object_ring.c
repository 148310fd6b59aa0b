/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel interfaces with memory of their own. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "matrix/programs/object.h"

static void async_io(void)
{
    aio_context_t context = 0;
    static char text[512] = "written";
    int fd = have(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "create a file");
    have((int)syscall(SYS_io_setup, 8, &context), "set libaio up");
    hold();
    struct iocb block = {.aio_fildes = (unsigned)fd,
                         .aio_lio_opcode = IOCB_CMD_PWRITE,
                         .aio_buf = (uint64_t)(uintptr_t)text,
                         .aio_nbytes = sizeof(text)};
    struct iocb *blocks[] = {&block};
    struct io_event e;
    row_check(syscall(SYS_io_submit, context, 1, blocks) == 1, "libaio takes no order any more");
    row_check(syscall(SYS_io_getevents, context, 1, 1, &e, NULL) == 1 && e.res == sizeof(text), "libaio does nothing");
}

static int make_ring(struct io_uring_params *p)
{
    memset(p, 0, sizeof(*p));
    return have((int)syscall(SYS_io_uring_setup, 8, p), "make an io_uring");
}

static void ring_open(void)
{
    struct io_uring_params p;
    int fd = make_ring(&p);
    hold();
    row_check(syscall(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0) >= 0, "the ring is gone");
}

static void ring_closed(void)
{
    struct io_uring_params p;
    close(make_ring(&p));
    hold();
}

/* As some libraries do: the descriptor is closed and the memory is not. */
static void ring_mapped(void)
{
    struct io_uring_params p;
    int fd = make_ring(&p);
    size_t n = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    void *m = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
    have(m == MAP_FAILED ? -1 : 0, "map an io_uring");
    close(fd);
    hold();
    unsigned entries = *(unsigned *)((char *)m + p.sq_off.ring_entries);
    row_check(entries == p.sq_entries, "the memory of the ring is another");
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    int found = 0;
    while (maps && fgets(line, sizeof(line), maps))
        found |= strstr(line, "[io_uring]") != NULL;
    row_check(found, "the memory of the ring belongs to no ring any more");
}

static void fault_descriptor(void)
{
    int fd = have((int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY | O_CLOEXEC), "make a userfaultfd");
    struct uffdio_api api = {.api = UFFD_API};
    hold();
    row_check(ioctl(fd, UFFDIO_API, &api) == 0, "the userfaultfd is gone");
}

static void performance(void)
{
    uint64_t n = 0;
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE,
                                .size = sizeof(a),
                                .config = PERF_COUNT_SW_TASK_CLOCK,
                                .exclude_kernel = 1,
                                .exclude_hv = 1};
    int fd = have((int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0), "count events of the CPU");
    hold();
    row_check(read(fd, &n, sizeof(n)) == sizeof(n) && n > 0, "the counter is gone");
}

const struct row_case object_ring_cases[] = {
    {"aio", async_io},
    {"io_uring", ring_open},
    {"io_uring-closed", ring_closed},
    {"io_uring-mapped", ring_mapped},
    {"userfaultfd", fault_descriptor},
    {"perf", performance},
    {NULL},
};
