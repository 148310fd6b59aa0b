/* SPDX-License-Identifier: Apache-2.0 */
/* Restarts elsewhere, and of what has gone on. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matrix/programs/row.h"

static int open_log(void)
{
    int fd = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    row_must(fd >= 0 && write(fd, "one\n", 4) == 4);
    return fd;
}

/* It sees its directory where that was, and has its files open in the new one. */
static void directory(void)
{
    char before[PATH_MAX], now[PATH_MAX];
    int log = open_log(), data = open("data", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    row_must(getcwd(before, sizeof(before)) && data >= 0 && write(data, "0123456789", 10) == 10);
    char *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, data, 0);
    row_must(map != MAP_FAILED);
    row_ready();
    row_check(getcwd(now, sizeof(now)) && strcmp(before, now) == 0, "the directory is %s instead of %s", now, before);
    map[0] = 'x';
    row_check(write(data, "abc", 3) == 3 && write(log, "two\n", 4) == 4, "a file cannot be written: errno %d", errno);
    row_check(row_holds("data", "x123456789abc"), "a file that was open is not the one of this directory");
    row_check(row_holds("log", "one\ntwo\n"), "a file that is appended to is not the one of this directory");
}

/* Two of it, each in its own directory. */
static void copy(void)
{
    int log = open_log();
    row_ready();
    row_check(write(log, "two\n", 4) == 4 && row_holds("log", "one\ntwo\n"), "another copy has written to this file");
}

/* What is done when a file "on" is there must not be seen by who goes on from before that. */
static void roll_back(void)
{
    struct stat st;
    int log = open_log(), data = open("data", O_RDWR | O_CREAT | O_CLOEXEC, 0600), went_on = 0;
    row_must(data >= 0 && write(data, "0123456789", 10) == 10);
    row_say("ready");
    while (!row_exists("go")) {
        if (row_exists("on") && !went_on) {
            went_on = 1;
            row_must(write(log, "of the lost future\n", 19) == 19 && pwrite(data, "XYZ", 3, 2) == 3);
            row_must(write(data, "of the lost future", 18) == 18);
            row_say("on");
        }
        row_nap();
    }
    row_check(!went_on, "the program itself has not gone back");
    row_check(row_holds("data", "0123456789"), "a file that was overwritten has not gone back");
    row_check(row_holds("log", "one\n"), "a file that was appended to has not gone back");
    row_check(write(log, "two\n", 4) == 4 && row_holds("log", "one\ntwo\n"), "the next line is not where it belongs");
    row_check(fstat(STDOUT_FILENO, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size == 6),
              "standard output has %ld bytes instead of 6", (long)st.st_size);
}

static const struct row_case cases[] = {{"directory", directory}, {"copy", copy}, {"roll-back", roll_back}, {NULL}};

int main(int argc, char **argv)
{
    return row_main(argc, argv, cases);
}
