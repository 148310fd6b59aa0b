/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the frozen tree has open or mapped: which of them may change, and what must be kept of each. */
#include "job/capture_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"
#include "proc/fds.h"
#include "proc/maps.h"
#include "proc/tree.h"

#define GHOST_LIMIT (1ULL << 30) /* as the engine's, for deleted files that it keeps itself */

/* One inode, with all that the tree does to it. */
struct open_file {
    char *path;
    struct stat st;
    int fd; /* opened by us for reading, -1 if that is not possible */
    int readers;
    int writers;
    int appenders;  /* writers with O_APPEND */
    int at_end;     /* write-only writers whose offset is the size */
    int mapped;     /* shared and writable */
    int leased;     /* nobody else can open it */
    int link_remap; /* a name the engine has given to a file whose own is gone */
};

struct open_files {
    struct open_file *file;
    size_t count;
};

static void free_files(struct open_files *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->file[i].path);
        close_fd(&all->file[i].fd);
    }
    free(all->file);
}

static struct open_file *find_or_add(struct open_files *all, const char *path, const struct stat *st)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->file[i].st.st_dev == st->st_dev && all->file[i].st.st_ino == st->st_ino)
            return &all->file[i];
    all->file = bv_realloc(all->file, all->count + 1, sizeof(all->file[0]));
    struct open_file *f = &all->file[all->count++];
    *f = (struct open_file){.path = bv_strdup(path), .st = *st, .fd = -1};
    return f;
}

/* Kernel file systems have files that are no files. */
static int is_real(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return 0;
    switch ((unsigned long)fs.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
        return 0;
    default:
        return 1;
    }
}

/* A deleted file that has another link cannot go into an image; the engine gives it a name "link_remap.N" beside its
 * old one, and takes that away again when the tree runs on. Find it: a restart will need it. *ret is NULL if it has
 * none. */
static int find_link_remap(const char *path, const struct stat *wanted, char **ret, struct bv_error *err)
{
    const char *slash = strrchr(path, '/');
    autofree char *dir_path = bv_strndup(path, slash && slash > path ? (size_t)(slash - path) : 1);
    autoclosedir DIR *dir = opendir(dir_path);
    if (!dir && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0;
    if (!dir)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", dir_path);
    for (const char *name; (name = bv_list_next(dir));) {
        struct stat st;
        if (strncmp(name, "link_remap.", 11) == 0 && fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino) {
            *ret = bv_asprintf("%s/%s", strcmp(dir_path, "/") == 0 ? "" : dir_path, name);
            return 0;
        }
    }
    return errno ? bv_fail(err, BV_EINTERNAL, errno, "cannot list %s", dir_path) : 0;
}

/* Whoever opens such a file waits until its owner has given the lease up, which stands still. */
static int has_write_lease(const struct bv_fd *d)
{
    const char *lock = strstr(d->info, " LEASE ");
    return lock && strstr(lock, " WRITE ");
}

/* What NFS makes of a file that is deleted while it is open. The engine names it again too. */
static int is_silly(const char *path)
{
    return strncmp(strrchr(path, '/') + 1, ".nfs", 4) == 0;
}

static int is_limit(int sys_errno)
{
    return sys_errno == EMFILE || sys_errno == ENFILE;
}

/* Whatever is not looked at would not be put back. */
static int too_many(struct bv_error *err)
{
    return bv_fail(err, BV_EHOST, 0,
                   "the job has more files open than one process may have here: have the hard limit of open files "
                   "raised (ulimit -Hn)");
}

static int add_fd(struct bv_capture *c, struct open_files *all, int procfd, pid_t pid, const struct bv_fd *d,
                  struct bv_error *err)
{
    unsigned access = d->flags & O_ACCMODE;
    if (d->kind != BV_FD_FILE || d->target[0] != '/' || capture_covers(c, d->target, d->st.st_dev))
        return 0;
    autofree char *remap = NULL;
    if ((d->deleted || is_silly(d->target)) && d->st.st_nlink > 0 && !(c->how & BV_CAPTURE_OUTSIDE) &&
        find_link_remap(d->target, &d->st, &remap, err) < 0)
        return -1;
    if (d->deleted && !remap)
        return 0; /* a ghost: the engine keeps its content */

    autofree char *path = capture_name(c, remap ? remap : d->target, &d->st, access != O_RDONLY);
    if (!path)
        return 0;

    struct open_file *f = find_or_add(all, path, &d->st);
    f->link_remap |= remap != NULL;
    f->leased |= has_write_lease(d);
    if (f->fd < 0 && !f->leased)
        f->fd = bv_fd_reopen(procfd, pid, d->fd, O_RDONLY | O_NOATIME);
    if (f->fd < 0 && !f->leased)
        f->fd = bv_fd_reopen(procfd, pid, d->fd, O_RDONLY);
    if (f->fd < 0 && !f->leased && is_limit(errno))
        return too_many(err);
    if (f->fd >= 0 && fstat(f->fd, &f->st) < 0)
        close_fd(&f->fd);

    f->readers += access == O_RDONLY;
    f->writers += access != O_RDONLY;
    f->appenders += access != O_RDONLY && (d->flags & O_APPEND);
    f->at_end += access == O_WRONLY && !(d->flags & O_APPEND) && d->pos == f->st.st_size;
    return 0;
}

/* A shared writable mapping lives on when its descriptor is closed. */
static int add_map(struct bv_capture *c, struct open_files *all, pid_t pid, const struct bv_map *m,
                   struct bv_error *err)
{
    if (!m->shared || !m->writable || !m->path || m->path[0] != '/' || m->deleted)
        return 0;
    struct stat st;
    autofree char *there = bv_asprintf("/proc/%d/root%s", (int)pid, m->path);
    const char *seen = c->how & BV_CAPTURE_OUTSIDE ? there : m->path;
    autoclose int fd = open(seen, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && is_limit(errno))
        return too_many(err);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != m->ino ||
        capture_covers(c, m->path, st.st_dev))
        return 0;
    autofree char *path = capture_name(c, m->path, &st, 1);
    if (!path)
        return 0;
    struct open_file *f = find_or_add(all, path, &st);
    f->mapped = 1;
    if (f->fd < 0)
        f->fd = steal_fd(&fd);
    return 0;
}

