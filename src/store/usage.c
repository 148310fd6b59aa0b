/* SPDX-License-Identifier: Apache-2.0 */
#include "store/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/layout.h"

/* What is ours is four levels deep at most; what else may be there does not take all descriptors. */
#define DEPTH_MAX 16

struct walk {
    int dirfd, depth;
    unsigned generation;
    struct bv_usage *usage;
    int64_t *changed_ns; /* NULL = nobody asks */
};

static void add(struct walk *w, const struct stat *st)
{
    struct bv_usage *u = w->usage;
    if (u->count == u->room) {
        u->room = u->room ? u->room * 2 : 64;
        u->files = bv_realloc(u->files, u->room, sizeof(*u->files));
    }
    u->files[u->count++] = (struct bv_usage_file){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .bytes = (uint64_t)st->st_size,
        .links = (unsigned)st->st_nlink,
        .generation = w->generation,
    };
}

static int walk_one(const char *name, void *arg);

static void walk_dir(struct walk *w, const char *name)
{
    autoclose int fd = w->depth < DEPTH_MAX ? bv_dir_open(w->dirfd, name) : -1;
    struct walk below = *w;
    below.dirfd = fd;
    below.depth++;
    if (fd >= 0)
        bv_dir_each(fd, walk_one, &below, NULL);
}

static int walk_one(const char *name, void *arg)
{
    struct walk *w = arg;
    struct stat st;
    if (fstatat(w->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    int64_t changed = bv_mtime_ns(&st);
    if (w->changed_ns && changed > *w->changed_ns)
        *w->changed_ns = changed;
    if (S_ISREG(st.st_mode))
        add(w, &st);
    else if (S_ISDIR(st.st_mode))
        walk_dir(w, name);
    return 0;
}

/* An entry of the job's own directory. */
static int walk_job(const char *name, void *arg)
{
    struct walk *w = arg;
    unsigned attempt, ignored;
    w->generation = 0;
    if (bv_is_staging(name, &ignored) || bv_is_deleted(name, &ignored))
        return 0;
    if (!bv_is_generation(name, &w->generation))
        bv_is_uncommitted(name, &w->generation, &attempt);
    return walk_one(name, w);
}

int bv_usage_read(const struct bv_job *j, struct bv_usage *ret, struct bv_error *err)
{
    struct bv_usage u = {0};
    struct walk w = {.dirfd = j->dirfd, .usage = &u};
    if (bv_dir_each(j->dirfd, walk_job, &w, err) < 0) {
        bv_usage_free(&u);
        return bv_wrap(err, "job %s", j->id);
    }
    *ret = u;
    return 0;
}

void bv_usage_free(struct bv_usage *u)
{
    free(u->files);
    *u = (struct bv_usage){0};
}

static int compare_files(const void *a, const void *b)
{
    const struct bv_usage_file *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return (x->ino > y->ino) - (x->ino < y->ino);
}

static int is_removed(unsigned generation, const unsigned *removed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (removed[i] == generation)
            return 1;
    return 0;
}

/* Go to the next file: *links is how many links of it are in the list. Returns where the one after it begins. */
static size_t next_file(const struct bv_usage *u, size_t i, size_t *links)
{
    size_t next = i;
    while (next < u->count && compare_files(&u->files[i], &u->files[next]) == 0)
        next++;
    *links = next - i;
    return next;
}

static void sort_files(struct bv_usage *u)
{
    if (u->count)
        qsort(u->files, u->count, sizeof(*u->files), compare_files);
}

uint64_t bv_usage_total(struct bv_usage *u)
{
    uint64_t sum = 0;
    size_t links;
    sort_files(u);
    for (size_t i = 0; i < u->count; i = next_file(u, i, &links))
        sum += u->files[i].bytes;
    return sum;
}

uint64_t bv_usage_freed(struct bv_usage *u, const unsigned *removed, size_t count)
{
    uint64_t sum = 0;
    sort_files(u);
    for (size_t i = 0, next, links; i < u->count; i = next) {
        int all = 1;
        next = next_file(u, i, &links);
        for (size_t k = i; k < next; k++)
            all &= is_removed(u->files[k].generation, removed, count);
        sum += all ? u->files[i].bytes : 0;
    }
    return sum;
}

static int is_mine(const struct bv_job *j)
{
    struct stat st;
    return fstat(j->dirfd, &st) == 0 && st.st_uid == geteuid();
}

int bv_usage_store(struct bv_store *s, int mine, uint64_t *ret, struct bv_error *err)
{
    char **ids = NULL;
    size_t count = 0;
    uint64_t sum = 0;
    if (bv_job_list(s, &ids, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        autojob struct bv_job j = {.dirfd = -1};
        autousage struct bv_usage u = {0};
        if (bv_job_open(s, ids[i], &j, NULL) == 0 && (!mine || is_mine(&j)) && bv_usage_read(&j, &u, NULL) == 0)
            sum += bv_usage_total(&u);
    }
    bv_job_list_free(ids, count);
    *ret = sum;
    return 0;
}

uint64_t bv_usage_tree(int dirfd, const char *name, int64_t *ret_changed_ns)
{
    autousage struct bv_usage u = {0};
    struct walk w = {.dirfd = dirfd, .usage = &u, .changed_ns = ret_changed_ns};
    uint64_t sum = 0;
    if (ret_changed_ns)
        *ret_changed_ns = 0;
    walk_one(name, &w);
    sort_files(&u);
    for (size_t i = 0, next, links; i < u.count; i = next) {
        next = next_file(&u, i, &links);
        sum += links >= u.files[i].links ? u.files[i].bytes : 0;
    }
    return sum;
}
