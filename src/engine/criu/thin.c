/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/thin.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/criu/criu.h"

/* criu/include/magic.h, pagemap.h, image.h */
#define IMAGE_MAGIC      0x54564319u
#define PAGEMAP_MAGIC    0x56084025u
#define MM_MAGIC         0x57492820u
#define PAGEMAP_LAZY     2u /* could be restored later; never is */
#define PAGEMAP_PRESENT  4u
#define VMA_REGULAR      (1u << 0)
#define VMA_HEAP         (1u << 5)
#define VMA_ANON_PRIVATE (1u << 9)

#define PAGE      4096u
#define IMAGE_MAX (256u << 20) /* a pagemap has some 20 bytes for each range of pages */

/* --- images: two magic numbers, then messages, each after its length --- */

struct reader {
    const uint8_t *at;
    size_t left;
};

static int take_u32(struct reader *r, uint32_t *ret)
{
    if (r->left < sizeof(*ret))
        return -1;
    memcpy(ret, r->at, sizeof(*ret)); /* CRIU writes them as the machine has them */
    r->at += sizeof(*ret);
    r->left -= sizeof(*ret);
    return 0;
}

static int open_image(struct reader *r, const uint8_t *bytes, size_t size, uint32_t magic)
{
    uint32_t common, own;
    *r = (struct reader){.at = bytes, .left = size};
    return take_u32(r, &common) < 0 || take_u32(r, &own) < 0 || common != IMAGE_MAGIC || own != magic ? -1 : 0;
}

static int take_message(struct reader *r, const uint8_t **ret, uint32_t *ret_size)
{
    if (take_u32(r, ret_size) < 0 || r->left < *ret_size)
        return -1;
    *ret = r->at;
    r->at += *ret_size;
    r->left -= *ret_size;
    return 0;
}

static MmEntry *read_mm(const uint8_t *bytes, size_t size)
{
    struct reader r;
    const uint8_t *message;
    uint32_t n;
    if (open_image(&r, bytes, size, MM_MAGIC) < 0 || take_message(&r, &message, &n) < 0)
        return NULL;
    return mm_entry__unpack(NULL, n, message);
}

int criu_pages_id(const uint8_t *pagemap, size_t size, uint32_t *ret)
{
    struct reader r;
    const uint8_t *message;
    uint32_t n;
    if (open_image(&r, pagemap, size, PAGEMAP_MAGIC) < 0 || take_message(&r, &message, &n) < 0)
        return -1;
    PagemapHead *head = pagemap_head__unpack(NULL, n, message);
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
    e.nr_pages = length / PAGE;
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
    while (x->vma < x->mm->n_vmas && x->mm->vmas[x->vma]->end <= from)
        x->vma++;
    const VmaEntry *v = x->vma < x->mm->n_vmas ? x->mm->vmas[x->vma] : NULL;
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
    end = *ret_zero ? end / PAGE * PAGE : (end + PAGE - 1) / PAGE * PAGE;
    if (end <= from) { /* less than a page of zeros */
        *ret_zero = 0;
        end = from + PAGE;
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

/* One message. -1: it is not as it always is. */
static int thin_message(struct thinning *x, const uint8_t *message, uint32_t size)
{
    PagemapEntry *e = pagemap_entry__unpack(NULL, size, message);
    if (!e)
        return -1;
    uint64_t vaddr = e->vaddr, pages = e->nr_pages;
    uint32_t flags = e->flags;
    int good = e->has_nr_pages && e->has_flags && !e->has_in_parent && (flags & ~PAGEMAP_LAZY) == PAGEMAP_PRESENT &&
               e->base.n_unknown_fields == 0 && e->compat_nr_pages == 0;
    pagemap_entry__free_unpacked(e, NULL);
    if (!good || vaddr % PAGE || vaddr < x->end || pages == 0 || pages > (INT64_MAX - vaddr) / PAGE ||
        pages * PAGE > INT64_MAX - x->at)
        return -1;
    x->end = vaddr + pages * PAGE;
    thin_entry(x, flags, vaddr, pages * PAGE);
    return 0;
}

static int are_sorted(const MmEntry *mm)
{
    uint64_t end = 0;
    for (size_t i = 0; i < mm->n_vmas; i++) {
        if (mm->vmas[i]->start < end || mm->vmas[i]->end <= mm->vmas[i]->start || mm->vmas[i]->start % PAGE ||
            mm->vmas[i]->end % PAGE)
            return 0;
        end = mm->vmas[i]->end;
    }
    return 1;
}

static int thin_all(struct thinning *x)
{
    struct reader r;
    const uint8_t *message;
    uint32_t size;
    const struct criu_thin *t = x->t;
    if (!are_sorted(x->mm) || open_image(&r, t->pagemap, t->pagemap_size, PAGEMAP_MAGIC) < 0 ||
        take_message(&r, &message, &size) < 0)
        return -1;
    put(x, t->pagemap, t->pagemap_size - r.left);
    size_t head = t->size;
    while (r.left)
        if (take_message(&r, &message, &size) < 0 || thin_message(x, message, size) < 0)
            return -1;
    /* CRIU does not expect a process without any page. */
    return t->cuts.count && t->size > head ? 0 : -1;
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
    if (bv_read_file(how->images_fd, pagemap, IMAGE_MAX, &pagemap_bytes, &t.pagemap_size, NULL) < 0 ||
        bv_read_file(how->images_fd, mm, IMAGE_MAX, &mm_bytes, &t.mm_size, NULL) < 0)
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
    int fd = openat(how->images_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return bv_fail(err, BV_ESTORE, errno, "cannot list the images");
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        unsigned pid;
        int end = 0;
        if (sscanf(e->d_name, "pagemap-%u.img%n", &pid, &end) == 1 && end > 0 && !e->d_name[end] &&
            thin_process(how, pid, err) < 0)
            return -1;
    }
    return 0;
}
