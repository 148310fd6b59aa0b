/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/pidfile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/io.h"

pid_t bv_pid_file_read(const char *dir, const char *name)
{
    autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *text = fd < 0 ? NULL : bv_read_proc(fd, name, 32);
    long pid = text ? strtol(text, NULL, 10) : 0;
    return pid > 1 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM) ? (pid_t)pid : 0;
}

int bv_pid_file_write(const char *dir, const char *name, pid_t pid, struct bv_error *err)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", (int)pid);
    autoclose int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int fd = at < 0 ? -1 : openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || bv_write_full(fd, text, (size_t)n) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot write %s/%s", dir, name);
    return 0;
}
