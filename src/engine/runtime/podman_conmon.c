/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/runtime/runtime.h"
#include "proc/pidfile.h"

#define STAND_IN "bivouac-conmon" /* a link to our program, by way of the process that has the standard files */
#define REAL     "conmon"         /* a link to the real one */

int podman_conmon_prepare(const char *dir, const char *real, char **ret, struct bv_error *err)
{
    autofree char *stand_in = bv_asprintf("%s/" STAND_IN, dir);
    autofree char *link = bv_asprintf("%s/" REAL, dir);
    autofree char *self = bv_asprintf("/proc/%d/exe", (int)getpid());
    podman_conmon_remove(dir);
    if (symlink(real, link) < 0 || symlink(self, stand_in) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a link in %s", dir);
    *ret = steal_ptr(&stand_in);
    return 0;
}

void podman_conmon_remove(const char *dir)
{
    static const char *const names[] = {STAND_IN, REAL, BV_CONTAINER_WAIT};
    autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; at >= 0 && i < sizeof(names) / sizeof(names[0]); i++)
        unlinkat(at, names[i], 0);
}

/* The standard files of the process that `stand_in` leads to become ours. */
static int take_standard_files(const char *stand_in)
{
    char target[64];
    int pid = 0;
    ssize_t n = readlink(stand_in, target, sizeof(target) - 1);
    if (n <= 0)
        return -1;
    target[n] = '\0';
    autoclose int pidfd = sscanf(target, "/proc/%d/exe", &pid) == 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    for (int i = 0; i < 3; i++) {
        autoclose int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);
        if (fd < 0 || dup2(fd, i) < 0)
            return -1;
    }
    return 0;
}

/* The monitor forks, and what podman has started ends: the other one is our child then, as we are a subreaper. */
static pid_t find_child(void)
{
    char name[64];
    int pid = 0;
    snprintf(name, sizeof(name), "/proc/self/task/%d/children", (int)getpid());
    autofree char *text = bv_read_proc(AT_FDCWD, name, 4096);
    return text && sscanf(text, "%d", &pid) == 1 ? pid : 0;
}

static int run_monitor(const char *dir, const char *real, char *const *argv)
{
    int status;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = fork();
    if (pid == 0) {
        execv(real, argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return 126;
    pid_t rest = find_child();
    if (rest > 0 && bv_pid_file_write(dir, BV_CONTAINER_WAIT, rest, NULL) < 0)
        return 126;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

int podman_hook_main(char *const *argv)
{
    const char *slash = argv[0] ? strrchr(argv[0], '/') : NULL;
    if (!slash || strcmp(slash + 1, STAND_IN) != 0)
        return -1;
    autofree char *dir = bv_strndup(argv[0], (size_t)(slash - argv[0]));
    autofree char *real = bv_asprintf("%s/" REAL, dir);
    if (argv[1] && strcmp(argv[1], "--version") == 0) {
        execv(real, argv);
        return 127;
    }
    return take_standard_files(argv[0]) < 0 ? 126 : run_monitor(dir, real, argv);
}
