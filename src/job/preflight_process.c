/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "capsule/capsule.h"
#include "job/preflight_rules.h"
#include "proc/container.h"
#include "proc/field.h"
#include "proc/inside.h"

#define NUMA_MAPS_MAX (64 << 10)    /* bytes */
#define NUMA_RSS_MAX  (64ULL << 20) /* bytes; 1 GiB takes 0.1 s */

const char *const pf_namespaces[] = {"mnt", "pid", "user", "net", "ipc", "uts", "time", NULL};

/* By whoever has started us. */
static char *filtered_from_outside(const struct pf_process *p, const char *arg)
{
    (void)arg;
    return p->task.seccomp && bv_is_filtered()
               ? bv_strdup("a filter of system calls is in force that was there before Bivouac, as in a container")
               : NULL;
}

static char *filtered(const struct pf_process *p, const char *arg)
{
    (void)arg;
    if (bv_is_filtered())
        return NULL;
    if (p->task.seccomp)
        return bv_strdup("a seccomp filter is in force");
    if (p->task.threads < 2)
        return NULL;

    autopids struct bv_pids threads = {0};
    int procfd = p->tree->p->procfd;
    if (bv_tree_threads(procfd, p->task.pid, &threads, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < threads.count; i++) {
        struct bv_task t;
        if (bv_task_read(procfd, threads.pid[i], &t, NULL) == 0 && t.seccomp)
            return bv_asprintf("a seccomp filter is in force for its thread %d", (int)threads.pid[i]);
    }
    return NULL;
}

static char *traced(const struct pf_process *p, const char *arg)
{
    (void)arg;
    int64_t tracer = bv_field_number(p->status, "TracerPid", 10, 0);
    return tracer ? bv_asprintf("process %lld traces it", (long long)tracer) : NULL;
}

/* The four ids of "Uid:" or "Gid:": real, effective, saved, file system. */
static int differs(const char *status, const char *key, unsigned wanted)
{
    const char *text = bv_field(status, key);
    unsigned id[4];
    if (!text || sscanf(text, "%u %u %u %u", &id[0], &id[1], &id[2], &id[3]) != 4)
        return 0;
    for (size_t i = 0; i < 4; i++)
        if (id[i] != wanted)
            return 1;
    return 0;
}

static char *other_user(const struct pf_process *p, const char *arg)
{
    (void)arg;
    if (differs(p->status, "Uid", p->tree->uid))
        return bv_strdup("it runs, wholly or in part, as another user than the job");
    if (differs(p->status, "Gid", p->tree->gid))
        return bv_strdup("it runs, wholly or in part, as another group than the job");
    return NULL;
}

static char *own_namespace(const struct pf_process *p, const char *arg)
{
    (void)arg;
    for (size_t i = 0; pf_namespaces[i]; i++) {
        char name[48], link[64];
        snprintf(name, sizeof(name), "%d/ns/%s", (int)p->task.pid, pf_namespaces[i]);
        ssize_t n = readlinkat(p->tree->p->procfd, name, link, sizeof(link) - 1);
        if (n <= 0 || !p->tree->ns[i][0])
            continue;
        link[n] = '\0';
        if (strcmp(link, p->tree->ns[i]) != 0)
            return bv_asprintf("it has a %s namespace of its own, as in a container that the job has started",
                               pf_namespaces[i]);
    }
    return NULL;
}

/* /proc/PID/personality, in hexadecimal; -1 if it cannot be read. */
static long personality_of(int procfd, const char *pid)
{
    char name[48];
    snprintf(name, sizeof(name), "%s/personality", pid);
    autofree char *text = bv_read_proc(procfd, name, 64);
    return text && *text ? strtol(text, NULL, 16) : -1;
}

/* All of a restored tree has that of Bivouac, and addresses that are not randomized if the root wants that. */
static char *other_personality(const struct pf_process *p, const char *arg)
{
    char pid[16], root[16];
    int procfd = p->tree->p->procfd;
    (void)arg;
    snprintf(pid, sizeof(pid), "%d", (int)p->task.pid);
    snprintf(root, sizeof(root), "%d", (int)p->tree->p->root);
    long own = personality_of(procfd, pid), usual = personality_of(procfd, "self"),
         first = personality_of(procfd, root);
    if (own < 0 || usual < 0 || first < 0 || own == (usual | (first & ADDR_NO_RANDOMIZE)))
        return NULL;
    return bv_asprintf("its personality (setarch) is %lx, and would be %lx", own, usual | (first & ADDR_NO_RANDOMIZE));
}

static int read_beginning(int procfd, const char *name, char *ret, size_t size)
{
    autoclose int fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : bv_read_full(fd, ret, size - 1);
    if (n <= 0)
        return -1;
    ret[n] = '\0';
    return 0;
}

/* The policy in a line of /proc/PID/numa_maps: "ADDRESS POLICY …". */
static size_t policy_in(const char *line, const char **ret)
{
    const char *blank = strchr(line, ' ');
    *ret = blank ? blank + 1 : "";
    return strcspn(*ret, " \n");
}

/* To say what is where the kernel walks through all pages: for a big process it is asked for the first mappings only,
 * which show the policy of the process. Each line has the policy that counts for the mapping. */
static char *memory_policy(const struct pf_process *p, const char *arg)
{
    char pid[32], text[NUMA_MAPS_MAX], self[256];
    int procfd = p->tree->p->procfd;
    (void)arg;
    snprintf(pid, sizeof(pid), "%d/numa_maps", (int)p->task.pid);
    size_t wanted = p->task.rss > NUMA_RSS_MAX ? sizeof(self) : sizeof(text);
    if (read_beginning(procfd, "self/numa_maps", self, sizeof(self)) < 0 ||
        read_beginning(procfd, pid, text, wanted) < 0)
        return NULL;
    const char *usual, *now;
    size_t n = policy_in(self, &usual);
    for (const char *line = text; strchr(line, '\n'); line = strchr(line, '\n') + 1) {
        size_t m = policy_in(line, &now);
        if (m != n || strncmp(now, usual, n) != 0)
            return bv_asprintf("its memory policy (numactl) is %.*s, and would be %.*s", (int)m, now, (int)n, usual);
    }
    return NULL;
}

static char *terminal(const struct pf_process *p, const char *arg)
{
    (void)arg;
    if (p->tree->p->in_capsule || p->task.pid != p->tree->p->root || p->task.tty == 0)
        return NULL;
    return bv_strdup("it has a terminal, which belongs to somebody else");
}

const struct pf_rule pf_process_rules[] = {
    {.topic = "seccomp", .weight = BV_FINDING_BLOCKS, .process = filtered, .remedy = "Turn the program's sandbox off."},
    {.topic = "seccomp",
     .weight = BV_FINDING_BLOCKS,
     .process = filtered_from_outside,
     .remedy = "To be able to make a checkpoint, " BV_REMEDY_FILTER "."},
    {.topic = "traced", .weight = BV_FINDING_BLOCKS, .process = traced, .remedy = "Detach the debugger or tracer."},
    {.topic = "other-user",
     .weight = BV_FINDING_BLOCKS,
     .process = other_user,
     .remedy = "Run the job without programs that change their user or group (sudo, su, sg, ping)."},
    {.topic = "namespace",
     .weight = BV_FINDING_BLOCKS,
     .process = own_namespace,
     .remedy = "Make Bivouac the innermost: start the container or sandbox first, and `bivouac run` inside it."},
    {.topic = "clone",
     .weight = BV_FINDING_BLOCKS,
     .process = pf_shared_with_parent,
     .remedy = "Try again when the child has started its program; a program that clones in this way for good should "
               "use threads or fork."},
    {.topic = "thread-apart",
     .weight = BV_FINDING_WEAKENS,
     .process = pf_apart_thread,
     .remedy = "Let the program use a process in the place of this thread."},
    {.topic = "personality",
     .weight = BV_FINDING_WEAKENS,
     .process = other_personality,
     .remedy = "Set it for the whole job: setarch ... bivouac run ..."},
    {.topic = "memory-policy",
     .weight = BV_FINDING_WEAKENS,
     .process = memory_policy,
     .remedy = "Set it for the whole job: numactl ... bivouac run ..."},
    {.topic = "terminal",
     .weight = BV_FINDING_NOTE,
     .process = terminal,
     .remedy = "Start it with `bivouac run`, which gives it a terminal of the job's own."},
    {0},
};

static const struct pf_rule stuck = {
    .topic = "stuck",
    .weight = BV_FINDING_NOTE,
    .remedy =
        "See whether its file server answers, or wait for its child if it used vfork; a checkpoint gives up after "
        "10 seconds of this.",
};

/* Processes that cannot be stopped now and have not moved for a while: on a dead file server, or a parent in vfork(2).
 * Seen twice, because everything that reads a disk is in this state for a moment; and together, to wait but once. */
void pf_check_stuck(struct pf_tree *tree)
{
    if (tree->waiting_count == 0)
        return;
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    for (size_t i = 0; i < tree->waiting_count; i++) {
        const struct bv_task *then = &tree->waiting[i];
        struct bv_task now;
        if (bv_task_read(tree->p->procfd, then->pid, &now, NULL) == 0 && now.state == 'D' &&
            now.start_time == then->start_time && now.utime == then->utime && now.stime == then->stime)
            pf_add(tree, &stuck, now.pid, now.comm, bv_strdup("it waits in the kernel and cannot be stopped"));
    }
}

static const struct pf_rule orphan = {
    .topic = "orphan",
    .weight = BV_FINDING_WEAKENS,
    .remedy = "Keep helpers in the foreground, as children of the job (no daemon, no setsid with double fork).",
};

/* Processes of the capsule that the tree has lost: their parents are gone, and the capsule's init has adopted them.
 * Children of init from which we ourselves descend are Bivouac's. */
static void check_orphans(struct pf_tree *tree)
{
    int procfd = tree->p->procfd;
    struct bv_task root;
    if (bv_task_read(procfd, tree->p->root, &root, NULL) < 0 || root.ppid == 0)
        return;

    autopids struct bv_pids all = {0};
    char self[16] = "";
    pid_t ourselves = readlinkat(procfd, "self", self, sizeof(self) - 1) > 0 ? (pid_t)strtol(self, NULL, 10) : 0;
    if (bv_tree_scan(procfd, root.ppid, &all, NULL) < 0)
        return;
    for (size_t i = 0; i < all.count; i++) {
        struct bv_task t;
        autopids struct bv_pids below = {0};
        if (bv_task_read(procfd, all.pid[i], &t, NULL) < 0 || t.ppid != root.ppid || t.pid == root.pid ||
            t.state == 'Z' || strcmp(t.comm, BV_SENTINEL_NAME) == 0 || bv_tree_scan(procfd, t.pid, &below, NULL) < 0)
            continue;
        int is_bivouac = 0;
        for (size_t k = 0; k < below.count; k++)
            is_bivouac |= below.pid[k] == ourselves;
        if (!is_bivouac)
            pf_add(tree, &orphan, t.pid, t.comm,
                   bv_strdup("its parent has ended, so that it is no longer part of the job"));
    }
}

struct ipc_rule {
    const char *file; /* below /proc */
    const char *what;
    struct pf_rule rule;
};

/* They exist on their own, whether a process uses them at this moment or not. The engine runs in the same ipc namespace
 * and therefore does not take them into its image. */
static const struct ipc_rule ipc_rules[] = {
    {"sysvipc/shm",
     "a System V shared memory segment",
     {.topic = "sysv-shm", .weight = BV_FINDING_WEAKENS, .remedy = PF_REMEDY_SYSV}},
    {"sysvipc/sem",
     "a System V semaphore",
     {.topic = "sysv-sem",
      .weight = BV_FINDING_WEAKENS,
      .remedy = "Let the program use semaphores in shared memory (sem_init), or locks of files."}},
    {"sysvipc/msg",
     "a System V message queue",
     {.topic = "sysv-msg", .weight = BV_FINDING_WEAKENS, .remedy = "Let the program use pipes or unix sockets."}},
};

static int open_proc(const void *file)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s", (const char *)file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int is_told(const struct pf_tree *tree, const char *topic)
{
    for (size_t i = 0; i < tree->found.count; i++)
        if (strcmp(tree->found.finding[i].topic, topic) == 0)
            return 1;
    return 0;
}

/* Such a file shows the namespace of its opener: hence bv_open_inside(). A namespace we may not enter stays unseen; the
 * engine then says what it finds. */
static void check_ipc(struct pf_tree *tree)
{
    for (size_t i = 0; i < sizeof(ipc_rules) / sizeof(ipc_rules[0]); i++) {
        const struct ipc_rule *r = &ipc_rules[i];
        if (is_told(tree, r->rule.topic))
            continue;
        autoclose int fd = bv_open_inside(tree->p->procfd, tree->p->root, "ipc", open_proc, r->file);
        char text[4096];
        ssize_t n = fd < 0 ? -1 : bv_read_full(fd, text, sizeof(text) - 1);
        if (n <= 0)
            continue;
        text[n] = '\0';
        const char *first = strchr(text, '\n'); /* below the names of the columns */
        if (first && first[1])
            pf_add(tree, &r->rule, 0, "", bv_asprintf("%s exists and would be gone after a restart", r->what));
    }
}

void pf_check_capsule(struct pf_tree *tree)
{
    check_orphans(tree);
    check_ipc(tree);
}
