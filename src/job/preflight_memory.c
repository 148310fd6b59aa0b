/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "job/preflight_rules.h"

static int begins(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Names that the kernel gives to memory which has no file, or whose file it keeps itself. */
static int is_no_file(const char *path)
{
    static const char *const names[] = {"/dev/zero", "/memfd:", "/SYSV", "/anon_hugepage", "/[aio]"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (begins(path, names[i]))
            return 1;
    return 0;
}

/* glibc makes a named semaphore under a temporary name, links it to the right one and deletes the first: whoever
 * created one has a deleted file mapped for as long as it is open. */
static char *deleted_file(const struct pf_process *p, const struct bv_map *m, const char *arg)
{
    (void)p;
    int semaphore = begins(m->path, "/dev/shm/sem.");
    if (!m->deleted || is_no_file(m->path) || semaphore != (arg != NULL))
        return NULL;
    return bv_asprintf("%s is mapped into memory and has been deleted", m->path);
}

static char *sysv_segment(const struct pf_process *p, const struct bv_map *m, const char *arg)
{
    (void)p, (void)arg;
    return begins(m->path, "/SYSV") ? bv_strdup("a System V shared memory segment is attached") : NULL;
}

static char *named(const struct pf_process *p, const struct bv_map *m, const char *arg)
{
    (void)p;
    return begins(m->path, arg) ? bv_asprintf("%s is mapped into memory", m->path) : NULL;
}

static char *ring(const struct pf_process *p, const struct bv_map *m, const char *arg)
{
    (void)arg;
    if (!begins(m->path, "anon_inode:[io_uring]"))
        return NULL;
    for (size_t i = 0; i < p->fds.count; i++)
        if (strcmp(p->fds.fd[i].target, "anon_inode:[io_uring]") == 0)
            return NULL; /* told already, as a descriptor */
    return bv_strdup("the memory of an io_uring ring is mapped");
}

static char *aio(const struct pf_process *p, const struct bv_map *m, const char *arg)
{
    (void)p, (void)arg;
    return begins(m->path, "/[aio]") ? bv_strdup("it uses asynchronous file access of the kernel (libaio)") : NULL;
}

static char *huge_pages(const struct pf_process *p, const struct bv_map *m, const char *arg)
{
    (void)p, (void)arg;
    return begins(m->path, "/anon_hugepage") || begins(m->path, "/dev/hugepages/") ? bv_strdup("huge pages are in use")
                                                                                   : NULL;
}

/* A descriptor may be closed while its memory stays: hence devices here and in preflight_files.c. The memory of a ring
 * alone does not stop the engine, but comes back without a ring. */
const struct pf_rule pf_memory_rules[] = {
    {.topic = "deleted-mapping",
     .weight = BV_FINDING_BLOCKS,
     .map = deleted_file,
     .remedy =
         "Run it with --preload yes, if the file was in /dev/shm; else let the program keep the file until it ends, "
         "or use anonymous memory or a memfd in its place."},
    {.topic = "deleted-semaphore",
     .weight = BV_FINDING_BLOCKS,
     .map = deleted_file,
     .arg = "semaphore",
     .remedy =
         "Run it with --preload yes: locks, queues and pools of Python's multiprocessing are such semaphores. Or use "
         "unnamed ones (sem_init), pipes or threads."},
    {.topic = "aio",
     .weight = BV_FINDING_BLOCKS,
     .map = aio,
     .remedy = "Let the program use ordinary or threaded file access (many have an option for it)."},
    {.topic = "sysv-shm", .weight = BV_FINDING_BLOCKS, .map = sysv_segment, .remedy = PF_REMEDY_SYSV},
    {.topic = "io_uring-mapping", .weight = BV_FINDING_WEAKENS, .map = ring, .remedy = PF_REMEDY_IO_URING},
    {.topic = "gpu", .weight = BV_FINDING_BLOCKS, .map = named, .arg = "/dev/nvidia", .remedy = PF_REMEDY_GPU},
    {.topic = "gpu", .weight = BV_FINDING_BLOCKS, .map = named, .arg = "/dev/kfd", .remedy = PF_REMEDY_GPU},
    {.topic = "gpu", .weight = BV_FINDING_BLOCKS, .map = named, .arg = "/dev/dri/", .remedy = PF_REMEDY_GPU},
    {.topic = "rdma", .weight = BV_FINDING_BLOCKS, .map = named, .arg = "/dev/infiniband/", .remedy = PF_REMEDY_RDMA},
    {.topic = "huge-pages",
     .weight = BV_FINDING_NOTE,
     .map = huge_pages,
     .remedy = "Restart only where as many huge pages are reserved."},
    {0},
};
