/* SPDX-License-Identifier: Apache-2.0 */
/* Deleted directories that are in use, and what has been deleted in them. The engine makes each anew where it was and
 * deletes it when it is open again; a directory in which there still is something then ends the restore. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/preflight_rules.h"

static const struct pf_rule deleted_directory = {
    .topic = "deleted-directory",
    .weight = BV_FINDING_BLOCKS,
    .remedy = "Let the program keep its temporary directory until it ends.",
    .unnoticed = 1,
};

static void add(struct pf_tree *tree, const struct pf_process *p, const char *path, uint64_t inode, enum pf_use use)
{
    if ((tree->deleted_count & (tree->deleted_count - 1)) == 0)
        tree->deleted =
            bv_realloc(tree->deleted, tree->deleted_count ? tree->deleted_count * 2 : 1, sizeof(*tree->deleted));
    struct pf_deleted *d = &tree->deleted[tree->deleted_count++];
    *d = (struct pf_deleted){.path = bv_strdup(path), .inode = inode, .use = use, .pid = p->task.pid};
    memcpy(d->comm, p->task.comm, sizeof(d->comm));
}

/* The kernel puts " (deleted)" behind the path. */
static void collect_place(struct pf_tree *tree, const struct pf_process *p)
{
    char name[32], path[4096];
    struct stat st;
    snprintf(name, sizeof(name), "%d/cwd", (int)p->task.pid);
    ssize_t n = readlinkat(tree->p->procfd, name, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    char *end = strrchr(path, ' ');
    /* Only then is its file system asked, which may hang. */
    if (!end || strcmp(end, " (deleted)") != 0 || fstatat(tree->p->procfd, name, &st, 0) < 0 || st.st_nlink > 0)
        return;
    *end = '\0';
    add(tree, p, path, st.st_ino, PF_USE_PLACE);
}

void pf_collect_deleted(struct pf_tree *tree, const struct pf_process *p)
{
    for (size_t i = 0; i < p->fds.count; i++) {
        const struct bv_fd *fd = &p->fds.fd[i];
        if (fd->deleted && fd->target[0] == '/')
            add(tree, p, fd->target, fd->st.st_ino, fd->kind == BV_FD_DIR ? PF_USE_DIRECTORY : PF_USE_OTHER);
    }
    collect_place(tree, p);
}

static int is_open_in(const struct pf_tree *tree, uint64_t inode, pid_t pid)
{
    for (size_t i = 0; i < tree->deleted_count; i++)
        if (tree->deleted[i].inode == inode && tree->deleted[i].pid == pid && tree->deleted[i].use != PF_USE_PLACE)
            return 1;
    return 0;
}

/* A process goes to its place when it has its files: those are no longer in the way. */
static int is_in_the_way(const struct pf_tree *tree, const struct pf_deleted *dir, const struct pf_deleted *it)
{
    size_t n = strlen(dir->path);
    if (strncmp(it->path, dir->path, n) != 0 || it->path[n] != '/')
        return 0;
    return dir->use == PF_USE_DIRECTORY || it->use == PF_USE_PLACE || !is_open_in(tree, it->inode, dir->pid);
}

void pf_check_deleted(struct pf_tree *tree)
{
    for (size_t i = 0; i < tree->deleted_count; i++) {
        const struct pf_deleted *dir = &tree->deleted[i];
        for (size_t k = 0; dir->use != PF_USE_OTHER && k < tree->deleted_count; k++)
            if (is_in_the_way(tree, dir, &tree->deleted[k])) {
                pf_add(tree, &deleted_directory, dir->pid, dir->comm,
                       bv_asprintf("the deleted directory %s and something deleted in it are both in use", dir->path));
                break;
            }
    }
}

void pf_free_deleted(struct pf_tree *tree)
{
    for (size_t i = 0; i < tree->deleted_count; i++)
        free(tree->deleted[i].path);
    free(tree->deleted);
}
