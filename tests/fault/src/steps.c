/* SPDX-License-Identifier: Apache-2.0 */
/* steps GATES [COUNT [STATUS [MIB]]]: appends lines to one file, writes records in place into another and prints; every
 * ten steps it waits until the file GATES/<step> exists. So a test decides how far it gets, and what it leaves behind
 * is the same each time. It holds so much memory, and looks at its end whether that is as it was. Each SIGUSR1 leaves a
 * line in signals.txt, and while it waits makes all of the memory new. */

#include "app.h"

#include <fcntl.h>
#include <signal.h>

enum { CELLS = 16, LEG = 10 };

static int signals_fd;
static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    int saved = errno;
    char line[] = "signal ??\n";

    line[7] = (char)('0' + number / 10);
    line[8] = (char)('0' + number % 10);
    write_all(signals_fd, line, sizeof(line) - 1);
    signals++;
    errno = saved;
}

struct memory {
    uint32_t *word;
    size_t words;
    uint32_t salt;
};

static void fill_memory(struct memory *m)
{
    m->salt = (uint32_t)signals;
    for (size_t i = 0; i < m->words; i++)
        m->word[i] = mix((uint32_t)i ^ m->salt << 24);
}

static void await_gate(const char *gates, unsigned step, struct memory *m)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%u", gates, step);
    while (access(path, F_OK) != 0) {
        pause_ms(5);
        if (m->salt != (uint32_t)signals)
            fill_memory(m);
    }
}

static void check_cells(int cells, unsigned steps)
{
    for (unsigned i = 0; i < CELLS && i < steps; i++) {
        unsigned last = (steps - 1 - i) / CELLS * CELLS + i;
        uint32_t cell;

        CHECK(pread(cells, &cell, sizeof(cell), i * 4) == sizeof(cell));
        CHECK(cell == mix(last));
    }
}

static void check_memory(const struct memory *m)
{
    for (size_t i = 0; i < m->words; i++)
        CHECK(m->word[i] == mix((uint32_t)i ^ m->salt << 24));
}

int main(int argc, char **argv)
{
    unsigned count = argument(argc, argv, 2, 50), status = argument(argc, argv, 3, 0);
    int log = open("log.txt", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    int cells = open("cells.bin", O_RDWR | O_CREAT | O_TRUNC, 0644);
    struct memory memory = {.words = ((size_t)argument(argc, argv, 4, 0) << 20) / sizeof(uint32_t)};
    char line[64];

    memory.word = malloc(memory.words * sizeof(uint32_t) + 1);
    CHECK(argc > 1 && log >= 0 && cells >= 0 && memory.word);
    fill_memory(&memory);
    signals_fd = open("signals.txt", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    CHECK(signals_fd >= 0);
    CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_RESTART}, NULL) == 0);
    for (unsigned step = 0; step < count; step++) {
        uint32_t mark = mix(step);

        if (step % LEG == 0)
            await_gate(argv[1], step, &memory);
        printf("step %u %08x\n", step, mark);
        fflush(stdout);
        CHECK(pwrite(cells, &mark, sizeof(mark), step % CELLS * 4) == sizeof(mark));
        check_cells(cells, step + 1);
        snprintf(line, sizeof(line), "line %u %08x\n", step, mix(mark));
        write_all(log, line, strlen(line));
    }
    check_memory(&memory);
    return (int)status;
}
