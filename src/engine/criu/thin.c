/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/thin.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"
#include "engine/criu/criu.h"
#include "engine/criu/image.h"

/* criu/include/image.h */
#define VMA_REGULAR      (1u << 0)
#define VMA_HEAP         (1u << 5)
#define VMA_ANON_PRIVATE (1u << 9)
#define VMA_GUARD        (1u << 16)

static MmEntry *read_mm(const uint8_t *bytes, size_t size)
{
    struct criu_image i;
    ProtobufCMessage *m;
    if (criu_image_open(&i, bytes, size, CRIU_MAGIC_MM) < 0 || criu_image_next(&i, &mm_entry__descriptor, &m) <= 0)
        return NULL;
    return (MmEntry *)m;
}

/* The head of a pagemap image; *ret_image is behind it. */
static PagemapHead *read_head(const uint8_t *bytes, size_t size, struct criu_image *ret_image)
{
    ProtobufCMessage *m;
    if (criu_image_open(ret_image, bytes, size, CRIU_MAGIC_PAGEMAP) < 0 ||
        criu_image_next(ret_image, &pagemap_head__descriptor, &m) <= 0)
        return NULL;
    return (PagemapHead *)m;
}

int criu_pages_id(const uint8_t *pagemap, size_t size, uint32_t *ret)
{
    struct criu_image i;
    PagemapHead *head = read_head(pagemap, size, &i);
    if (!head)
        return -1;
    *ret = head->pages_id;
    pagemap_head__free_unpacked(head, NULL);
    return 0;
}

/* --- thinning --- */

struct thinning {
    struct criu_thin *t;
    MmEntry *mm;
    size_t vmas;  /* how many mappings there are */
    size_t vma;   /* the first that does not lie before what is looked at */
    size_t zero;  /* likewise */
    uint64_t at;  /* in the pages image */
    uint64_t end; /* of the entries so far */
    size_t room;
};

static void put(struct thinning *x, const void *bytes, size_t size)
{
    struct criu_thin *t = x->t;
    if (t->size + size > x->room) {
        x->room = (t->size + size) * 2;
        t->bytes = bv_realloc(t->bytes, x->room, 1);
    }
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
}

static void put_entry(struct thinning *x, uint32_t flags, uint64_t vaddr, uint64_t length)
{
    uint8_t packed[64];
    PagemapEntry e = PAGEMAP_ENTRY__INIT;
    if (length == 0)
        return;
    e.vaddr = vaddr;
    e.has_flags = e.has_nr_pages = 1;
    e.flags = flags;
    e.nr_pages = length / CRIU_PAGE;
    uint32_t size = (uint32_t)pagemap_entry__pack(&e, packed);
    put(x, &size, sizeof(size));
    put(x, packed, size);
}

/* An absent page of it reads as zero, for a child too: where the mappings of both coincide, CRIU lets a child inherit
 * what its parent has got already, and then drops what the child's own pagemap has not (restore_priv_vma_content()). Of
 * other mappings the same could be said of some, but what grows down, what is huge and what the kernel looks after is
 * restored in ways of its own. */
static int is_plain(const VmaEntry *v)
{
    return (v->flags & ~(uint32_t)MAP_NORESERVE) == (MAP_PRIVATE | MAP_ANONYMOUS) && (v->status & VMA_ANON_PRIVATE) &&
           (v->status & VMA_REGULAR) && !(v->status & ~(VMA_REGULAR | VMA_HEAP | VMA_ANON_PRIVATE));
}

/* How far from `from`, at most to `to`, memory is all of one kind; *ret_plain says whether it can be left out. */
static uint64_t same_kind(struct thinning *x, uint64_t from, uint64_t to, int *ret_plain)
{
    while (x->vma < x->vmas && x->mm->vmas[x->vma]->end <= from)
        x->vma++;
    const VmaEntry *v = x->vma < x->vmas ? x->mm->vmas[x->vma] : NULL;
    *ret_plain = v && v->start <= from && is_plain(v);
    uint64_t end = !v ? to : v->start <= from ? v->end : v->start;
    return end < to ? end : to;
}

