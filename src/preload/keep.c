/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is loaded into the programs of a job (LD_PRELOAD). The memory of a deleted file that is still mapped
 * cannot be dumped without privilege: the kernel shows it under a name that is no more. So what a program deletes in
 * the capsule's own /dev/shm (or private /tmp) gets another name, in a directory that the capsule's init empties of
 * what nobody uses. For the program it is gone all the same.
 *
 * It runs in programs that are not ours, in signal handlers and between fork and exec: no allocation, no state but a
 * counter, system calls, and errno as the caller expects it. */
#include "preload/place.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

#define SHM         "/dev/shm/"
#define SEM         SHM "sem."
#define NAMES_MAX   1000 /* that another thread or an earlier program of our pid may have taken */
#define NAME_PREFIX (sizeof(SEM) - 1)

static int plain_unlink(int dirfd, const char *path)
{
    return (int)syscall(SYS_unlinkat, dirfd, path, 0);
}

static int same_device(const struct statx *a, const struct statx *b)
{
    return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

/* The directory for what is on the file system of `file`; NULL where deleting means deleting. The directory must be our
 * own: in a /tmp that is shared, anybody could have made one of that name. */
static const char *place_of(const struct statx *file)
{
    static const char *const places[] = {BV_KEPT_SHM, BV_KEPT_TMP};
    for (int i = 0; i < 2; i++) {
        struct statx dir;
        if (statx(AT_FDCWD, places[i], AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_MODE | STATX_UID, &dir) == 0 &&
            same_device(&dir, file) && dir.stx_mode == (S_IFDIR | 0700) && dir.stx_uid == geteuid())
            return places[i];
    }
    return NULL;
}

/* 1 if the file has got another name, 0 if it is to be deleted; errno is as it was. */
static int keep(int dirfd, const char *path)
{
    static atomic_ulong counter;
    int saved = errno, kept = 0;
    struct statx file;
    const char *place = NULL;
    /* Without asking a server for what is not needed: a job may delete millions of files elsewhere. */
    if (statx(dirfd, path, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE, &file) == 0 && S_ISREG(file.stx_mode))
        place = place_of(&file);
    for (int i = 0; place && i < NAMES_MAX; i++) {
        char name[sizeof(BV_KEPT_SHM) + 64];
        snprintf(name, sizeof(name), "%s/%d-%lu", place, (int)getpid(), atomic_fetch_add(&counter, 1));
        kept = syscall(SYS_renameat2, dirfd, path, AT_FDCWD, name, RENAME_NOREPLACE) == 0;
        if (kept || errno != EEXIST)
            break;
    }
    errno = saved;
    return kept;
}

EXPORT int unlink(const char *path)
{
    return keep(AT_FDCWD, path) ? 0 : plain_unlink(AT_FDCWD, path);
}

EXPORT int unlinkat(int dirfd, const char *path, int flags)
{
    if (!flags && keep(dirfd, path))
        return 0;
    return (int)syscall(SYS_unlinkat, dirfd, path, flags);
}

EXPORT int remove(const char *path)
{
    int saved = errno;
    if (unlink(path) == 0)
        return 0;
    if (errno != EISDIR || syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) < 0)
        return -1;
    errno = saved;
    return 0;
}

/* The file of a shared memory object or semaphore; 0 for a name that libc shall refuse. */
static int file_of(const char *prefix, const char *name, char ret[NAME_PREFIX + NAME_MAX + 1])
{
    while (*name == '/')
        name++;
    if (!*name || strchr(name, '/') || strlen(name) + strlen(prefix) - strlen(SHM) > NAME_MAX)
        return 0;
    snprintf(ret, NAME_PREFIX + NAME_MAX + 1, "%s%s", prefix, name);
    return 1;
}

typedef int (*unlink_function)(const char *);

static int unlink_named(const char *prefix, const char *function, const char *name)
{
    char path[NAME_PREFIX + NAME_MAX + 1];
    if (file_of(prefix, name, path) && keep(AT_FDCWD, path))
        return 0;
    unlink_function next = (unlink_function)dlsym(RTLD_NEXT, function);
    if (next)
        return next(name);
    errno = ENOSYS;
    return -1;
}

EXPORT int shm_unlink(const char *name)
{
    return unlink_named(SHM, "shm_unlink", name);
}

EXPORT int sem_unlink(const char *name)
{
    return unlink_named(SEM, "sem_unlink", name);
}

/* Put a new semaphore under its name. 0, or -1 with errno: EEXIST if there is one. */
static int create_semaphore(const char *path, mode_t mode, unsigned value)
{
    char temporary[sizeof(BV_KEEP_SHM) + 64];
    static atomic_ulong counter;
    sem_t content;
    memset(&content, 0, sizeof(content));
    if (sem_init(&content, 1, value) < 0)
        return -1;
    snprintf(temporary, sizeof(temporary), "%s/sem-%d-%lu", BV_KEEP_SHM, (int)getpid(), atomic_fetch_add(&counter, 1));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    int rc = write(fd, &content, sizeof(content)) == (ssize_t)sizeof(content) ? 0 : -1;
    close(fd);
    if (rc == 0)
        rc = link(temporary, path);
    int why = errno;
    plain_unlink(AT_FDCWD, temporary);
    errno = why;
    return rc;
}

typedef sem_t *(*sem_open_function)(const char *, int, ...);

/* glibc makes a semaphore under another name, maps that, and deletes it: whoever has created one would have a deleted
 * file mapped. Here it is made first, and then opened by its name as any other. */
EXPORT sem_t *sem_open(const char *name, int flags, ...)
{
    char path[NAME_PREFIX + NAME_MAX + 1];
    mode_t mode = 0;
    unsigned value = 0;
    sem_open_function next = (sem_open_function)dlsym(RTLD_NEXT, "sem_open");
    if (flags & O_CREAT) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        value = va_arg(ap, unsigned);
        va_end(ap);
    }
    if (!next) {
        errno = ENOSYS;
        return SEM_FAILED;
    }
    if (!(flags & O_CREAT) || !file_of(SEM, name, path) || access(BV_KEEP_SHM, W_OK) < 0)
        return next(name, flags, mode, value);

    int saved = errno;
    for (int i = 0; i < NAMES_MAX; i++) {
        int made = create_semaphore(path, mode, value) == 0;
        if (!made && (errno != EEXIST || (flags & O_EXCL)))
            return SEM_FAILED;
        sem_t *sem = next(name, flags & ~(O_CREAT | O_EXCL));
        if (sem != SEM_FAILED || errno != ENOENT) {
            errno = sem != SEM_FAILED ? saved : errno;
            return sem;
        }
        /* Somebody has deleted it meanwhile. */
    }
    return SEM_FAILED;
}
