/* SPDX-License-Identifier: Apache-2.0 */
#include "job/preflight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "job/preflight_rules.h"
#include "proc/field.h"

#define PER_TOPIC     8           /* findings; whoever has more of a kind has understood */
#define STATUS_MAX    (256 << 10) /* bytes */
#define MOUNTINFO_MAX (16 << 20)  /* bytes; container hosts have tens of thousands of mounts */

void bv_findings_free(struct bv_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->finding[i].text);
    free(f->finding);
    *f = (struct bv_findings){0};
}

size_t bv_preflight_blocking(const struct bv_findings *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++)
        n += f->finding[i].weight == BV_FINDING_BLOCKS;
    return n;
}

const struct bv_finding *bv_preflight_unnoticed(const struct bv_findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->finding[i].unnoticed)
            return &f->finding[i];
    return NULL;
}

const char *bv_finding_weight_name(enum bv_finding_weight weight)
{
    static const char *const names[] = {"notes", "weakens", "blocks"};
    return names[weight];
}

json_t *bv_findings_json(const struct bv_findings *f)
{
    json_t *array = json_array();
    for (size_t i = 0; i < f->count; i++) {
        const struct bv_finding *it = &f->finding[i];
        json_t *text = json_string(it->text); /* NULL if a path in it is not UTF-8 */
        json_t *o = json_object();
        bv_json_set(o, "weight", json_string(bv_finding_weight_name(it->weight)));
        bv_json_set(o, "topic", json_string(it->topic));
        bv_json_set(o, "pid", json_integer(it->pid));
        bv_json_set(o, "command", bv_json_bytes(it->comm));
        bv_json_set(o, "text", text ? text : bv_json_bytes(it->text));
        bv_json_set(o, "remedy", json_string(it->remedy));
        bv_json_append(array, o);
    }
    return array;
}

/* Names come from the job and go to a terminal. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

void pf_add(struct pf_tree *tree, const struct pf_rule *rule, pid_t pid, const char *comm, char *text)
{
    autofree char *taken = text;
    struct bv_findings *all = &tree->found;
    size_t same = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->finding[i].topic, rule->topic) != 0)
            continue;
        if (all->finding[i].pid == pid || ++same == PER_TOPIC)
            return;
    }

    struct bv_finding f = {
        .weight = rule->weight, .topic = rule->topic, .pid = pid, .remedy = rule->remedy, .unnoticed = rule->unnoticed};
    snprintf(f.comm, sizeof(f.comm), "%s", comm);
    make_printable(f.comm);
    f.text = bv_asprintf("%s.", taken);
    make_printable(f.text);
    all->finding = bv_realloc(all->finding, all->count + 1, sizeof(*all->finding));
    all->finding[all->count++] = f;
}

static int by_weight(const void *a, const void *b)
{
    const struct bv_finding *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    int topic = strcmp(x->topic, y->topic);
    return topic ? topic : (x->pid > y->pid) - (x->pid < y->pid);
}

int pf_is_ours(const struct pf_tree *tree, pid_t pid)
{
    for (size_t i = 0; i < tree->pids.count; i++)
        if (tree->pids.pid[i] == pid)
            return 1;
    return 0;
}

static int by_inode(const void *a, const void *b)
{
    const struct pf_socket *x = a, *y = b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

void pf_sockets_sort(struct pf_tree *tree)
{
    if (tree->socket_count == 0)
        return;
    qsort(tree->socket, tree->socket_count, sizeof(*tree->socket), by_inode);
    size_t kept = 1;
    for (size_t i = 1; i < tree->socket_count; i++)
        if (tree->socket[i].inode != tree->socket[kept - 1].inode)
            tree->socket[kept++] = tree->socket[i];
    tree->socket_count = kept;
}

const struct pf_socket *pf_socket_find(const struct pf_tree *tree, uint64_t inode)
{
    size_t low = 0, high = tree->socket_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (tree->socket[mid].inode < inode)
            low = mid + 1;
        else
            high = mid;
    }
    return low < tree->socket_count && tree->socket[low].inode == inode ? &tree->socket[low] : NULL;
}

static void collect_sockets(struct pf_tree *tree, const struct pf_process *p)
{
    for (size_t i = 0; i < p->fds.count; i++) {
        const struct bv_fd *fd = &p->fds.fd[i];
        if (fd->kind != BV_FD_SOCKET)
            continue;
        if ((tree->socket_count & (tree->socket_count - 1)) == 0)
            tree->socket =
                bv_realloc(tree->socket, tree->socket_count ? tree->socket_count * 2 : 1, sizeof(*tree->socket));
        struct pf_socket *s = &tree->socket[tree->socket_count++];
        *s = (struct pf_socket){.pid = p->task.pid, .fd = fd->fd, .inode = fd->st.st_ino};
        memcpy(s->comm, p->task.comm, sizeof(s->comm));
    }
}

static void apply(struct pf_tree *tree, const struct pf_process *p, const struct pf_rule *r)
{
    const struct bv_task *t = &p->task;
    char *text;
    if (r->process && (text = r->process(p, r->arg)))
        pf_add(tree, r, t->pid, t->comm, text);
    for (size_t i = 0; r->fd && i < p->fds.count; i++)
        if ((text = r->fd(p, &p->fds.fd[i], r->arg)))
            pf_add(tree, r, t->pid, t->comm, text);
    for (size_t i = 0; r->map && i < p->maps.count; i++)
        if ((text = r->map(p, &p->maps.map[i], r->arg)))
            pf_add(tree, r, t->pid, t->comm, text);
}

static void apply_all(struct pf_tree *tree, const struct pf_process *p)
{
    static const struct pf_rule *const tables[] = {pf_process_rules, pf_file_rules, pf_memory_rules};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct pf_rule *r = tables[i]; r->topic; r++)
            apply(tree, p, r);
}

static char *read_of(int procfd, pid_t pid, const char *file, size_t max)
{
    char name[48];
    snprintf(name, sizeof(name), "%d/%s", (int)pid, file);
    return bv_read_proc(procfd, name, max);
}

/* The engine is no more than the job's user, either. Not by its own wish alone: who may execute a file but not read it,
 * may not look into what it runs. */