/* As above for the pages image: is it zeros there? Whole pages only. */
static uint64_t same_content(struct thinning *x, uint64_t from, uint64_t to, int *ret_zero)
{
    const struct bv_ranges *z = x->t->zeros;
    while (x->zero < z->count && z->range[x->zero].at + z->range[x->zero].length <= from)
        x->zero++;
    *ret_zero = x->zero < z->count && z->range[x->zero].at <= from;
    uint64_t end = x->zero == z->count ? to : z->range[x->zero].at + (*ret_zero ? z->range[x->zero].length : 0);
    if (end >= to)
        return to;
    end = *ret_zero ? end / CRIU_PAGE * CRIU_PAGE : (end + CRIU_PAGE - 1) / CRIU_PAGE * CRIU_PAGE;
    if (end <= from) { /* less than a page of zeros */
        *ret_zero = 0;
        end = from + CRIU_PAGE;
    }
    return end;
}

/* Pages from `vaddr` on, which are `length` bytes of the pages image: keep what must be kept. */
static void thin_entry(struct thinning *x, uint32_t flags, uint64_t vaddr, uint64_t length)
{
    uint64_t kept = vaddr, end = vaddr + length;
    for (uint64_t next; vaddr < end; vaddr = next) {
        int plain, zero;
        next = same_kind(x, vaddr, end, &plain);
        next = vaddr + (same_content(x, x->at, x->at + (next - vaddr), &zero) - x->at);
        if (plain && zero) {
            put_entry(x, flags, kept, vaddr - kept);
            bv_ranges_add(&x->t->cuts, x->at, next - vaddr);
            kept = next;
        }
        x->at += next - vaddr;
    }
    put_entry(x, flags, kept, end - kept);
}

/* One message, which is freed. -1: it is not as it always is. */
static int thin_message(struct thinning *x, PagemapEntry *e)
{
    uint64_t vaddr = e->vaddr, pages = e->nr_pages;
    uint32_t flags = e->flags;
    int good = e->has_nr_pages && e->has_flags && !e->has_in_parent &&
               (flags & ~CRIU_PAGES_LAZY) == CRIU_PAGES_PRESENT && e->base.n_unknown_fields == 0 &&
               e->compat_nr_pages == 0;
    pagemap_entry__free_unpacked(e, NULL);
    if (!good || vaddr % CRIU_PAGE || vaddr < x->end || pages == 0 || pages > (INT64_MAX - vaddr) / CRIU_PAGE ||
        pages * CRIU_PAGE > INT64_MAX - x->at)
        return -1;
    x->end = vaddr + pages * CRIU_PAGE;
    thin_entry(x, flags, vaddr, pages * CRIU_PAGE);
    return 0;
}

/* Behind all mappings CRIU puts the guard pages (MADV_GUARD_INSTALL, as of each thread's stack) that lie in them: these
 * are never present. */
static size_t count_mappings(const MmEntry *mm)
{
    size_t n = mm->n_vmas;
    while (n > 0 && mm->vmas[n - 1]->status == VMA_GUARD)
        n--;
    return n;
}

static int are_sorted(const MmEntry *mm, size_t count)
{
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (mm->vmas[i]->start < end || mm->vmas[i]->end <= mm->vmas[i]->start || mm->vmas[i]->start % CRIU_PAGE ||
            mm->vmas[i]->end % CRIU_PAGE)
            return 0;
        end = mm->vmas[i]->end;
    }
    return 1;
}