/* Zombies have no files, nor memory. */
static int is_zombie(int procfd, pid_t pid)
{
    struct bv_task task;
    return bv_task_read(procfd, pid, &task, NULL) < 0 || task.state == 'Z' || task.state == 'X';
}

static int collect_process(struct bv_capture *c, int procfd, pid_t pid, struct open_files *all, struct bv_error *err)
{
    autofds struct bv_fds fds = {0};
    automaps struct bv_maps maps = {0};
    if (bv_fds_scan(procfd, pid, &fds, err) < 0 || bv_maps_scan(procfd, pid, &maps, err) < 0)
        return is_zombie(procfd, pid) ? 0 : -1;
    for (size_t k = 0; k < fds.count; k++)
        if (add_fd(c, all, procfd, pid, &fds.fd[k], err) < 0)
            return -1;
    for (size_t k = 0; k < maps.count; k++)
        if (add_map(c, all, pid, &maps.map[k], err) < 0)
            return -1;
    if (!(c->how & BV_CAPTURE_OUTSIDE)) /* of mounts that are not ours */
        capture_note_process(c, procfd, pid, &fds, &maps);
    return 0;
}

static int collect(struct bv_capture *c, pid_t root, struct open_files *all, struct bv_error *err)
{
    autopids struct bv_pids pids = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc");
    if (bv_tree_scan(procfd, root, &pids, err) < 0)
        return -1;
    for (size_t i = 0; i < pids.count; i++)
        if (collect_process(c, procfd, pids.pid[i], all, err) < 0)
            return -1;
    return 0;
}

static enum capture_class classify(const struct bv_capture *c, const struct open_file *f)
{
    if (!f->writers && !f->mapped && !f->link_remap)
        return CLASS_READ_ONLY;
    if (!f->mapped && !f->link_remap && f->appenders == f->writers)
        return CLASS_APPEND;
    if (!f->mapped && !f->link_remap && f->appenders + f->at_end == f->writers)
        return CLASS_SEQUENTIAL;
    /* What has no name but the engine's is lost when nobody keeps it. */
    uint64_t limit = f->link_remap && c->spec->capture_limit < GHOST_LIMIT ? GHOST_LIMIT : c->spec->capture_limit;
    return (uint64_t)f->st.st_size <= limit ? CLASS_IN_PLACE : CLASS_RECORDED;
}

