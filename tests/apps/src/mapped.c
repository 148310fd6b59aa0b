/* SPDX-License-Identifier: Apache-2.0 */
/* mapped [STEPS]: two processes write in turns into a file that both have mapped shared and that grows now and then;
 * a private mapping of it and a shared anonymous one go along. At the end the file must hold, byte for byte, what
 * this life remembers. */

#include "app.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PAGE_WORDS = 1024, START_PAGES = 64, MOST_PAGES = 256, GROW_EVERY = 10 };

struct turns {
    sem_t parent, child;
    uint32_t word[MOST_PAGES * PAGE_WORDS]; /* what the file should hold */
    unsigned pages;
};

static unsigned pages_at(unsigned step)
{
    unsigned pages = START_PAGES + step / GROW_EVERY;

    return pages < MOST_PAGES ? pages : MOST_PAGES;
}

/* The mapping of the first pages of the file; grows the file if it is ours to grow. */
static uint32_t *map_file(int fd, unsigned pages, uint32_t *old, unsigned old_pages, int grow)
{
    size_t size = pages * PAGE_WORDS * sizeof(uint32_t);
    void *map;

    if (grow)
        CHECK(ftruncate(fd, (off_t)size) == 0);
    if (old)
        map = mremap(old, old_pages * PAGE_WORDS * sizeof(uint32_t), size, MREMAP_MAYMOVE);
    else
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    return map;
}

static void take_turns(struct turns *t, int fd, unsigned steps, int is_child)
{
    sem_t *mine = is_child ? &t->child : &t->parent, *theirs = is_child ? &t->parent : &t->child;
    unsigned pages = START_PAGES;
    uint32_t *map = map_file(fd, pages, NULL, 0, !is_child);

    for (unsigned step = 0; step < steps; step++) {
        while (sem_wait(mine) < 0)
            CHECK(errno == EINTR);
        unsigned want = pages_at(step);
        if (want != pages)
            map = map_file(fd, want, map, pages, !is_child);
        pages = want;
        for (unsigned i = 0; i < 200; i++) {
            uint32_t at = mix(step * 400 + i * 2 + (unsigned)is_child) % (pages * PAGE_WORDS);
            CHECK(map[at] == t->word[at]);
            map[at] = t->word[at] = mix(at ^ step) + (unsigned)is_child;
        }
        if (!is_child && step % 20 == 0) {
            CHECK(msync(map, PAGE_WORDS * sizeof(uint32_t), MS_SYNC) == 0);
            printf("step %u with %u pages\n", step, pages);
            fflush(stdout);
        }
        pause_ms(4);
        CHECK(sem_post(theirs) == 0);
    }
    t->pages = pages;
}

static uint32_t check_file(const struct turns *t)
{
    uint32_t word, sum = 0;
    FILE *f = fopen("mapped.bin", "re");

    CHECK(f);
    for (unsigned i = 0; i < t->pages * PAGE_WORDS; i++) {
        CHECK(fread(&word, sizeof(word), 1, f) == 1);
        CHECK(word == t->word[i]);
        sum = sum * 31 + word;
    }
    CHECK(fread(&word, 1, 1, f) == 0);
    fclose(f);
    return sum;
}

int main(int argc, char **argv)
{
    unsigned steps = argument(argc, argv, 1, 500);
    int fd = open("mapped.bin", O_RDWR | O_CREAT | O_TRUNC, 0644);
    struct turns *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    CHECK(fd >= 0 && t != MAP_FAILED);
    CHECK(sem_init(&t->parent, 1, 1) == 0 && sem_init(&t->child, 1, 0) == 0);
    CHECK(ftruncate(fd, START_PAGES * PAGE_WORDS * (off_t)sizeof(uint32_t)) == 0);
    uint32_t *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(private != MAP_FAILED);
    private[7] = 0x12345678;

    pid_t pid = fork();
    CHECK(pid >= 0);
    take_turns(t, fd, steps, pid == 0);
    if (pid == 0)
        _exit(0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(private[7] == 0x12345678);
    printf("%u pages, sum %08x\n", t->pages, check_file(t));
    return 0;
}
