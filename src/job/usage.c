/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory and CPU time the job's tree has. */
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "job/supervisor_private.h"
#include "proc/tree.h"

int supervisor_usage(const struct supervisor *s, struct usage *ret)
{
    struct usage sum = {0};
    unsigned long long ticks = 0;
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pid_t root = supervisor_root_pid(s);
    if (procfd < 0 || root <= 0 || bv_tree_scan(procfd, root, &pids, NULL) < 0)
        return -1;
    for (size_t i = 0; i < pids.count; i++) {
        struct bv_task t;
        if (bv_task_read(procfd, pids.pid[i], &t, NULL) < 0)
            continue;
        sum.memory += t.rss;
        ticks += t.utime + t.stime + t.children_time;
    }
    sum.cpu_s = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    *ret = sum;
    return 0;
}
