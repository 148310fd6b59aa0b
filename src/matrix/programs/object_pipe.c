/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, and what is on its way through them. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matrix/programs/object.h"

#define IN_FLIGHT 300000 /* bytes */
#define CAPACITY  (1 << 20)

static unsigned char bytes[IN_FLIGHT];

static int read_all(int fd, unsigned char *buffer, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t more = is_readable(fd) ? read(fd, buffer + got, n - got) : -1;
        if (more <= 0)
            return 0;
        got += (size_t)more;
    }
    return 1;
}

static void in_flight(void)
{
    int ends[2];
    have(pipe(ends), "make a pipe");
    have(fcntl(ends[1], F_SETPIPE_SZ, CAPACITY), "make a pipe bigger");
    fill(bytes, sizeof(bytes), 1);
    have(write(ends[1], bytes, sizeof(bytes)) == sizeof(bytes) ? 0 : -1, "fill a pipe");
    memset(bytes, 0, sizeof(bytes));
    hold();
    row_check(read_all(ends[0], bytes, sizeof(bytes)) && is_filled(bytes, sizeof(bytes), 1),
              "what was in the pipe is gone");
    row_check(fcntl(ends[0], F_GETPIPE_SZ) == CAPACITY, "the pipe has another capacity");
}

/* The pages in the pipe are those of a file. */
static void spliced(void)
{
    unsigned char got[20000];
    int ends[2], fd = have(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "create a file");
    have(pipe(ends), "make a pipe");
    have(fcntl(ends[1], F_SETPIPE_SZ, 16384 * 2), "resize a pipe");
    fill(bytes, sizeof(got), 2);
    have(write(fd, bytes, sizeof(got)) == sizeof(got) ? 0 : -1, "write a file");
    off_t from = 0;
    have(splice(fd, &from, ends[1], NULL, sizeof(got), 0) == sizeof(got) ? 0 : -1, "splice a file into a pipe");
    hold();
    row_check(fcntl(ends[0], F_GETPIPE_SZ) == 16384 * 2, "the pipe has another capacity");
    row_check(read_all(ends[0], got, sizeof(got)) && is_filled(got, sizeof(got), 2), "what was in the pipe is gone");
}

/* Each read gives one message. */
static void packets(void)
{
    char text[16];
    int ends[2];
    have(pipe2(ends, O_DIRECT | O_NONBLOCK), "make a pipe of packets");
    have(write(ends[1], "one", 3) == 3 && write(ends[1], "three", 5) == 5 ? 0 : -1, "write to a pipe");
    hold();
    row_check(read(ends[0], text, sizeof(text)) == 3, "the messages in the pipe are not apart any more");
    row_check(read(ends[0], text, sizeof(text)) == 5, "a message in the pipe is gone");
    row_check(write(ends[1], "one", 3) == 3 && write(ends[1], "two", 3) == 3 && read(ends[0], text, sizeof(text)) == 3,
              "the pipe does not keep messages apart any more");
}

static void named(void)
{
    unsigned char got[1000];
    have(mkfifo("fifo", 0600), "make a fifo");
    int fd = have(open("fifo", O_RDWR | O_CLOEXEC), "open a fifo");
    fill(bytes, sizeof(got), 3);
    have(write(fd, bytes, sizeof(got)) == sizeof(got) ? 0 : -1, "write to a fifo");
    hold();
    row_check(read_all(fd, got, sizeof(got)) && is_filled(got, sizeof(got), 3), "what was in the fifo is gone");
}

const struct row_case object_pipe_cases[] = {
    {"pipe", in_flight}, {"pipe-spliced", spliced}, {"pipe-packets", packets}, {"fifo", named}, {NULL},
};
