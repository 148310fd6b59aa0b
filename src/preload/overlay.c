/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is loaded into CRIU while it dumps a job inside a container whose files come from an overlay (the
 * default of Apptainer). Where an overlay's layers lie on several file systems, stat(2) tells the number of a device
 * that is only made up for the layer, but /proc/PID/maps that of the overlay. Without privilege CRIU compares the two
 * to find a mapped file by its path, and gives up ("Failed to resolve mapping"). So all stat calls of CRIU tell what
 * maps tells.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

#define OVERLAY_MAGIC 0x794c7630

/* Not into what CRIU starts: its action script is a program of ours. */
__attribute__((constructor)) static void only_here(void)
{
    unsetenv("LD_PRELOAD");
}

/* Call `use` with each line of a file of /proc, until it returns 1. 1 if it did. */
static int find_line(const char *path, int (*use)(const char *line, void *arg), void *arg)
{
    FILE *in = fopen(path, "re");
    char line[4096];
    int found = 0;
    while (in && !found && fgets(line, sizeof(line), in))
        found = use(line, arg);
    if (in)
        fclose(in);
    return found;
}

static int take_mount(const char *line, void *arg)
{
    return sscanf(line, "mnt_id: %d", (int *)arg) == 1;
}

struct mount {
    int id;
    unsigned major_number, minor_number;
};

static int take_device(const char *line, void *arg)
{
    struct mount *m = arg;
    int id;
    return sscanf(line, "%d %*d %u:%u", &id, &m->major_number, &m->minor_number) == 3 && id == m->id;
}

/* The device of the mount that `fd` lies on, if it can be found out. */
static void mount_device(int fd, dev_t *ret)
{
    char path[64];
    struct mount m = {0};
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    if (find_line(path, take_mount, &m.id) && find_line("/proc/self/mountinfo", take_device, &m))
        *ret = makedev(m.major_number, m.minor_number);
}

/* Made-up devices have the major number 0, as those of all file systems without a disk. */
static int may_be_layer(const struct stat *st)
{
    return S_ISREG(st->st_mode) && major(st->st_dev) == 0;
}

static void correct(int fd, struct stat *st)
{
    int saved = errno;
    struct statfs fs;
    if (fstatfs(fd, &fs) == 0 && fs.f_type == OVERLAY_MAGIC)
        mount_device(fd, &st->st_dev);
    errno = saved;
}

static void correct_at(int dirfd, const char *path, int flags, struct stat *st)
{
    int saved = errno;
    int fd = openat(dirfd, path, O_PATH | O_CLOEXEC | ((flags & AT_SYMLINK_NOFOLLOW) ? O_NOFOLLOW : 0));
    if (fd >= 0) {
        correct(fd, st);
        close(fd);
    }
    errno = saved;
}

/* CRIU is compiled with 64-bit offsets, as this is: the linker knows these functions by names that end in 64. */
#define REAL(name, ...) ((int (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name "64"))

EXPORT int fstat(int fd, struct stat *st)
{
    int rc = REAL("fstat", int, struct stat *)(fd, st);
    if (rc == 0 && may_be_layer(st))
        correct(fd, st);
    return rc;
}

EXPORT int fstatat(int dirfd, const char *restrict path, struct stat *restrict st, int flags)
{
    int rc = REAL("fstatat", int, const char *, struct stat *, int)(dirfd, path, st, flags);
    if (rc == 0 && may_be_layer(st))
        correct_at(dirfd, path, flags, st);
    return rc;
}

EXPORT int stat(const char *restrict path, struct stat *restrict st)
{
    return fstatat(AT_FDCWD, path, st, 0);
}
