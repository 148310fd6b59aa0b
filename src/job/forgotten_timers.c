/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"
#include "job/forgotten.h"
#include "proc/fds.h"
#include "proc/tree.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

/* How often it has expired since it was read. */
static uint64_t ticks_of(const struct bv_fd *fd)
{
    const char *line = fd->info ? strstr(fd->info, "ticks: ") : NULL;
    return line ? strtoull(line + strlen("ticks: "), NULL, 10) : 0;
}

static void wind_up(pid_t pid, const struct bv_fd *f)
{
    uint64_t ticks = ticks_of(f);
    struct itimerspec t;
    autoclose int fd = ticks ? bv_fd_borrow(pid, f->fd) : -1;
    if (fd < 0 || timerfd_gettime(fd, &t) < 0 || t.it_value.tv_sec || t.it_value.tv_nsec ||
        (!t.it_interval.tv_sec && !t.it_interval.tv_nsec))
        return;
    t.it_value = t.it_interval;
    if (timerfd_settime(fd, 0, &t, NULL) == 0)
        ioctl(fd, TFD_IOC_SET_TICKS, &ticks);
}

void bv_forgotten_timers_wind(pid_t root)
{
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0 || bv_tree_scan(procfd, root, &pids, NULL) < 0)
        return;
    for (size_t i = 0; i < pids.count; i++) {
        autofds struct bv_fds fds = {0};
        if (bv_fds_scan(procfd, pids.pid[i], &fds, NULL) < 0)
            continue; /* a zombie */
        for (size_t k = 0; k < fds.count; k++)
            if (fds.fd[k].kind == BV_FD_ANON && strstr(fds.fd[k].target, "[timerfd]"))
                wind_up(pids.pid[i], &fds.fd[k]);
    }
}