static const struct pf_rule hidden = {
    .topic = "hidden",
    .weight = BV_FINDING_BLOCKS,
    .remedy = "Make its executable readable for the job's user, and let it stay traceable (prctl PR_SET_DUMPABLE).",
};

static void free_process(struct pf_process *p)
{
    free(p->status);
    free(p->mountinfo);
    bv_maps_free(&p->maps);
    bv_fds_free(&p->fds);
}

static int read_process(int procfd, pid_t pid, struct pf_process *p, struct bv_error *err)
{
    if (bv_task_read(procfd, pid, &p->task, err) < 0)
        return -1;
    p->status = read_of(procfd, pid, "status", STATUS_MAX);
    if (!p->status)
        return bv_fail(err, BV_ENOTRUNNING, 0, "there is no process %d", (int)pid);
    p->mountinfo = read_of(procfd, pid, "mountinfo", MOUNTINFO_MAX);
    if (!p->mountinfo)
        p->mountinfo = bv_strdup("");
    return bv_fds_scan(procfd, pid, &p->fds, err) < 0 || bv_maps_scan(procfd, pid, &p->maps, err) < 0 ? -1 : 0;
}

/* Without memory of its own: on its way to its end, where nobody may look into it any more. */
static int is_ending(int procfd, pid_t pid)
{
    autofree char *status = read_of(procfd, pid, "status", STATUS_MAX);
    return !status || !strstr(status, "\nVmSize:");
}

