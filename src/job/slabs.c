/* SPDX-License-Identifier: Apache-2.0 */
#include "job/slabs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

#define SLABS_MIN  4
#define HUGE_PAGE  (2u << 20)
#define SLAB_ALIGN 4096u /* what the writer wants */

struct node {
    struct bv_slab slab; /* first: a slab is its node */
    struct node *next;
};

struct bv_slabs {
    pthread_mutex_t lock;
    pthread_cond_t back;
    struct node *nodes, *free;
    size_t count, used; /* nodes[used..] have never been out */
    char *memory;
    size_t mapped;
};

static void release(void *arg, struct bv_slab *slab)
{
    struct bv_slabs *s = arg;
    struct node *n = (struct node *)slab;
    pthread_mutex_lock(&s->lock);
    n->next = s->free;
    s->free = n;
    pthread_cond_signal(&s->back);
    pthread_mutex_unlock(&s->lock);
}

struct bv_slabs *bv_slabs_new(uint64_t limit, uint64_t ready)
{
    struct bv_slabs *s = bv_alloc(sizeof(*s));
    s->count = limit / BV_SLAB > SLABS_MIN ? (size_t)(limit / BV_SLAB) : SLABS_MIN;
    s->mapped = s->count * BV_SLAB + HUGE_PAGE;
    s->memory = mmap(NULL, s->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->memory == MAP_FAILED) {
        free(s);
        return NULL;
    }
    char *begin = (char *)(((uintptr_t)s->memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    madvise(begin, s->count * BV_SLAB, MADV_HUGEPAGE);
    if (ready > s->count * BV_SLAB)
        ready = s->count * BV_SLAB;
    if (ready > 0)
        madvise(begin, ready, MADV_POPULATE_WRITE); /* kernels before 5.14 do it at the first touch */

    s->nodes = bv_alloc(s->count * sizeof(s->nodes[0]));
    for (size_t i = 0; i < s->count; i++)
        s->nodes[i].slab = (struct bv_slab){.bytes = begin + i * BV_SLAB, .release = release, .arg = s};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->back, NULL);
    return s;
}

void bv_slabs_free(struct bv_slabs *s)
{
    if (!s)
        return;
    munmap(s->memory, s->mapped);
    pthread_cond_destroy(&s->back);
    pthread_mutex_destroy(&s->lock);
    free(s->nodes);
    free(s);
}

/* With the lock held. */
static struct bv_slab *take(struct bv_slabs *s)
{
    struct node *n = s->free;
    if (n)
        s->free = n->next;
    else if (s->used < s->count)
        n = &s->nodes[s->used++];
    if (!n)
        return NULL;
    n->slab.size = 0;
    return &n->slab;
}

struct bv_slab *bv_slabs_take(struct bv_slabs *s)
{
    pthread_mutex_lock(&s->lock);
    struct bv_slab *slab = take(s);
    pthread_mutex_unlock(&s->lock);
    return slab;
}

static void release_extra(void *arg, struct bv_slab *slab)
{
    (void)arg;
    free(slab->bytes);
    free(slab);
}

static struct bv_slab *new_extra(void)
{
    struct bv_slab *slab = bv_alloc(sizeof(*slab));
    *slab = (struct bv_slab){.bytes = aligned_alloc(SLAB_ALIGN, BV_SLAB), .release = release_extra};
    if (!slab->bytes) {
        fputs("bivouac: out of memory\n", stderr);
        abort();
    }
    return slab;
}

struct bv_slab *bv_slabs_wait(struct bv_slabs *s, size_t held)
{
    if (held >= s->count)
        return new_extra();
    struct bv_slab *slab;
    pthread_mutex_lock(&s->lock);
    while (!(slab = take(s)))
        pthread_cond_wait(&s->back, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return slab;
}