static int thin_all(struct thinning *x)
{
    struct criu_image i;
    ProtobufCMessage *m;
    const struct criu_thin *t = x->t;
    x->vmas = count_mappings(x->mm);
    PagemapHead *head = are_sorted(x->mm, x->vmas) ? read_head(t->pagemap, t->pagemap_size, &i) : NULL;
    if (!head)
        return -1;
    pagemap_head__free_unpacked(head, NULL);
    put(x, t->pagemap, t->pagemap_size - i.left);
    size_t head_size = t->size;
    int got;
    while ((got = criu_image_next(&i, &pagemap_entry__descriptor, &m)) > 0)
        if (thin_message(x, (PagemapEntry *)m) < 0)
            return -1;
    /* CRIU does not expect a process without any page. */
    return got == 0 && t->cuts.count && t->size > head_size ? 0 : -1;
}

void criu_thin(struct criu_thin *t)
{
    struct thinning x = {.t = t, .mm = read_mm(t->mm, t->mm_size)};
    t->bytes = NULL;
    t->size = 0;
    t->cuts = (struct bv_ranges){0};
    if (x.mm && thin_all(&x) == 0) {
        mm_entry__free_unpacked(x.mm, NULL);
        return;
    }
    if (x.mm)
        mm_entry__free_unpacked(x.mm, NULL);
    free(steal_ptr(&t->bytes));
    t->size = 0;
    bv_ranges_free(&t->cuts);
}

/* --- the images in a directory --- */

int criu_is_bulk(const char *image)
{
    unsigned id;
    int end = 0;
    return sscanf(image, "pages-%u.img%n", &id, &end) == 1 && end > 0 && !image[end];
}

static int write_over(int dirfd, const char *name, const uint8_t *bytes, size_t size, struct bv_error *err)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || bv_write_full(fd, bytes, size) < 0)
        return bv_fail(err, errno == ENOSPC ? BV_ENOSPACE : BV_ESTORE, errno, "cannot write %s", name);
    return 0;
}

static int thin_process(const struct bv_engine_thin *how, unsigned pid, struct bv_error *err)
{
    char pagemap[48], mm[48], pages[48];
    autofree char *pagemap_bytes = NULL, *mm_bytes = NULL;
    struct criu_thin t = {0};
    uint32_t id;
    snprintf(pagemap, sizeof(pagemap), "pagemap-%u.img", pid);
    snprintf(mm, sizeof(mm), "mm-%u.img", pid);
    if (bv_read_file(how->images_fd, pagemap, CRIU_IMAGE_MAX, &pagemap_bytes, &t.pagemap_size, NULL) < 0 ||
        bv_read_file(how->images_fd, mm, CRIU_IMAGE_MAX, &mm_bytes, &t.mm_size, NULL) < 0)
        return 0; /* CRIU will say what is wrong with them */
    t.pagemap = (const uint8_t *)pagemap_bytes;
    t.mm = (const uint8_t *)mm_bytes;
    if (criu_pages_id(t.pagemap, t.pagemap_size, &id) < 0)
        return 0;
    snprintf(pages, sizeof(pages), "pages-%u.img", id);
    t.zeros = how->zeros(how->arg, pages);
    if (!t.zeros)
        return 0;
    criu_thin(&t);
    autofree uint8_t *bytes = t.bytes;
    if (!bytes)
        return 0;
    how->cut(how->arg, pages, &t.cuts);
    return write_over(how->images_fd, pagemap, bytes, t.size, err);
}

int criu_leave_zeros(const struct bv_engine_thin *how, struct bv_error *err)
{
    autoclosedir DIR *dir = bv_list_open(how->images_fd);
    if (!dir)
        return bv_fail(err, BV_ESTORE, errno, "cannot list the images");
    for (const char *name; (name = bv_list_next(dir));) {
        unsigned pid;
        int end = 0;
        if (sscanf(name, "pagemap-%u.img%n", &pid, &end) == 1 && end > 0 && !name[end] &&
            thin_process(how, pid, err) < 0)
            return -1;
    }
    return errno ? bv_fail(err, BV_ESTORE, errno, "cannot list the images") : 0;
}
