/* SPDX-License-Identifier: Apache-2.0 */
/* Open files, and what belongs to a descriptor rather than to a file. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "matrix/programs/object.h"

static int create(const char *path, int flags)
{
    return have(open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600), "create a file");
}

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int make_memfd(void)
{
    int fd = have(memfd_create("object", MFD_ALLOW_SEALING | MFD_CLOEXEC), "make a memfd");
    have((int)write(fd, "content", 7), "write to a memfd");
    have(fcntl(fd, F_ADD_SEALS, SEALS), "seal a memfd");
    return fd;
}

static char *map_memfd(int fd, int flags)
{
    char *m = mmap(NULL, 7, PROT_READ | PROT_WRITE, flags, fd, 0);
    have(m == MAP_FAILED ? -1 : 0, "map a memfd");
    return m;
}

static void memory_file(void)
{
    char text[8] = "";
    int fd = make_memfd();
    hold();
    row_check(fcntl(fd, F_GET_SEALS) == SEALS, "the memfd has other seals");
    row_check(pread(fd, text, 7, 0) == 7 && strcmp(text, "content") == 0, "the memfd has another content");
}

static void memory_file_mapped(void)
{
    int fd = make_memfd();
    char *m = map_memfd(fd, MAP_SHARED);
    close(fd);
    hold();
    row_check(memcmp(m, "content", 7) == 0, "the memfd has another content");
}

static void memory_file_private(void)
{
    int fd = make_memfd();
    char *m = map_memfd(fd, MAP_PRIVATE);
    close(fd);
    hold();
    row_check(memcmp(m, "content", 7) == 0, "the memfd has another content");
}

static void memory_file_both(void)
{
    char text[8] = "";
    int fd = make_memfd();
    char *m = map_memfd(fd, MAP_SHARED);
    hold();
    m[0] = 'C';
    row_check(pread(fd, text, 7, 0) == 7 && strcmp(text, "Content") == 0, "the memfd and its mapping are apart");
}

static void secret_memory(void)
{
    int fd = have((int)syscall(SYS_memfd_secret, 0), "make a secret memfd");
    have(ftruncate(fd, 4096), "make a secret memfd longer");
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    have(m == MAP_FAILED ? -1 : 0, "map a secret memfd");
    strcpy(m, "content");
    hold();
    row_check(strcmp(m, "content") == 0, "the secret memfd has another content");
}

static void descriptor_flags(void)
{
    int ends[2], fd = create("file", O_APPEND);
    int plain = have(open("file", O_RDONLY), "open a file");
    have(pipe(ends), "make a pipe");
    have(fcntl(ends[0], F_SETFL, O_NONBLOCK | O_ASYNC), "set O_ASYNC");
    have(fcntl(ends[0], F_SETOWN, getpid()), "set the owner of a descriptor");
    have(fcntl(ends[0], F_SETSIG, SIGRTMIN + 1), "set the signal of a descriptor");
    hold();
    row_check(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(plain, F_GETFD) == 0, "FD_CLOEXEC is not as it was");
    row_check(fcntl(fd, F_GETFL) & O_APPEND, "O_APPEND is gone");
    row_check(fcntl(ends[0], F_GETFL) & O_NONBLOCK, "O_NONBLOCK is gone");
    row_check(fcntl(ends[0], F_GETOWN) == getpid(), "the owner of the descriptor is another");
    row_check(fcntl(ends[0], F_GETSIG) == SIGRTMIN + 1, "the signal of the descriptor is another");
    row_check(fcntl(ends[0], F_GETFL) & O_ASYNC, "O_ASYNC is gone");
}

static int read_three(void *arg)
{
    char text[3];
    hold_quietly();
    return read(*(int *)arg, text, 3) == 3 ? text[0] : 0;
}

/* A copy and a child have one place in the file, another descriptor has its own. */
static void offsets(void)
{
    int fd = create("file", 0), copy = have(dup(fd), "copy a descriptor");
    int other = have(open("file", O_RDONLY | O_CLOEXEC), "open a file");
    have((int)write(fd, "0123456789", 10), "write a file");
    lseek(fd, 2, SEEK_SET);
    pid_t pid = child(read_three, &fd);
    hold();
    row_check(status_of(pid) == '2', "the child reads from another place");
    row_check(lseek(copy, 0, SEEK_CUR) == 5, "copies of a descriptor have not one place any more");
    row_check(lseek(other, 0, SEEK_CUR) == 0, "another descriptor has another place");
}

