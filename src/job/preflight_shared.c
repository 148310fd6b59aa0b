/* SPDX-License-Identifier: Apache-2.0 */
/* What processes share, or do not share, against the engine's expectation. */
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/preflight_rules.h"

/* 1 if they have the same, 0 if not, -1 if nobody can say. In our own pid namespace, as is everything here. */
static int is_same(pid_t a, pid_t b, int what)
{
    long order = syscall(SYS_kcmp, a, b, what, 0, 0);
    return order < 0 ? -1 : order == 0;
}

char *pf_shared_with_parent(const struct pf_process *p, const char *arg)
{
    (void)arg;
    pid_t pid = p->task.pid, parent = p->task.ppid;
    if (!pf_is_ours(p->tree, parent))
        return NULL;
    if (is_same(pid, parent, KCMP_VM) == 1)
        return bv_strdup("it shares its memory with its parent (vfork, or clone with CLONE_VM)");
    if (is_same(pid, parent, KCMP_FS) == 1)
        return bv_strdup("it shares its working directory with its parent (clone with CLONE_FS)");
    return NULL;
}

char *pf_apart_thread(const struct pf_process *p, const char *arg)
{
    (void)arg;
    autopids struct bv_pids threads = {0};
    if (p->task.threads < 2 || bv_tree_threads(p->tree->p->procfd, p->task.pid, &threads, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < threads.count; i++) {
        pid_t tid = threads.pid[i];
        if (is_same(p->task.pid, tid, KCMP_FILES) == 0)
            return bv_asprintf("its thread %d has descriptors of its own, and would have those of the others",
                               (int)tid);
        if (is_same(p->task.pid, tid, KCMP_FS) == 0)
            return bv_asprintf("its thread %d has a working directory of its own, and would be in that of the others",
                               (int)tid);
    }
    return NULL;
}

/* --- memfds: a descriptor and a mapping of one would come back as two different things --- */

static const struct pf_rule memfd_mapping = {
    .topic = "memfd-mapping",
    .weight = BV_FINDING_BLOCKS,
    .remedy = "Let the program close the descriptor when it has mapped it, or use a file in /dev/shm (shm_open).",
    .unnoticed = 1,
};

static struct pf_memfd *memfd_of(struct pf_tree *tree, uint64_t inode, const char *name)
{
    for (size_t i = 0; i < tree->memfd_count; i++)
        if (tree->memfd[i].inode == inode)
            return &tree->memfd[i];
    if ((tree->memfd_count & (tree->memfd_count - 1)) == 0)
        tree->memfd = bv_realloc(tree->memfd, tree->memfd_count ? tree->memfd_count * 2 : 1, sizeof(*tree->memfd));
    struct pf_memfd *m = &tree->memfd[tree->memfd_count++];
    *m = (struct pf_memfd){.inode = inode, .name = bv_strdup(name)};
    return m;
}

static int is_memfd(const char *name)
{
    return name && strncmp(name, "/memfd:", strlen("/memfd:")) == 0;
}

void pf_collect_memfds(struct pf_tree *tree, const struct pf_process *p)
{
    for (size_t i = 0; i < p->fds.count; i++)
        if (p->fds.fd[i].kind == BV_FD_FILE && is_memfd(p->fds.fd[i].target))
            memfd_of(tree, p->fds.fd[i].st.st_ino, p->fds.fd[i].target)->is_open = 1;
    for (size_t i = 0; i < p->maps.count; i++) {
        if (!is_memfd(p->maps.map[i].path))
            continue;
        struct pf_memfd *m = memfd_of(tree, p->maps.map[i].ino, p->maps.map[i].path);
        m->is_private |= !p->maps.map[i].shared;
        if (!m->pid) {
            m->pid = p->task.pid;
            memcpy(m->comm, p->task.comm, sizeof(m->comm));
        }
    }
}

void pf_check_memfds(struct pf_tree *tree)
{
    for (size_t i = 0; i < tree->memfd_count; i++) {
        const struct pf_memfd *m = &tree->memfd[i];
        if (m->pid && m->is_open)
            pf_add(tree, &memfd_mapping, m->pid, m->comm,
                   bv_asprintf("%s is both open and mapped into memory", m->name));
        else if (m->pid && m->is_private)
            pf_add(tree, &memfd_mapping, m->pid, m->comm,
                   bv_asprintf("%s is mapped into memory, for one process alone", m->name));
    }
}

void pf_free_memfds(struct pf_tree *tree)
{
    for (size_t i = 0; i < tree->memfd_count; i++)
        free(tree->memfd[i].name);
    free(tree->memfd);
}
