/* SPDX-License-Identifier: Apache-2.0 */
/* Is a restored tree what its images say? */
#include "engine/criu/criu.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/criu/image.h"
#include "proc/maps.h"
#include "proc/tree.h"

#define RSEQ_MIN     32u
#define RSEQ_MAX     4096u
#define CHUNK        (1u << 20)
#define STOP_TIMEOUT 10.0 /* s; every process has its SIGSTOP already */

struct image {
    char *bytes;
    struct criu_image left;
    const char *name;
};

/* Memory that need not be the same. */
struct hole {
    uint64_t begin, end;
};

struct process {
    pid_t pid;
    int mem;
    struct hole *hole;
    size_t holes;
    char *buf[2]; /* CHUNK bytes each */
};

/* To be closed. */
static int image_open(int images_fd, const char *name, uint32_t magic, struct image *ret, struct bv_error *err)
{
    size_t size;
    autofree char *bytes = NULL;
    struct image image = {.name = name};
    struct bv_error e = {0};
    if (bv_read_file(images_fd, name, CRIU_IMAGE_MAX, &bytes, &size, &e) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "cannot read the image %s: %s", name, e.text);
    if (criu_image_open(&image.left, (const uint8_t *)bytes, size, magic) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the image %s is of an unknown format", name);
    image.bytes = steal_ptr(&bytes);
    *ret = image;
    return 0;
}

static void image_close(struct image *i)
{
    free(i->bytes);
}

/* The next message, unpacked, allocated; 1, or 0 at the end. */
static int image_next(struct image *i, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
                      struct bv_error *err)
{
    int got = criu_image_next(&i->left, type, ret);
    return got < 0 ? bv_fail(err, BV_ECORRUPT, 0, "the image %s is not valid", i->name) : got;
}

/* --- what the kernel changes by itself --- */

static void add_hole(struct process *p, uint64_t begin, uint64_t end)
{
    p->hole = bv_realloc(p->hole, p->holes + 1, sizeof(p->hole[0]));
    p->hole[p->holes++] = (struct hole){begin, end};
}

/* The kernel writes the CPU that a thread is on into its area of restartable sequences (rseq(2)). */
static int find_rseq(struct process *p, int images_fd, uint32_t tid, struct bv_error *err)
{
    char name[64];
    struct image core;
    ProtobufCMessage *m = NULL;
    snprintf(name, sizeof(name), "core-%u.img", tid);
    /* Of a zombie, pstree.img names a thread by another number, and nothing else is kept. */
    if (faccessat(images_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return 0;
    if (image_open(images_fd, name, CRIU_MAGIC_CORE, &core, err) < 0)
        return -1;
    int got = image_next(&core, &core_entry__descriptor, &m, err);
    image_close(&core);
    if (got <= 0)
        return got;
    const ThreadCoreEntry *t = ((CoreEntry *)m)->thread_core;
    const RseqEntry *r = t ? t->rseq_entry : NULL;
    if (r && r->rseq_abi_pointer && r->rseq_abi_size <= RSEQ_MAX)
        add_hole(p, r->rseq_abi_pointer,
                 r->rseq_abi_pointer + (r->rseq_abi_size < RSEQ_MIN ? RSEQ_MIN : r->rseq_abi_size));
    protobuf_c_message_free_unpacked(m, NULL);
    return 0;
}

/* The code that a kernel maps into each process is that of this kernel now; CRIU redirects the old to it. */
static void find_vdso(struct process *p, int procfd)
{
    automaps struct bv_maps maps = {0};
    if (bv_maps_scan(procfd, p->pid, &maps, NULL) < 0)
        return;
    for (size_t i = 0; i < maps.count; i++)
        if (maps.map[i].path && strcmp(maps.map[i].path, "[vdso]") == 0)
            add_hole(p, maps.map[i].start, maps.map[i].end);
}

static int in_hole(const struct process *p, uint64_t at)
{
    for (size_t i = 0; i < p->holes; i++)
        if (at >= p->hole[i].begin && at < p->hole[i].end)
            return 1;
    return 0;
}

/* --- memory --- */

static int compare_chunk(const struct process *p, uint64_t at, size_t size, struct bv_error *err)
{
    if (memcmp(p->buf[0], p->buf[1], size) == 0)
        return 0;
    for (size_t i = 0; i < size; i++)
        if (p->buf[0][i] != p->buf[1][i] && !in_hole(p, at + i))
            return bv_fail(err, BV_ERESTORE, 0,
                           "the memory of process %d at 0x%" PRIx64 " is not what the checkpoint has", (int)p->pid,
                           at + i);
    return 0;
}

static int compare_range(const struct process *p, int pages, uint64_t at, uint64_t size, struct bv_error *err)
{
    for (uint64_t done = 0; done < size;) {
        size_t part = size - done < CHUNK ? (size_t)(size - done) : CHUNK;
        if (bv_read_full(pages, p->buf[0], part) != (ssize_t)part)
            return bv_fail(err, BV_ECORRUPT, 0, "the image of the memory of process %d is too short", (int)p->pid);
        if (bv_pread_full(p->mem, p->buf[1], part, (off_t)(at + done)) != (ssize_t)part)
            return bv_fail(err, BV_ERESTORE, 0, "the memory of process %d at 0x%" PRIx64 " is not there", (int)p->pid,
                           at + done);
        if (compare_chunk(p, at + done, part, err) < 0)
            return -1;
        done += part;
    }
    return 0;
}

static int compare_entry(const struct process *p, int pages, const PagemapEntry *e, uint64_t *count,
                         struct bv_error *err)
{
    uint64_t n = e->has_nr_pages ? e->nr_pages : e->compat_nr_pages;
    if (!(e->flags & CRIU_PAGES_PRESENT))
        return 0;
    if (e->vaddr % CRIU_PAGE || n > (UINT64_C(1) << 47) / CRIU_PAGE || e->vaddr >= UINT64_C(1) << 62)
        return bv_fail(err, BV_ECORRUPT, 0, "the image of the memory of process %d is not valid", (int)p->pid);
    *count += n;
    return compare_range(p, pages, e->vaddr, n * CRIU_PAGE, err);
}

static int compare_pages(const struct process *p, int images_fd, struct image *map, uint64_t *count,
                         struct bv_error *err)
{
    char name[64];
    ProtobufCMessage *m = NULL;
    int got = image_next(map, &pagemap_head__descriptor, &m, err);
    if (got <= 0)
        return got;
    snprintf(name, sizeof(name), "pages-%u.img", ((PagemapHead *)m)->pages_id);
    protobuf_c_message_free_unpacked(m, NULL);
    autoclose int pages = openat(images_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (pages < 0)
        return bv_fail(err, BV_ECORRUPT, errno, "cannot open the image %s", name);
    while ((got = image_next(map, &pagemap_entry__descriptor, &m, err)) > 0) {
        int rc = compare_entry(p, pages, (PagemapEntry *)m, count, err);
        protobuf_c_message_free_unpacked(m, NULL);
        if (rc < 0)
            return -1;
    }
    return got;
}

/* A process without an image of its memory is a zombie, or shares that of another. */
static int compare_memory(struct process *p, int images_fd, uint64_t *count, struct bv_error *err)
{
    char name[64], mem[64];
    struct image map;
    snprintf(name, sizeof(name), "pagemap-%d.img", (int)p->pid);
    if (faccessat(images_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return 0;
    snprintf(mem, sizeof(mem), "/proc/%d/mem", (int)p->pid);
    p->mem = open(mem, O_RDONLY | O_CLOEXEC);
    if (p->mem < 0)
        return bv_fail(err, BV_ERESTORE, errno, "cannot read the memory of process %d", (int)p->pid);
    if (image_open(images_fd, name, CRIU_MAGIC_PAGEMAP, &map, err) < 0)
        return -1;
    int rc = compare_pages(p, images_fd, &map, count, err);
    image_close(&map);
    return rc;
}

/* --- processes --- */

/* Nothing of it runs: each thread is stopped, or is the rest of one that had ended. */
static int check_stopped(int procfd, pid_t pid, size_t threads, struct bv_error *err)
{
    struct bv_task task;
    struct bv_deadline deadline = bv_deadline_in(STOP_TIMEOUT);
    do {
        if (bv_task_read(procfd, pid, &task, NULL) < 0)
            return bv_fail(err, BV_ERESTORE, 0, "process %d was not restored", (int)pid);
        if (task.state == 't' || task.state == 'T' || task.state == 'Z')
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    } while (!bv_deadline_passed(deadline));
    if (task.state != 't' && task.state != 'T' && task.state != 'Z')
        return bv_fail(err, BV_ERESTORE, 0, "process %d was not stopped", (int)pid);
    if (task.state != 'Z' && (size_t)task.threads != threads)
        return bv_fail(err, BV_ERESTORE, 0, "process %d has %d threads, in the checkpoint it has %zu", (int)pid,
                       task.threads, threads);
    return 0;
}

static int compare_process(int procfd, int images_fd, const PstreeEntry *e, struct bv_engine_compared *sum,
                           struct bv_error *err)
{
    if (check_stopped(procfd, (pid_t)e->pid, e->n_threads, err) < 0)
        return -1;
    autofree char *buf = bv_alloc(2 * (size_t)CHUNK);
    struct process p = {.pid = (pid_t)e->pid, .mem = -1, .buf = {buf, buf + CHUNK}};
    int rc = 0;
    for (size_t i = 0; i < e->n_threads && rc == 0; i++)
        rc = find_rseq(&p, images_fd, e->threads[i], err);
    find_vdso(&p, procfd);
    if (rc == 0)
        rc = compare_memory(&p, images_fd, &sum->pages, err);
    close_fd(&p.mem);
    free(p.hole);
    sum->processes++;
    sum->threads += e->n_threads;
    return rc;
}

int criu_compare(int images_fd, struct bv_engine_compared *ret, struct bv_error *err)
{
    struct image tree;
    struct bv_engine_compared sum = {0};
    ProtobufCMessage *m = NULL;
    int got;
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0 || image_open(images_fd, "pstree.img", CRIU_MAGIC_PSTREE, &tree, err) < 0)
        return procfd < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc") : -1;
    while ((got = image_next(&tree, &pstree_entry__descriptor, &m, err)) > 0) {
        int rc = compare_process(procfd, images_fd, (PstreeEntry *)m, &sum, err);
        protobuf_c_message_free_unpacked(m, NULL);
        if (rc < 0) {
            got = -1;
            break;
        }
    }
    image_close(&tree);
    if (got < 0)
        return -1;
    *ret = sum;
    return 0;
}