static void sparse(void)
{
    struct stat st;
    int fd = create("file", 0), allocated = create("allocated", 0);
    have(ftruncate(fd, 1 << 30), "make a file longer");
    have((int)pwrite(fd, "x", 1, 500 << 20), "write a file");
    have(fallocate(allocated, FALLOC_FL_KEEP_SIZE, 0, 1 << 20), "allocate a file");
    hold();
    row_check(fstat(fd, &st) == 0 && st.st_size == 1 << 30 && st.st_blocks < 4096, "the sparse file is full or short");
    row_check(fstat(allocated, &st) == 0 && st.st_size == 0 && st.st_blocks >= 2048,
              "what was allocated is not any more");
}

static void path_only(void)
{
    struct stat st;
    have(symlink("nowhere", "link"), "make a link");
    close(create("file", 0));
    int fd = have(open("file", O_PATH | O_CLOEXEC), "open with O_PATH");
    int link = have(open("link", O_PATH | O_NOFOLLOW | O_CLOEXEC), "open a link with O_PATH");
    hold();
    row_check(fstat(fd, &st) == 0 && S_ISREG(st.st_mode), "the file is another");
    row_check(fstat(link, &st) == 0 && S_ISLNK(st.st_mode), "the link is another");
    row_check(fcntl(fd, F_GETFL) & O_PATH, "O_PATH is gone");
}

static void directory(void)
{
    have(mkdir("directory", 0700), "make a directory");
    int fd = have(open("directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open a directory");
    hold();
    int file = openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    row_check(file >= 0 && access("directory/file", F_OK) == 0, "the directory is another");
}

static int idle(void *arg)
{
    (void)arg;
    hold_quietly();
    return 0;
}

static int open_proc(pid_t pid, const char *file)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    return have(open(path, O_RDONLY | O_CLOEXEC), "look at a process");
}

static void proc_files(void)
{
    char text[64];
    pid_t living = child(idle, NULL), dead = child(idle, NULL);
    int self = open_proc(getpid(), "stat"), other = open_proc(living, "comm"), gone = open_proc(dead, "status");
    kill(dead, SIGKILL);
    row_check(status_of(dead) == 128 + SIGKILL, "a child does not end");
    hold();
    row_check(pread(self, text, sizeof(text), 0) > 0 && atoi(text) == getpid(),
              "the file of the process itself is another");
    row_check(pread(other, text, sizeof(text), 0) > 0, "the file of a child is gone");
    row_check(pread(gone, text, sizeof(text), 0) < 0, "the file of a dead child has come to life");
    row_check(status_of(living) == 0, "the child has not ended as it should");
}

static void name_space(void)
{
    struct stat a, b;
    int fd = have(open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC), "open a namespace");
    hold();
    row_check(fstat(fd, &a) == 0 && stat("/proc/self/ns/uts", &b) == 0 && a.st_ino == b.st_ino,
              "the namespace is another");
}

const struct row_case object_file_cases[] = {
    {"memfd", memory_file},
    {"memfd-mapped", memory_file_mapped},
    {"memfd-private", memory_file_private},
    {"memfd-both", memory_file_both},
    {"memfd-secret", secret_memory},
    {"fd-flags", descriptor_flags},
    {"offsets", offsets},
    {"sparse-file", sparse},
    {"o-path", path_only},
    {"directory-fd", directory},
    {"proc-files", proc_files},
    {"namespace-fd", name_space},
    {NULL},
};
