/* SPDX-License-Identifier: Apache-2.0 */
/* zeros [STEPS]: pages become zeros, and something again, in memory of all kinds: anonymous, of a file that is not
 * zeros below, read-only, shared, inherited by a child that changes it differently. A table remembers what each has to
 * be. */

#include "app.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 512, REGIONS = 6 };

static uint8_t *region[REGIONS];
static uint8_t value[REGIONS][PAGES]; /* what each page is full of */
static unsigned is_child;

static void *map(int prot, int flags, int fd)
{
    void *p = mmap(NULL, (size_t)PAGES * PAGE, prot, flags, fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

/* A file full of 0x55. */
static int make_file(void)
{
    static uint8_t page[PAGE];
    int fd = open("zeros.bin", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    memset(page, 0x55, sizeof(page));
    for (int i = 0; i < PAGES; i++)
        write_all(fd, page, sizeof(page));
    return fd;
}

static void make_regions(void)
{
    const int rw = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    int fd = make_file();
    region[0] = map(rw, anonymous, -1);
    region[1] = map(rw, MAP_PRIVATE, fd);
    region[2] = map(rw, anonymous | MAP_NORESERVE, -1);
    region[3] = map(rw, anonymous, -1);
    region[4] = map(rw, MAP_SHARED | MAP_ANONYMOUS, -1);
    region[5] = map(rw, anonymous, -1);
    close(fd);
    memset(value[1], 0x55, PAGES);
    /* Zeros that are present, all of them. */
    for (unsigned r = 0; r < REGIONS; r++)
        if (r != 1)
            memset(region[r], 0, (size_t)PAGES * PAGE);
}

static void check_page(unsigned r, unsigned page)
{
    const uint8_t *p = region[r] + (size_t)page * PAGE;
    CHECK(p[0] == value[r][page] && memcmp(p, p + 1, PAGE - 1) == 0);
}

static void change_page(unsigned r, unsigned page, uint8_t to)
{
    check_page(r, page);
    if (r == 3)
        CHECK(mprotect(region[r], (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
    memset(region[r] + (size_t)page * PAGE, to, PAGE);
    if (r == 3)
        CHECK(mprotect(region[r], (size_t)PAGES * PAGE, PROT_READ) == 0);
    value[r][page] = to;
}

static uint32_t check_all(void)
{
    uint32_t sum = 0;
    for (unsigned r = 0; r < REGIONS; r++)
        for (unsigned page = 0; page < PAGES; page++) {
            if (r == 4 && is_child)
                continue; /* the parent's */
            check_page(r, page);
            sum = mix(sum + value[r][page]);
        }
    return sum;
}

static void live(unsigned steps)
{
    for (unsigned step = 0; step < steps; step++) {
        uint32_t x = mix(step * 2 + is_child);
        for (unsigned i = 0; i < 60; i++) {
            unsigned r = (x = mix(x + i)) % REGIONS, page = (x >> 8) % PAGES;
            if (r != 4 || !is_child)
                change_page(r, page, x >> 20 & 1 ? 0 : (uint8_t)(x >> 24));
        }
        if (step % 20 == 0) {
            uint32_t sum = check_all();
            if (!is_child) {
                printf("step %u: %08x\n", step, sum);
                fflush(stdout);
            }
        }
        pause_ms(5);
    }
    check_all();
}

int main(int argc, char **argv)
{
    unsigned steps = argument(argc, argv, 1, 300);
    int status;

    make_regions();
    /* Before the child comes, half of it is not zeros; the child has its own idea of that. */
    for (unsigned page = 0; page < PAGES; page += 2)
        change_page(5, page, 0x77);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        is_child = 1;
        for (unsigned page = 0; page < PAGES; page++)
            change_page(5, page, page % 4 ? 0 : 0x33);
        live(steps);
        _exit(0);
    }
    live(steps);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    puts("done");
    return 3;
}
