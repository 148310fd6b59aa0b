/* SPDX-License-Identifier: Apache-2.0 */
/* The freezer of a container's control group. CRIU finds a frozen group as it is and leaves it so, whatever it has to
 * do in between; so a runtime can be told to leave the container running, and it does not run yet. */
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/runtime/runtime.h"
#include "proc/tree.h"

#define CGROUPS        "/sys/fs/cgroup"
#define FREEZE_TIMEOUT 10 /* s; a process that is in the kernel is frozen when it comes back */

int runtime_check_cgroups(struct bv_error *err)
{
    struct statfs fs;
    if (statfs(CGROUPS, &fs) == 0 && (unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC)
        return 0;
    return bv_fail(err, BV_EHOST, 0,
                   "containers are checkpointed with cgroup v2 alone, and " CGROUPS
                   " of this host is not that: boot it "
                   "with systemd.unified_cgroup_hierarchy=1, or run Bivouac inside the container");
}

/* The group of a process, "/…"; allocated, NULL if it has none. */
static char *group_of(pid_t pid)
{
    char name[32];
    snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
    autofree char *text = bv_read_proc(AT_FDCWD, name, 1 << 16);
    char *line = text && strncmp(text, "0::", 3) == 0 ? text : text ? strstr(text, "\n0::") : NULL;
    if (!line)
        return NULL;
    line = strchr(line, ':') + 2;
    return bv_strndup(line, strcspn(line, "\n"));
}

static int open_group(pid_t root)
{
    autofree char *group = group_of(root);
    if (!group || strcmp(group, "/") == 0 || strstr(group, "/.."))
        return -1;
    autofree char *path = bv_asprintf(CGROUPS "%s", group);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Everything of the container must stand still together. */
static int check_alone(pid_t root, struct bv_error *err)
{
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *group = group_of(root);
    if (procfd < 0 || !group || bv_tree_scan(procfd, root, &pids, err) < 0)
        return bv_fail(err, BV_EENGINE, 0, "the container cannot be looked at");
    size_t n = strlen(group);
    for (size_t i = 0; i < pids.count; i++) {
        autofree char *other = group_of(pids.pid[i]);
        if (other && (strncmp(other, group, n) != 0 || (other[n] && other[n] != '/')))
            return bv_fail(err, BV_EBLOCKED, 0,
                           "a process of the container is in the control group %s, outside of %s: such a container "
                           "cannot be checkpointed",
                           other, group);
    }
    return 0;
}

static int write_freeze(int group, const char *value)
{
    autoclose int fd = openat(group, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
    return fd < 0 || bv_write_full(fd, value, 1) < 0 ? -1 : 0;
}

static int says_frozen(int group)
{
    autofree char *events = bv_read_proc(group, "cgroup.events", 4096);
    return events && strstr(events, "frozen 1") != NULL;
}

int runtime_is_frozen(pid_t root)
{
    autoclose int group = open_group(root);
    return group >= 0 && says_frozen(group);
}

int runtime_thaw(pid_t root, struct bv_error *err)
{
    autoclose int group = open_group(root);
    if (group >= 0 && write_freeze(group, "0") < 0)
        return bv_fail(err, BV_EENGINE, errno, "cannot thaw the container");
    return 0;
}

int runtime_freeze(pid_t root, struct bv_error *err)
{
    autoclose int group = open_group(root);
    if (group < 0)
        return bv_fail(err, BV_EBLOCKED, errno,
                       "the container has no control group of its own, and cannot be frozen without one");
    struct bv_deadline end = bv_deadline_in(FREEZE_TIMEOUT);
    int rc = write_freeze(group, "1") < 0 ? bv_fail(err, BV_EENGINE, errno, "cannot freeze the container") : 0;
    while (rc == 0 && !says_frozen(group)) {
        if (bv_deadline_passed(end))
            rc = bv_fail(err, BV_EENGINE, 0, "the container could not be frozen within %d s", FREEZE_TIMEOUT);
        poll(NULL, 0, 2);
    }
    if (rc == 0)
        rc = check_alone(root, err);
    if (rc < 0)
        write_freeze(group, "0");
    return rc;
}
