/* SPDX-License-Identifier: Apache-2.0 */
#include "store/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/layout.h"
#include "store/usage.h"

static int has_end(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

/* Why a name in a job's directory, or one below it, is a leftover; NULL if it is none. */
static const char *why_in_job(const char *name)
{
    unsigned a, b;
    if (bv_is_staging(name, &a))
        return "staging of an attempt that is over";
    if (bv_is_uncommitted(name, &a, &b))
        return "checkpoint that was interrupted";
    if (bv_is_deleted(name, &a))
        return "checkpoint whose removal was interrupted";
    if (name[0] == '.' && has_end(name, ".tmp"))
        return "file that was being written";
    return NULL;
}

static const char *why_in_store(const char *name)
{
    static const struct {
        const char *prefix, *why;
    } kinds[] = {
        {".deleted-", "job whose removal was interrupted"},
        {".import-", "import that was interrupted"},
        {".new-", "job that was being made"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].why;
    return NULL;
}

static void add(struct bv_leftovers *l, char *name, const char *why, uint64_t bytes)
{
    l->list = bv_realloc(l->list, l->count + 1, sizeof(*l->list));
    l->list[l->count++] = (struct bv_leftover){.name = name, .why = why, .bytes = bytes};
}

struct search {
    int dirfd;
    const char *below; /* "attempts/", or "" */
    int64_t before_ns;
    struct bv_leftovers found;
};

static int look_in_job(const char *name, void *arg)
{
    struct search *s = arg;
    const char *why = why_in_job(name);
    if (why)
        add(&s->found, bv_asprintf("%s%s", s->below, name), why, bv_usage_tree(s->dirfd, name, NULL));
    return 0;
}

int bv_leftovers_of_job(const struct bv_job *j, struct bv_leftovers *ret, struct bv_error *err)
{
    static const char *const below[] = {"", "attempts/", "pins/"};
    struct search s = {0};
    for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
        autofree char *name = bv_asprintf("%s.", below[i]);
        autoclose int fd = bv_dir_open(j->dirfd, name);
        s.dirfd = fd;
        s.below = below[i];
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0 || bv_dir_each(fd, look_in_job, &s, err) < 0) {
            bv_leftovers_free(&s.found);
            return fd < 0 ? bv_fail(err, BV_ESTORE, errno, "job %s: cannot open %s", j->id, name) : -1;
        }
    }
    *ret = s.found;
    return 0;
}

static int look_in_store(const char *name, void *arg)
{
    struct search *s = arg;
    struct stat st;
    int64_t changed;
    const char *why = why_in_store(name);
    if (!why || fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != geteuid())
        return 0;
    uint64_t bytes = bv_usage_tree(s->dirfd, name, &changed);
    if (changed < s->before_ns || strncmp(name, ".deleted-", strlen(".deleted-")) == 0)
        add(&s->found, bv_strdup(name), why, bytes);
    return 0;
}

int bv_leftovers_of_store(const struct bv_store *store, double idle_s, struct bv_leftovers *ret, struct bv_error *err)
{
    struct search s = {
        .dirfd = store->jobsfd,
        .before_ns = bv_clock_ns(CLOCK_REALTIME) - (int64_t)(idle_s * BV_NSEC_PER_SEC),
    };
    if (bv_dir_each(store->jobsfd, look_in_store, &s, err) < 0) {
        bv_leftovers_free(&s.found);
        return -1;
    }
    *ret = s.found;
    return 0;
}

void bv_leftovers_free(struct bv_leftovers *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->list[i].name);
    free(l->list);
    *l = (struct bv_leftovers){0};
}

int bv_leftover_remove(const struct bv_store *s, const struct bv_job *j, const char *name, struct bv_error *err)
{
    const char *slash = strchr(name, '/'), *last = slash ? slash + 1 : name;
    if (strchr(last, '/') || !(j ? why_in_job(last) : why_in_store(name)))
        return bv_fail(err, BV_EINTERNAL, 0, "%s is no leftover", name);
    if (!slash)
        return bv_remove_tree(j ? j->dirfd : s->jobsfd, name, err);
    autofree char *dir = bv_strndup(name, (size_t)(slash - name));
    autoclose int fd = bv_dir_open(j ? j->dirfd : s->jobsfd, dir);
    if (fd < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open %s", dir);
    return bv_remove_tree(fd, last, err);
}