static void defer(struct bv_capture *c, struct open_file *f, json_t *entry)
{
    c->deferred = bv_realloc(c->deferred, c->deferred_count + 1, sizeof(c->deferred[0]));
    c->deferred[c->deferred_count++] = (struct capture_deferred){
        .fd = steal_fd(&f->fd), .size = (uint64_t)f->st.st_size, .number = c->next, .entry = entry};
    bv_json_set(entry, "content", json_integer(c->next++));
}

static int copy_now(struct bv_capture *c, const struct open_file *f, json_t *entry, struct bv_error *err)
{
    unsigned number;
    if (capture_copy(c, f->fd, (uint64_t)f->st.st_size, &number, err) < 0)
        return bv_wrap(err, "%s", f->path);
    bv_json_set(entry, "content", json_integer(number));
    return 0;
}

static int sum_ends(const struct open_file *f, enum capture_class class, json_t *entry, struct bv_error *err)
{
    char sum[SUM_TEXT];
    uint64_t size = (uint64_t)f->st.st_size;
    size_t part = size < SUM_PART ? (size_t)size : SUM_PART;
    if (capture_sum(f->fd, size - part, part, sum) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read %s", f->path);
    bv_json_set(entry, "tail", json_string(sum));
    if (class != CLASS_SEQUENTIAL)
        return 0;
    /* Formats with a header that is written last: a change there must not go unseen. */
    if (capture_sum(f->fd, 0, part, sum) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read %s", f->path);
    bv_json_set(entry, "head", json_string(sum));
    return 0;
}

static int keep_content(struct bv_capture *c, struct open_file *f, enum capture_class class, json_t *entry,
                        struct bv_error *err)
{
    int small = (uint64_t)f->st.st_size <= BV_PUT_BACK_LIMIT;
    switch (class) {
    case CLASS_APPEND: /* what is there stays as it is: the copy can wait */
        if (small)
            defer(c, f, entry);
        return 0;
    case CLASS_READ_ONLY:
        if (small && f->st.st_uid == geteuid())
            defer(c, f, entry);
        return 0;
    case CLASS_SEQUENTIAL: /* it may turn out not to be one */
        return small ? copy_now(c, f, entry, err) : 0;
    case CLASS_IN_PLACE:
        return copy_now(c, f, entry, err);
    case CLASS_RECORDED:
        capture_warn_large(c, f->path, (uint64_t)f->st.st_size);
        return 0;
    }
    return 0;
}

static int add_entry(struct bv_capture *c, struct open_file *f, struct bv_error *err)
{
    enum capture_class class = classify(c, f);
    if (f->fd < 0) {
        if (class != CLASS_READ_ONLY)
            capture_warn(c, "%s %s, so a restart cannot put it back", f->path,
                         f->leased ? "has a lease of the job on it" : "cannot be read");
        return 0;
    }
    if (!is_real(f->fd) || (class == CLASS_READ_ONLY && f->st.st_uid != geteuid()))
        return 0;

    autojson json_t *entry = json_object();
    bv_json_set(entry, "path", bv_json_bytes(f->path));
    bv_json_set(entry, "class", json_string(capture_class_name(class)));
    capture_stat_json(entry, &f->st);
    capture_xattr_json(entry, f->fd);
    if ((class == CLASS_APPEND || class == CLASS_SEQUENTIAL) && sum_ends(f, class, entry, err) < 0)
        return -1;
    if (keep_content(c, f, class, entry, err) < 0)
        return -1;
    bv_json_append(c->opened, json_incref(entry));
    return 0;
}

int capture_open_files(struct bv_capture *c, pid_t root, struct bv_error *err)
{
    struct open_files all = {0};
    int rc = collect(c, root, &all, err);
    for (size_t i = 0; i < all.count && rc == 0; i++)
        rc = add_entry(c, &all.file[i], err);
    free_files(&all);
    return rc;
}
