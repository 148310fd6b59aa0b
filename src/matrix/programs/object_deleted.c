/* SPDX-License-Identifier: Apache-2.0 */
/* What has been deleted and is still in use. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matrix/programs/object.h"

#define BLOCK (64 << 10)

static unsigned char block[BLOCK];

/* A file of `size` bytes that has no name. */
static int make_ghost(const char *path, off_t size)
{
    int fd = have(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), "create a file");
    fill(block, sizeof(block), 1);
    for (off_t at = 0; at < size; at += BLOCK)
        have(pwrite(fd, block, BLOCK, at) == BLOCK ? 0 : -1, "write a file");
    have(unlink(path), "delete a file");
    return fd;
}

static void check_ghost(int fd, off_t size)
{
    struct stat st;
    row_check(fstat(fd, &st) == 0 && st.st_size == size, "the deleted file has another size");
    for (off_t at = 0; at < size; at += BLOCK)
        row_check(pread(fd, block, BLOCK, at) == BLOCK && is_filled(block, BLOCK, 1),
                  "the deleted file is not as it was");
}

static void ghost_of(const char *path, off_t size)
{
    int fd = make_ghost(path, size);
    hold();
    check_ghost(fd, size);
    row_check(access(path, F_OK) < 0, "the deleted file has a name again");
}

static void small(void)
{
    ghost_of("file", BLOCK);
}

static void big(void)
{
    ghost_of("file", 8 << 20);
}

static void in_memory(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/dev/shm/bivouac-matrix-%ld", (long)getpid());
    ghost_of(path, 4 << 20);
}

static void sparse(void)
{
    struct stat st;
    int fd = make_ghost("file", BLOCK);
    have(ftruncate(fd, 512 << 20), "make a file longer");
    have((int)pwrite(fd, "x", 1, 300 << 20), "write a file");
    hold();
    char c = 0;
    row_check(fstat(fd, &st) == 0 && st.st_size == 512 << 20, "the deleted file has another size");
    row_check(pread(fd, &c, 1, 300 << 20) == 1 && c == 'x', "the deleted file is not as it was");
    row_check(st.st_blocks < 8192, "the deleted file is not sparse any more");
}

/* Its other name is still there. */
static void other_name(void)
{
    struct stat a, b;
    int fd = have(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "create a file");
    have((int)write(fd, "content", 7), "write a file");
    have(link("file", "other"), "make a link");
    have(unlink("file"), "delete a file");
    hold();
    row_check(fstat(fd, &a) == 0 && stat("other", &b) == 0 && a.st_ino == b.st_ino,
              "the descriptor is of another file");
    row_check(access("file", F_OK) < 0 && b.st_nlink == 1, "the file has a name too many");
}

static int temporary_of(int flags)
{
    int fd = have(open(".", O_RDWR | O_TMPFILE | O_CLOEXEC | flags, 0600), "make a file without name");
    have((int)write(fd, "content", 7), "write a file");
    return fd;
}

static void temporary(void)
{
    char text[8] = "";
    int fd = temporary_of(0);
    hold();
    row_check(pread(fd, text, 7, 0) == 7 && strcmp(text, "content") == 0, "the file without name is not as it was");
}

static void mapped(void)
{
    int fd = make_ghost("file", BLOCK);
    unsigned char *m = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    have(m == MAP_FAILED ? -1 : 0, "map a file");
    close(fd);
    hold();
    row_check(is_filled(m, BLOCK, 1), "the mapped memory is not as it was");
}

static void directory(void)
{
    struct stat st;
    have(mkdir("directory", 0700), "make a directory");
    int fd = have(open("directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open a directory");
    have(rmdir("directory"), "delete a directory");
    hold();
    row_check(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode), "the deleted directory is gone");
    row_check(access("directory", F_OK) < 0, "the deleted directory has a name again");
}

static void directory_and_file(void)
{
    have(mkdir("directory", 0700), "make a directory");
    int fd = have(open("directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open a directory");
    int file = make_ghost("directory/file", BLOCK);
    have(rmdir("directory"), "delete a directory");
    hold();
    struct stat st;
    row_check(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode), "the deleted directory is gone");
    check_ghost(file, BLOCK);
}

struct apart {
    int fd;
    volatile int *is_closed;
};

static int check_file(void *arg)
{
    struct apart *a = arg;
    close(a->fd);
    int file = make_ghost("directory/file", BLOCK);
    *a->is_closed = 1;
    hold_quietly();
    check_ghost(file, BLOCK);
    return 9;
}

/* One process has the directory, another the file. */
static void directory_and_file_apart(void)
{
    struct apart a;
    struct stat st;
    a.is_closed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    have(a.is_closed == MAP_FAILED ? -1 : 0, "map memory");
    have(mkdir("directory", 0700), "make a directory");
    a.fd = have(open("directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open a directory");
    pid_t pid = child(check_file, &a);
    while (!*a.is_closed)
        row_nap();
    have(rmdir("directory"), "delete a directory");
    hold();
    row_check(status_of(pid) == 9, "the child has not ended as it should");
    row_check(fstat(a.fd, &st) == 0 && S_ISDIR(st.st_mode), "the deleted directory is gone");
}

static void file_in_directory(void)
{
    have(mkdir("directory", 0700), "make a directory");
    int file = make_ghost("directory/file", BLOCK);
    have(rmdir("directory"), "delete a directory");
    hold();
    check_ghost(file, BLOCK);
    row_check(access("directory", F_OK) < 0, "the deleted directory has a name again");
}

static void working_directory(void)
{
    char path[4096];
    have(mkdir("directory", 0700), "make a directory");
    have(chdir("directory"), "enter a directory");
    have(rmdir("../directory"), "delete a directory");
    hold();
    row_check(!getcwd(path, sizeof(path)), "the deleted directory has a name again");
}

static void working_directory_and_file(void)
{
    char path[4096];
    have(mkdir("directory", 0700), "make a directory");
    have(chdir("directory"), "enter a directory");
    int file = make_ghost("file", BLOCK);
    have(rmdir("../directory"), "delete a directory");
    hold();
    check_ghost(file, BLOCK);
    row_check(!getcwd(path, sizeof(path)), "the deleted directory has a name again");
}

const struct row_case object_deleted_cases[] = {
    {"ghost", small},
    {"ghost-8M", big},
    {"ghost-sparse", sparse},
    {"ghost-shm", in_memory},
    {"ghost-mapped", mapped},
    {"ghost-in-directory", file_in_directory},
    {"other-link", other_name},
    {"o-tmpfile", temporary},
    {"deleted-directory", directory},
    {"deleted-directory-and-file", directory_and_file},
    {"deleted-directory-apart", directory_and_file_apart},
    {"deleted-cwd", working_directory},
    {"deleted-cwd-and-file", working_directory_and_file},
    {NULL},
};
