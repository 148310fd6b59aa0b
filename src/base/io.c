/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/mem.h"

ssize_t bv_read_full(int fd, void *buf, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, (char *)buf + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t bv_pread_full(int fd, void *buf, size_t size, off_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, (char *)buf + done, size - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int bv_write_full(int fd, const void *buf, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, (const char *)buf + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

int bv_pwrite_full(int fd, const void *buf, size_t size, off_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(fd, (const char *)buf + done, size - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

static enum bv_code open_code(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
        return BV_ENOJOB;
    case EACCES:
    case EPERM:
        return BV_EDENIED;
    default:
        return BV_ESTORE;
    }
}

int bv_read_file(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size, struct bv_error *err)
{
    autoclose int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return bv_fail(err, open_code(errno), errno, "cannot open %s", name);

    struct stat st;
    if (fstat(fd, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot stat %s", name);
    if (!S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECORRUPT, 0, "%s is not a regular file", name);
    if ((uint64_t)st.st_size > max)
        return bv_fail(err, BV_ECORRUPT, 0, "%s has %lld bytes, more than the %zu allowed", name, (long long)st.st_size,
                       max);

    autofree char *buf = bv_alloc((size_t)st.st_size + 1);
    ssize_t n = bv_read_full(fd, buf, (size_t)st.st_size);
    if (n < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot read %s", name);

    buf[n] = '\0';
    *ret = steal_ptr(&buf);
    if (ret_size)
        *ret_size = (size_t)n;
    return 0;
}

char *bv_read_proc(int dirfd, const char *name, size_t max)
{
    autoclose int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;

    autofree char *buf = NULL;
    size_t size = 0, room = 0;
    for (;;) {
        if (size + 1 >= room) {
            room = room ? room * 2 : 4096;
            buf = bv_realloc(buf, room, 1);
        }
        ssize_t n = bv_read_full(fd, buf + size, room - size - 1);
        if (n < 0)
            return NULL;
        if (n == 0)
            break;
        size += (size_t)n;
        if (size > max) {
            errno = EFBIG;
            return NULL;
        }
    }
    buf[size] = '\0';
    return steal_ptr(&buf);
}

/* A name for the file in the making that nobody else uses: the directory may be shared by hosts and pid namespaces, so
 * a pid does not tell two writers apart. */
static int create_aside(int dirfd, const char *name, char tmp[NAME_MAX + 1])
{
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return -1;
    snprintf(tmp, NAME_MAX + 1, ".%.200s.%016llx.tmp", name, (unsigned long long)random);
    return openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* link(2) is atomic and exclusive on every file system, NFS included; rename with NOREPLACE is not on all. When the
 * answer of an NFS server is lost, the repeated request finds the name taken by ourselves: the link count tells. */
static int link_exclusive(int dirfd, int fd, const char *tmp, const char *name)
{
    if (linkat(dirfd, tmp, dirfd, name, 0) == 0)
        return 0;
    int saved = errno;
    struct stat st;
    if (saved == EEXIST && fstat(fd, &st) == 0 && st.st_nlink == 2)
        return 0;
    errno = saved;
    return -1;
}

int bv_publish(int dirfd, const char *name, const void *bytes, size_t size, int replace, struct bv_error *err)
{
    char tmp[NAME_MAX + 1];
    autoclose int fd = create_aside(dirfd, name, tmp);
    if (fd < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create %s", name);

    int rc = 0;
    if (bv_write_full(fd, bytes, size) < 0 || fsync(fd) < 0)
        rc = bv_fail(err, bv_store_code(errno), errno, "cannot write %s", name);
    else if (replace ? renameat(dirfd, tmp, dirfd, name) < 0 : link_exclusive(dirfd, fd, tmp, name) < 0)
        rc = bv_fail(err, errno == EEXIST ? BV_EBUSY : bv_store_code(errno), errno, "cannot publish %s", name);
    if (rc < 0 || !replace)
        unlinkat(dirfd, tmp, 0);
    if (rc < 0)
        return -1;
    if (fsync(dirfd) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot sync the directory of %s", name);
    return 0;
}

static int copy_range(int from, int to, off_t begin, off_t end)
{
    autofree char *buf = NULL;
    const size_t chunk = 1 << 20;

    while (begin < end) {
        size_t want = (size_t)(end - begin) < chunk ? (size_t)(end - begin) : chunk;
        off_t in = begin, out = begin;
        ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - begin), 0);
        if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EBADF)) {
            if (!buf)
                buf = bv_alloc(chunk);
            n = bv_pread_full(from, buf, want, begin);
            if (n > 0 && bv_pwrite_full(to, buf, (size_t)n, begin) < 0)
                return -1;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0) { /* shorter than announced: the caller compares sizes and must not be told that all is there */
            errno = EIO;
            return -1;
        }
        begin += n;
    }
    return 0;
}

int bv_copy_file(int from, int to, off_t size, int *ret_reflinked)
{
    struct file_clone_range whole = {.src_fd = from, .src_length = (uint64_t)size};
    int reflinked = size > 0 && ioctl(to, FICLONERANGE, &whole) == 0;
    if (ret_reflinked)
        *ret_reflinked = reflinked;
    if (reflinked)
        return 0;
    if (ftruncate(to, size) < 0)
        return -1;

    off_t at = 0;
    while (at < size) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return 0; /* only a hole is left */
        if (data < 0)
            return copy_range(from, to, at, size);
        off_t hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0 || hole > size)
            hole = size;
        if (data < hole && copy_range(from, to, data, hole) < 0)
            return -1;
        at = hole > data ? hole : size;
    }
    return 0;
}

/* --- removing --- */

/* A directory that is being emptied. However deep a tree is, two are open at a time: what lies below the second is
 * moved up into the first, and is then one of its entries. */
struct removal {
    int top;
    unsigned moved;
};

static int fail_remove(const char *name, struct bv_error *err)
{
    return bv_fail(err, BV_ESTORE, errno, "cannot remove %s", name);
}

/* Returns 0 or -1 when `each` does, or the directory cannot be read. */
static int each_entry(int dirfd, int (*each)(struct removal *r, int dirfd, const char *name, struct bv_error *err),
                      struct removal *r, struct bv_error *err)
{
    autoclosedir DIR *dir = bv_list_open(dirfd);
    if (!dir)
        return bv_fail(err, BV_ESTORE, errno, "cannot list a directory");
    for (const char *name; (name = bv_list_next(dir));)
        if (each(r, dirfd, name, err) < 0)
            return -1;
    return errno ? bv_fail(err, BV_ESTORE, errno, "cannot list a directory") : 0;
}

/* 1 = it is a directory. */
static int remove_file(int dirfd, const char *name, struct bv_error *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR || errno == EPERM ? 1 : fail_remove(name, err);
}

static int remove_empty(int dirfd, const char *name, struct bv_error *err)
{
    return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? fail_remove(name, err) : 0;
}

static int lift(struct removal *r, int dirfd, const char *name, struct bv_error *err)
{
    char lifted[64];
    int kind = remove_file(dirfd, name, err);
    if (kind <= 0 || unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
        return kind < 0 ? -1 : 0;
    do
        snprintf(lifted, sizeof(lifted), ".lifted-%u", r->moved++);
    while (faccessat(r->top, lifted, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    return renameat(dirfd, name, r->top, lifted) < 0 && errno != ENOENT ? fail_remove(name, err) : 0;
}

static int open_below(int dirfd, const char *name, struct bv_error *err)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? bv_fail(err, BV_ESTORE, errno, "cannot open %s", name) : fd;
}

static int remove_entry(struct removal *r, int dirfd, const char *name, struct bv_error *err)
{
    int kind = remove_file(dirfd, name, err);
    if (kind <= 0)
        return kind;
    autoclose int fd = open_below(dirfd, name, err);
    if (fd < 0)
        return -1;
    return each_entry(fd, lift, r, err) < 0 ? bv_wrap(err, "%s", name) : remove_empty(dirfd, name, err);
}

int bv_remove_tree(int dirfd, const char *name, struct bv_error *err)
{
    int kind = remove_file(dirfd, name, err);
    if (kind <= 0)
        return kind;
    autoclose int top = open_below(dirfd, name, err);
    struct removal r = {.top = top};
    unsigned before;
    if (top < 0)
        return -1;
    do {
        before = r.moved;
        if (each_entry(top, remove_entry, &r, err) < 0)
            return bv_wrap(err, "%s", name);
    } while (r.moved != before); /* what was moved up meanwhile may not have been listed */
    return remove_empty(dirfd, name, err);
}
