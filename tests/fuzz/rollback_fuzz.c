/* SPDX-License-Identifier: Apache-2.0 */
/* A capture.json that somebody else wrote is carried out: in a root directory of its own, a tmpfs which is made anew
 * for each input, so that whatever it names is not a file of this machine. Needs unprivileged user namespaces. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "job/capture.h"

#define WORLD "/mnt"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int real_root = -1;

static void need(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

static void write_file(int dirfd, const char *name, const void *bytes, size_t size)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    need(fd >= 0 && bv_write_full(fd, bytes, size) == 0, name);
}

static void write_text(int dirfd, const char *name, const char *text)
{
    write_file(dirfd, name, text, strlen(text));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char map[64];
    unsigned uid = geteuid(), gid = getegid();
    (void)argc;
    (void)argv;
    need(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare");
    snprintf(map, sizeof(map), "%u %u 1", uid, uid);
    write_text(AT_FDCWD, "/proc/self/uid_map", map);
    write_text(AT_FDCWD, "/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%u %u 1", gid, gid);
    write_text(AT_FDCWD, "/proc/self/gid_map", map);
    real_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(real_root >= 0, "/");
    return 0;
}

/* Its files: /area with two files, a directory and a link; /outside, to which only the link leads. */
static void make_world(const uint8_t *data, size_t size, int *ret_staging, int *ret_kept)
{
    static const char *const dirs[] = {"/area",
                                       "/area/sub",
                                       "/outside",
                                       "/store",
                                       "/store/jobs",
                                       "/store/jobs/j",
                                       "/store/jobs/j/kept",
                                       "/store/jobs/j/kept/1",
                                       "/store/jobs/j/.staging-1",
                                       "/store/jobs/j/.staging-1/files"};
    need(mount("world", WORLD, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,nr_inodes=4096") == 0, "mount");
    need(chroot(WORLD) == 0, "chroot");
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        need(mkdir(dirs[i], 0700) == 0, dirs[i]);
    write_text(AT_FDCWD, "/area/a", "0123456789");
    write_text(AT_FDCWD, "/area/sub/b", "bbbb");
    write_text(AT_FDCWD, "/outside/victim", "intact");
    need(symlink("/outside", "/area/link") == 0, "symlink");
    *ret_staging = open("/store/jobs/j/.staging-1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *ret_kept = open("/store/jobs/j/kept/1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(*ret_staging >= 0 && *ret_kept >= 0, "store");
    write_text(*ret_staging, "files/0", "01234567");
    write_text(*ret_staging, "files/1", "");
    write_file(*ret_staging, BV_CAPTURE_JSON, data, size);
}

static void leave_world(void)
{
    need(fchdir(real_root) == 0 && chroot(".") == 0, "chroot");
    need(umount2(WORLD, 0) == 0, WORLD); /* busy, if a descriptor has leaked */
}

/* Does the input name the directory outside, or everything, in any spelling? */
static int may_go_outside(const uint8_t *data, size_t size)
{
    return memmem(data, size, "outside", 7) || memmem(data, size, "\"/\"", 3) || memchr(data, '%', size) ||
           memchr(data, '\\', size);
}

static void check_outside(void)
{
    char text[16] = "";
    struct stat st;
    autoclose int fd = open("/outside/victim", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) != 6 || strcmp(text, "intact") != 0)
        abort();
    if (stat("/outside", &st) < 0 || st.st_nlink != 2 || st.st_size != 60) /* one entry of 20 bytes, and . and .. */
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int staging, kept;
    json_t *list = json_array();
    char *cwd = getcwd(NULL, 0);
    need(cwd != NULL, "getcwd");
    make_world(data, size, &staging, &kept);
    if (bv_rollback_volatiles(staging, NULL) == 0)
        bv_rollback_files(staging, kept, NULL, (int)(size % 4), list, NULL);
    json_decref(list);
    if (!may_go_outside(data, size))
        check_outside();
    close(staging);
    close(kept);
    leave_world();
    need(chdir(cwd) == 0, cwd);
    free(cwd);
    return 0;
}