static int inspect(struct pf_tree *tree, pid_t pid, struct bv_error *err)
{
    __attribute__((cleanup(free_process))) struct pf_process p = {.tree = tree};
    struct bv_error why = {0};
    int failed = read_process(tree->p->procfd, pid, &p, &why) < 0;
    if (p.task.state == 'Z' || p.task.state == 'X')
        return 0; /* zombies are kept, and have nothing to look at */
    if (p.task.state == 'D' && tree->waiting_count < sizeof(tree->waiting) / sizeof(tree->waiting[0]))
        tree->waiting[tree->waiting_count++] = p.task;

    if (!failed) {
        if (pid == tree->p->root)
            for (size_t i = 0; i < p.fds.count && p.fds.fd[i].fd < 3; i++)
                tree->stdio[p.fds.fd[i].fd] = p.fds.fd[i].st.st_ino;
        collect_sockets(tree, &p);
        pf_collect_memfds(tree, &p);
        pf_collect_deleted(tree, &p);
        apply_all(tree, &p);
        return 0;
    }
    if (why.code == BV_ENOTRUNNING || is_ending(tree->p->procfd, pid))
        return pid != tree->p->root ? 0 : bv_fail(err, BV_ENOTRUNNING, 0, "process %d is ending", (int)pid);
    /* A root of another user is a mistake of the caller. */
    if (why.code == BV_EDENIED && (pid != tree->p->root || tree->uid == geteuid())) {
        for (const struct pf_rule *r = pf_process_rules; r->topic; r++)
            apply(tree, &p, r); /* they need no more than everybody may see */
        pf_add(tree, &hidden, pid, p.task.comm, bv_strdup("the process does not let its user look into it"));
        return 0;
    }
    return bv_fail(err, why.code, 0, "%s", why.text);
}

/* Those of the capsule are its init's; but a restored job has a clock that its init has not. */
static void read_namespaces(struct pf_tree *tree, pid_t pid, int of_init)
{
    for (size_t i = 0; pf_namespaces[i]; i++) {
        char name[48], link[sizeof(tree->ns[i])];
        snprintf(name, sizeof(name), "%d/ns/%s", (int)pid, pf_namespaces[i]);
        ssize_t n = readlinkat(tree->p->procfd, name, link, sizeof(link) - 1);
        if (n <= 0 || (of_init && strcmp(pf_namespaces[i], "time") == 0))
            continue;
        link[n] = '\0';
        memcpy(tree->ns[i], link, (size_t)n + 1);
    }
}

/* What descendants are compared with. */
static int learn_root(struct pf_tree *tree, struct bv_error *err)
{
    pid_t root = tree->p->root;
    autofree char *status = read_of(tree->p->procfd, root, "status", STATUS_MAX);
    if (!status)
        return bv_fail(err, BV_ENOTRUNNING, 0, "there is no process %d", (int)root);
    tree->uid = (unsigned)bv_field_number(status, "Uid", 10, 0);
    tree->gid = (unsigned)bv_field_number(status, "Gid", 10, 0);

    read_namespaces(tree, root, 0);
    if (tree->p->in_capsule)
        read_namespaces(tree, (pid_t)bv_field_number(status, "PPid", 10, 0), 1);
    return 0;
}

static void free_tree(struct pf_tree *tree)
{
    bv_pids_free(&tree->pids);
    free(tree->socket);
    pf_free_memfds(tree);
    pf_free_deleted(tree);
    bv_findings_free(&tree->found);
}

int bv_preflight_run(const struct bv_preflight *p, struct bv_findings *ret, struct bv_error *err)
{
    __attribute__((cleanup(free_tree))) struct pf_tree tree = {.p = p};
    if (bv_tree_scan(p->procfd, p->root, &tree.pids, err) < 0 || learn_root(&tree, err) < 0)
        return -1;
    for (size_t i = 0; i < tree.pids.count; i++)
        if (inspect(&tree, tree.pids.pid[i], err) < 0)
            return -1;

    pf_sockets_sort(&tree);
    if (pf_check_sockets(&tree, err) < 0)
        return -1;
    pf_check_memfds(&tree);
    pf_check_deleted(&tree);
    pf_check_stuck(&tree);
    if (p->in_capsule)
        pf_check_capsule(&tree);

    if (tree.found.count)
        qsort(tree.found.finding, tree.found.count, sizeof(*tree.found.finding), by_weight);
    *ret = tree.found;
    tree.found = (struct bv_findings){0};
    return 0;
}
