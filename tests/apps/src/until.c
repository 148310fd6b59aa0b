/* SPDX-License-Identifier: Apache-2.0 */
/* until NAME [STATUS [MIB]]: a line of standard output and of the file "ticks" every 10 ms, one of standard error every
 * tenth, until the file NAME.end is there; then STATUS. MIB of memory are full of what no compression makes smaller.
 * While the file NAME.watch is there, it watches a directory with inotify, which nothing can checkpoint. Each start
 * from the beginning is a line of NAME.starts. */

#include "app.h"

#include <limits.h>
#include <sys/inotify.h>

static const char *path_of(const char *name, const char *what)
{
    static char path[PATH_MAX];

    CHECK(snprintf(path, sizeof(path), "%s.%s", name, what) < (int)sizeof(path));
    return path;
}

static int is_there(const char *name, const char *what)
{
    return access(path_of(name, what), F_OK) == 0;
}

static void count_start(const char *name)
{
    FILE *starts = fopen(path_of(name, "starts"), "a");

    CHECK(starts && fprintf(starts, "start\n") > 0 && fclose(starts) == 0);
}

/* Watches, or does no more. Says so, for the test. */
static void watch(int *fd, int wanted)
{
    if (wanted && *fd < 0) {
        *fd = inotify_init1(IN_CLOEXEC);
        CHECK(*fd >= 0 && inotify_add_watch(*fd, ".", IN_ATTRIB) >= 0);
        fprintf(stderr, "watching\n");
    } else if (!wanted && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static uint32_t word(size_t i)
{
    return mix((uint32_t)i * 2654435761U + 1);
}

int main(int argc, char **argv)
{
    unsigned status = argument(argc, argv, 2, 0), i = 0;
    size_t words = ((size_t)argument(argc, argv, 3, 0) << 20) / sizeof(uint32_t);
    uint32_t *memory = malloc(words * sizeof(*memory) + 1);
    FILE *ticks = fopen("ticks", "w");
    int fd = -1;

    CHECK(argc > 1 && memory && ticks);
    count_start(argv[1]);
    for (size_t k = 0; k < words; k++)
        memory[k] = word(k);
    while (!is_there(argv[1], "end")) {
        printf("tick %u\n", ++i);
        fflush(stdout);
        fprintf(ticks, "tick %u\n", i);
        fflush(ticks);
        if (i % 10 == 0)
            fprintf(stderr, "ten more: %u\n", i);
        watch(&fd, is_there(argv[1], "watch"));
        pause_ms(10);
    }
    for (size_t k = 0; k < words; k++)
        CHECK(memory[k] == word(k));
    printf("last %u\n", i);
    return (int)status;
}
