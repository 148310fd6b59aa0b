/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/programs/row.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 6000 /* naps: a minute */

void row_say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

__attribute__((format(printf, 1, 0))) static void say_and_end(const char *fmt, va_list ap, int status)
{
    vprintf(fmt, ap);
    putchar('\n');
    fflush(stdout);
    _exit(status);
}

void row_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say_and_end(fmt, ap, 1);
    abort();
}

void row_not_here(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say_and_end(fmt, ap, 77);
    abort();
}

int row_exists(const char *name)
{
    return access(name, F_OK) == 0;
}

void row_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

void row_wait_for(const char *name)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (row_exists(name))
            return;
        row_nap();
    }
    row_fail("nobody has made the file '%s'", name);
}

void row_ready(void)
{
    row_say("ready");
    row_wait_for("go");
}

int row_main(int argc, char **argv, const struct row_case *cases)
{
    for (; argc == 2 && cases->name; cases++)
        if (strcmp(cases->name, argv[1]) == 0) {
            cases->run();
            row_say("ok");
            return 0;
        }
    fprintf(stderr, "usage: %s CASE; bivouac-matrix(1) runs this program\n", argc > 0 ? argv[0] : "");
    return 2;
}

void row_echo(int from, int to, const char *text, const char *what)
{
    char got[64] = {0};
    size_t n = strlen(text);
    row_check(n < sizeof(got) && write(from, text, n) == (ssize_t)n, "%s cannot be written to: errno %d", what, errno);
    struct pollfd p = {.fd = to, .events = POLLIN};
    row_check(poll(&p, 1, 10000) == 1, "%s does not hand over what is written", what);
    row_check(read(to, got, sizeof(got) - 1) == (ssize_t)n && strcmp(got, text) == 0, "%s hands over '%s' for '%s'",
              what, got, text);
}

int row_holds(const char *name, const char *text)
{
    char got[4096];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got));
    close(fd);
    return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)((i * 2654435761u) >> 13);
}

void row_fill(int fd, size_t size)
{
    unsigned char block[65536];
    for (size_t done = 0; done < size;) {
        size_t n = size - done < sizeof(block) ? size - done : sizeof(block);
        for (size_t i = 0; i < n; i++)
            block[i] = byte_at(done + i);
        row_check(pwrite(fd, block, n, (off_t)done) == (ssize_t)n, "a file cannot be written: errno %d", errno);
        done += n;
    }
}

int row_is_filled(int fd, size_t size)
{
    unsigned char block[65536];
    if (lseek(fd, 0, SEEK_END) != (off_t)size)
        return 0;
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, block, sizeof(block), (off_t)done);
        if (n <= 0)
            return 0;
        for (ssize_t i = 0; i < n; i++)
            if (block[i] != byte_at(done + (size_t)i))
                return 0;
        done += (size_t)n;
    }
    return 1;
}
