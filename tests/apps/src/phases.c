/* SPDX-License-Identifier: Apache-2.0 */
/* phases DIR: works on files in three phases and starts the next when DIR holds a file of its name ("2", "3"). What it
 * meets in the second phase must be what the first one left, else it ends with the status of the check:
 *   9  a part that it has not written yet is there     10  a part that it wrote is gone or was changed
 *   11 an open file is not what it was                 12  a closed file is not what it was */

#include "app.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { SIZE = 65536 };

static void fill(unsigned char *block, uint32_t seed)
{
    for (unsigned i = 0; i < SIZE; i++)
        block[i] = (unsigned char)mix(seed + i);
}

static void expect(int condition, int status, const char *what)
{
    if (condition)
        return;
    printf("unexpected: %s\n", what);
    fflush(stdout);
    exit(status);
}

static void await(int dir, const char *phase)
{
    while (faccessat(dir, phase, F_OK, 0) < 0)
        pause_ms(10);
}

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

/* Writes a whole file that must not exist, and closes it. */
static void make_part(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

    expect(fd >= 0, 9, name);
    write_all(fd, text, strlen(text));
    close(fd);
}

static void replace(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0);
    write_all(fd, text, strlen(text));
    close(fd);
}

static int holds(const char *name, const char *text)
{
    char buf[64] = "";
    int fd = open(name, O_RDONLY);

    if (fd < 0)
        return 0;
    ssize_t n = read(fd, buf, sizeof(buf) - 1);
    close(fd);
    return n >= 0 && strcmp(buf, text) == 0;
}

static int block_is(int fd, uint32_t seed)
{
    static unsigned char want[SIZE], got[SIZE];

    fill(want, seed);
    return pread(fd, got, SIZE, 0) == SIZE && memcmp(want, got, SIZE) == 0;
}

static void write_block(int fd, uint32_t seed)
{
    static unsigned char block[SIZE];

    fill(block, seed);
    CHECK(pwrite(fd, block, SIZE, 0) == SIZE);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    int dir = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
    int inplace = open("inplace.bin", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int log = open("log.txt", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
    int doomed = open("doomed.bin", O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK(dir >= 0 && inplace >= 0 && log >= 0 && doomed >= 0);
    CHECK(mkdir("data", 0755) == 0 || errno == EEXIST);
    write_block(inplace, 1);
    write_block(doomed, 100);
    write_all(log, "one\n", 4);
    make_part("data/part-1", "part one\n");
    replace("data/state", "after phase 1\n");
    say("phase 1 done");

    await(dir, "2");
    expect(block_is(inplace, 1), 11, "inplace.bin");
    expect(block_is(doomed, 100), 11, "doomed.bin");
    expect(holds("log.txt", "one\n"), 11, "log.txt");
    expect(holds("data/part-1", "part one\n"), 10, "data/part-1");
    expect(holds("data/state", "after phase 1\n"), 12, "data/state");
    write_block(inplace, 2);
    write_all(log, "two\n", 4);
    make_part("data/part-2", "part two\n");
    CHECK(unlink("data/part-1") == 0);
    replace("data/state", "after phase 2\n");
    say("phase 2 done");

    await(dir, "3");
    expect(block_is(inplace, 2), 11, "inplace.bin");
    expect(holds("log.txt", "one\ntwo\n"), 11, "log.txt");
    expect(holds("data/part-2", "part two\n"), 10, "data/part-2");
    expect(holds("data/state", "after phase 2\n"), 12, "data/state");
    say("phase 3 done");
    return 0;
}
