/* SPDX-License-Identifier: Apache-2.0 */
/* zeros [STEPS]: pages become zeros, and something again, in memory of all kinds: anonymous, of a file that is not
 * zeros below, read-only, shared, inherited by a child that changes it differently. A table remembers what each has to
 * be. Beside that, three generations of processes inherit pages from each other in every way there is, and then leave
 * them alone. */

#include "app.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 512, REGIONS = 6 };

static uint8_t *region[REGIONS];
static uint8_t value[REGIONS][PAGES]; /* what each page is full of */
static unsigned generation;           /* 0, its child 1, and the child of that 2 */

static void *map(int prot, int flags, int fd)
{
    void *p = mmap(NULL, (size_t)PAGES * PAGE, prot, flags, fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

/* --- what is inherited: a page for each way in which three processes can treat it --- */

enum { KEEP, ZEROS, OTHER, DROP, WAYS };
enum { HEIRLOOMS = WAYS * WAYS * WAYS, KINDS = 6, WIPED = 1 };

static uint8_t *heirloom[KINDS];
static _Alignas(PAGE) uint8_t of_bss[HEIRLOOMS * PAGE];

static void make_heirlooms(void)
{
    const int rw = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    const size_t size = (size_t)HEIRLOOMS * PAGE;
    heirloom[0] = map(rw, anonymous, -1);
    heirloom[WIPED] = map(rw, anonymous, -1);
    heirloom[2] = map(rw, anonymous | MAP_GROWSDOWN, -1);
    heirloom[3] = map(rw, anonymous, -1);
    heirloom[4] = of_bss;
    uintptr_t end = (uintptr_t)sbrk((intptr_t)size + PAGE);
    CHECK(end != (uintptr_t)-1);
    heirloom[5] = (uint8_t *)((end + PAGE - 1) / PAGE * PAGE);
    CHECK(madvise(heirloom[WIPED], size, MADV_WIPEONFORK) == 0);
    CHECK(mlock(heirloom[3], size) == 0); /* which a child does not inherit */
}

static unsigned way_of(unsigned page, unsigned of)
{
    return of == 0 ? page % WAYS : of == 1 ? page / WAYS % WAYS : page / (WAYS * WAYS);
}

/* Each generation, when it is born, does this with all of it. */
static void treat_heirlooms(void)
{
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned page = 0; page < HEIRLOOMS; page++) {
            uint8_t *p = heirloom[kind] + (size_t)page * PAGE;
            unsigned way = way_of(page, generation);
            if (way == ZEROS || way == OTHER)
                memset(p, way == ZEROS ? 0 : (int)(0x11 * (generation + 1)), PAGE);
            else if (way == DROP && (kind != 3 || generation > 0)) /* locked memory cannot be dropped */
                CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0);
        }
}

static void check_heirlooms(void)
{
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned page = 0; page < HEIRLOOMS; page++) {
            const uint8_t *p = heirloom[kind] + (size_t)page * PAGE;
            uint8_t is = 0;
            for (unsigned i = 0; i <= generation; i++) {
                unsigned way = way_of(page, i);
                if (way != KEEP || kind == WIPED)
                    is = way == OTHER ? (uint8_t)(0x11 * (i + 1)) : 0;
            }
            int is_right = p[0] == is && memcmp(p, p + 1, PAGE - 1) == 0;
            if (!is_right)
                fprintf(stderr, "generation %u: page %u of kind %u is 0x%02x\n", generation, page, kind, p[0]);
            CHECK(is_right);
        }
}

static void *watch_heirlooms(void *arg)
{
    for (const atomic_int *is_over = arg; !*is_over; pause_ms(20))
        check_heirlooms();
    return NULL;
}

/* --- what is changed all the time --- */

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
            if (r == 4 && generation)
                continue; /* the first one's */
            check_page(r, page);
            sum = mix(sum + value[r][page]);
        }
    return sum;
}

static void live(unsigned steps)
{
    atomic_int is_over = 0;
    pthread_t watcher;
    CHECK(pthread_create(&watcher, NULL, watch_heirlooms, &is_over) == 0);
    for (unsigned step = 0; step < steps; step++) {
        uint32_t x = mix(step * 3 + generation);
        for (unsigned i = 0; i < 60; i++) {
            unsigned r = (x = mix(x + i)) % REGIONS, page = (x >> 8) % PAGES;
            if (r != 4 || !generation)
                change_page(r, page, x >> 20 & 1 ? 0 : (uint8_t)(x >> 24));
        }
        if (step % 20 == 0) {
            uint32_t sum = check_all();
            if (!generation) {
                printf("step %u: %08x\n", step, sum);
                fflush(stdout);
            }
        }
        pause_ms(5);
    }
    check_all();
    is_over = 1;
    CHECK(pthread_join(watcher, NULL) == 0);
    check_heirlooms();
}

/* One generation, and in it the next. */
static void live_with_children(unsigned steps)
{
    int status;
    pid_t child = 0;
    treat_heirlooms();
    check_heirlooms();
    if (generation < 2) {
        child = fork();
        CHECK(child >= 0);
    }
    if (generation < 2 && child == 0) {
        generation++;
        for (unsigned page = 0; page < PAGES; page++)
            change_page(5, page, page % 4 ? 0 : (uint8_t)(0x33 + generation));
        live_with_children(steps);
        _exit(0);
    }
    live(steps);
    if (child)
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    make_heirlooms();
    make_regions();
    /* Before the child comes, half of it is not zeros; the child has its own idea of that. */
    for (unsigned page = 0; page < PAGES; page += 2)
        change_page(5, page, 0x77);
    live_with_children(argument(argc, argv, 1, 300));
    puts("done");
    return 3;
}
