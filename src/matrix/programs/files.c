/* SPDX-License-Identifier: Apache-2.0 */
/* What programs do with files. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matrix/programs/row.h"

static void append(void)
{
    int fd = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    row_must(fd >= 0 && write(fd, "one\n", 4) == 4);
    row_ready();
    row_check(fcntl(fd, F_GETFL) & O_APPEND, "the file is not appended to any more");
    row_must(write(fd, "two\n", 4) == 4);
    row_check(row_holds("log", "one\ntwo\n"), "the file has other lines");
}

static void overwrite(void)
{
    int fd = open("data", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    row_must(fd >= 0 && write(fd, "0123456789", 10) == 10 && lseek(fd, 4, SEEK_SET) == 4);
    row_ready();
    row_check(lseek(fd, 0, SEEK_CUR) == 4, "the offset is %ld instead of 4", (long)lseek(fd, 0, SEEK_CUR));
    row_must(write(fd, "ab", 2) == 2 && pwrite(fd, "Z", 1, 9) == 1);
    row_check(row_holds("data", "0123ab678Z"), "the file has other bytes");
}

#define SCRATCH_SIZE (8 << 20)

static void scratch_file(void)
{
    struct stat st;
    int fd = open("scratch", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    row_must(fd >= 0);
    row_fill(fd, SCRATCH_SIZE);
    row_must(unlink("scratch") == 0);
    row_ready();
    row_check(row_is_filled(fd, SCRATCH_SIZE), "the file has other bytes");
    row_check(fstat(fd, &st) == 0 && st.st_nlink == 0 && !row_exists("scratch"), "the file is not deleted any more");
}

/* Checks two maps of one file, of which one is private. */
static void check_maps(int fd)
{
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    row_must(shared != MAP_FAILED && private != MAP_FAILED);
    memcpy(shared, "shared", 6);
    memcpy(private, "private", 7);
    row_ready();
    char got[7] = {0};
    row_check(memcmp(private, "private", 7) == 0, "the private map has other bytes");
    row_check(memcmp(shared, "shared", 6) == 0, "the shared map has other bytes");
    shared[0] = 'S';
    private[0] = 'P';
    row_check(pread(fd, got, 6, 0) == 6 && memcmp(got, "Shared", 6) == 0,
              "the file has not what was written to the map");
}

static void mapped(void)
{
    int fd = open("data", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    row_must(fd >= 0 && ftruncate(fd, 4096) == 0);
    check_maps(fd);
}

static void shm_file(void)
{
    int fd = shm_open("/bivouac-matrix", O_RDWR | O_CREAT | O_EXCL, 0600);
    row_must(fd >= 0 && ftruncate(fd, 4096) == 0);
    check_maps(fd);
    row_check(shm_unlink("/bivouac-matrix") == 0, "the file has lost its name");
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");
    row_must(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* With "on" it goes on and does what a restart must undo. */
static void capture(void)
{
    int went_on = 0;
    put("state", "step 1\n");
    row_say("ready");
    while (!row_exists("go")) {
        if (row_exists("on") && !went_on) {
            went_on = 1;
            put("state", "step 2, which is lost\n");
            put("result", "of step 2\n");
            row_say("on");
        }
        row_nap();
    }
    row_check(!went_on, "the program itself has not gone back");
    row_check(row_holds("state", "step 1\n"), "a file that was closed has not gone back");
    row_check(!row_exists("result"), "a file that was not there before is there");
}

static const struct row_case cases[] = {
    {"append", append},
    {"overwrite", overwrite},
    {"scratch-file", scratch_file},
    {"mapped", mapped},
    {"shm-file", shm_file},
    {"capture", capture},
    {NULL},
};

int main(int argc, char **argv)
{
    return row_main(argc, argv, cases);
}
