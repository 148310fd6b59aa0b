/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job/preflight.h"
#include "proc/fds.h"
#include "proc/maps.h"
#include "proc/tree.h"

/* Inside preflight: what is known of the tree, and the form of a rule. A rule looks at one thing and says in a sentence
 * why it matters, or NULL. The rules are tables, one per kind of thing, in preflight_{files,memory,process}.c; sockets,
 * memfds and what is deleted can only be judged when the whole tree was seen, so that
 * preflight_{sockets,shared,deleted}.c have loops of their own. */

/* A socket of the tree. */
struct pf_socket {
    pid_t pid;
    char comm[64];
    int fd;
    uint64_t inode;
};

/* A memfd that the tree has. */
struct pf_memfd {
    uint64_t inode;
    char *name;
    int is_open;    /* by a descriptor */
    int is_private; /* a mapping of it is */
    pid_t pid;      /* who has it mapped, 0 if nobody */
    char comm[64];
};

/* Something that has been deleted and is in use: as the place where a process is, or by a descriptor. */
enum pf_use { PF_USE_PLACE, PF_USE_DIRECTORY, PF_USE_OTHER };

struct pf_deleted {
    char *path;
    uint64_t inode;
    enum pf_use use;
    pid_t pid;
    char comm[64];
};

struct pf_tree {
    const struct bv_preflight *p;
    struct bv_pids pids; /* sorted by nothing but parents first */
    unsigned uid, gid;   /* real ones of the root */
    char ns[8][64];      /* namespaces of the root, by pf_namespaces[]; "" if not readable */
    uint64_t stdio[3];   /* inodes of the root's descriptors 0 to 2, 0 if it has none */

    struct pf_socket *socket; /* each inode once, ascending after pf_sockets_sort() */
    size_t socket_count;

    struct pf_memfd *memfd;
    size_t memfd_count;

    struct pf_deleted *deleted;
    size_t deleted_count;

    struct bv_task waiting[8]; /* processes found in uninterruptible sleep, the first ones */
    size_t waiting_count;

    struct bv_findings found;
};

/* One process, while it is looked at. */
struct pf_process {
    const struct pf_tree *tree;
    struct bv_task task;
    char *status;    /* text of /proc/PID/status */
    char *mountinfo; /* text of /proc/PID/mountinfo, "" if not readable */
    struct bv_fds fds;
    struct bv_maps maps;
};

struct pf_rule {
    const char *topic;
    enum bv_finding_weight weight;
    /* One of the three; the sentence is allocated, without a full stop. */
    char *(*fd)(const struct pf_process *p, const struct bv_fd *fd, const char *arg);
    char *(*map)(const struct pf_process *p, const struct bv_map *map, const char *arg);
    char *(*process)(const struct pf_process *p, const char *arg);
    const char *arg; /* what the check function needs to know to serve several rules */
    const char *remedy;
    int unnoticed; /* as in struct bv_finding */
};

/* Tables end with an entry without topic. */
extern const struct pf_rule pf_file_rules[], pf_memory_rules[], pf_process_rules[];

/* The names below /proc/PID/ns that a tree must share; as many as pf_tree.ns has room for, NULL behind the last. */
extern const char *const pf_namespaces[];

/* Record a finding and take `text`. A topic is told once per process and at most 8 times. */
void pf_add(struct pf_tree *tree, const struct pf_rule *rule, pid_t pid, const char *comm, char *text);

/* Remedies of things that are seen both as a descriptor and as a mapping. */
#define PF_REMEDY_IO_URING                                                                                             \
    "Turn io_uring off in the program: UV_USE_IO_URING=0 for Node.js and uvloop with libuv before 1.50; later ones "   \
    "need a node with the sysctl kernel.io_uring_disabled=2."
#define PF_REMEDY_GPU "Let the program give the GPU back before the checkpoint, or run without GPU."
#define PF_REMEDY_SYSV                                                                                                 \
    "Let the program use POSIX shared memory or files instead (MPICH: UCX_TLS=self,posix; Open MPI: --mca "            \
    "shmem posix)."
#define PF_REMEDY_RDMA                                                                                                 \
    "Run with a transport that needs no device (Open MPI: --mca pml ob1 --mca btl self,sm,tcp; "                       \
    "MPICH: UCX_TLS=self,posix,tcp)."

/* Check functions and the rest of preflight_shared.c. */
char *pf_shared_with_parent(const struct pf_process *p, const char *arg);
char *pf_apart_thread(const struct pf_process *p, const char *arg);
void pf_collect_memfds(struct pf_tree *tree, const struct pf_process *p);
void pf_check_memfds(struct pf_tree *tree);
void pf_free_memfds(struct pf_tree *tree);

/* preflight_deleted.c */
void pf_collect_deleted(struct pf_tree *tree, const struct pf_process *p);
void pf_check_deleted(struct pf_tree *tree);
void pf_free_deleted(struct pf_tree *tree);

/* What can be judged only of the tree as a whole. */
int pf_check_sockets(struct pf_tree *tree, struct bv_error *err);
void pf_check_stuck(struct pf_tree *tree);
void pf_check_capsule(struct pf_tree *tree);

/* Sort the sockets by inode and keep each once. */
void pf_sockets_sort(struct pf_tree *tree);

/* Is this inode a socket of the tree? After pf_sockets_sort(). */
const struct pf_socket *pf_socket_find(const struct pf_tree *tree, uint64_t inode);

/* Does `pid` belong to the tree? */
int pf_is_ours(const struct pf_tree *tree, pid_t pid);
