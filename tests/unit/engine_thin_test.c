/* SPDX-License-Identifier: Apache-2.0 */
/* What is left out of a pagemap is there by itself: memory restored with and without it is the same. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "criu.pb-c.h"
#include "engine/criu/thin.h"

#define PAGE    4096u
#define PAGES   400u /* of the address space, from BASE on */
#define BASE    0x10000000u
#define PRESENT 4u

struct bytes {
    uint8_t at[64 << 10];
    size_t size;
};

static void put_u32(struct bytes *b, uint32_t n)
{
    memcpy(b->at + b->size, &n, sizeof(n));
    b->size += sizeof(n);
}

static void begin_image(struct bytes *b, uint32_t magic)
{
    b->size = 0;
    put_u32(b, 0x54564319);
    put_u32(b, magic);
}

static void put_head(struct bytes *b, uint32_t id)
{
    PagemapHead h = PAGEMAP_HEAD__INIT;
    begin_image(b, 0x56084025);
    h.pages_id = id;
    put_u32(b, (uint32_t)pagemap_head__get_packed_size(&h));
    b->size += pagemap_head__pack(&h, b->at + b->size);
}

static void put_entry(struct bytes *b, uint32_t page, uint32_t count, uint32_t flags)
{
    PagemapEntry e = PAGEMAP_ENTRY__INIT;
    e.vaddr = BASE + (uint64_t)page * PAGE;
    e.has_flags = e.has_nr_pages = 1;
    e.flags = flags;
    e.nr_pages = count;
    put_u32(b, (uint32_t)pagemap_entry__get_packed_size(&e));
    b->size += pagemap_entry__pack(&e, b->at + b->size);
}

struct area {
    uint32_t page, count, flags, status;
};

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static void put_mm(struct bytes *b, const struct area *areas, size_t count)
{
    VmaEntry v[PAGES], *list[PAGES];
    MmEntry mm = MM_ENTRY__INIT;
    for (size_t i = 0; i < count; i++) {
        vma_entry__init(&v[i]);
        v[i].start = BASE + (uint64_t)areas[i].page * PAGE;
        v[i].end = v[i].start + (uint64_t)areas[i].count * PAGE;
        v[i].flags = areas[i].flags;
        v[i].status = areas[i].status;
        list[i] = &v[i];
    }
    mm.vmas = list;
    mm.n_vmas = count;
    begin_image(b, 0x57492820);
    put_u32(b, (uint32_t)mm_entry__get_packed_size(&mm));
    b->size += mm_entry__pack(&mm, b->at + b->size);
}

/* --- as CRIU would restore it: for each page, what it is, or -1 for one that is not in the image --- */

static void restore(const uint8_t *pagemap, size_t size, const uint16_t *image, size_t image_pages, int *memory)
{
    size_t at = 8, next = 0;
    uint32_t n;
    for (size_t i = 0; i < PAGES; i++)
        memory[i] = -1;
    memcpy(&n, pagemap + at, 4);
    for (at += 4 + n; at < size; at += n) {
        memcpy(&n, pagemap + at, 4);
        at += 4;
        PagemapEntry *e = pagemap_entry__unpack(NULL, n, pagemap + at);
        assert_non_null(e);
        assert_int_equal(e->flags & ~2u, PRESENT);
        for (uint64_t i = 0; i < e->nr_pages; i++) {
            size_t page = (size_t)((e->vaddr - BASE) / PAGE + i);
            assert_in_range(page, 0, PAGES - 1);
            assert_in_range(next, 0, image_pages - 1);
            memory[page] = image[next++];
        }
        pagemap_entry__free_unpacked(e, NULL);
    }
    assert_int_equal(next, image_pages);
}

struct world {
    uint64_t seed;
    struct area areas[PAGES];
    size_t area_count;
    uint16_t image[PAGES]; /* what each page of the pages image is; 0 = zeros */
    size_t image_pages;
    struct bytes pagemap, mm;
    struct bv_ranges zeros;
};

static uint32_t draw(struct world *w, uint32_t below)
{
    w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(w->seed >> 33) % below;
}

static void make_areas(struct world *w)
{
    static const struct area kinds[] = {
        {.flags = ANONYMOUS, .status = 0x201},
        {.flags = ANONYMOUS, .status = 0x221},
        {.flags = ANONYMOUS | MAP_NORESERVE, .status = 0x201},
        {.flags = ANONYMOUS | MAP_GROWSDOWN, .status = 0x201},
        {.flags = MAP_PRIVATE, .status = 0x41},
        {.flags = ANONYMOUS, .status = 0x209},
        {.flags = MAP_PRIVATE, .status = 0x201},
        {.flags = ANONYMOUS | MAP_HUGETLB, .status = 0x201},
    };
    w->area_count = 0;
    for (uint32_t page = 0; page < PAGES;) {
        struct area a = kinds[draw(w, 3) ? draw(w, 3) : draw(w, 8)];
        a.page = page;
        a.count = 1 + draw(w, 20);
        if (a.count > PAGES - page)
            a.count = PAGES - page;
        page += a.count + draw(w, 3);
        w->areas[w->area_count++] = a;
    }
    put_mm(&w->mm, w->areas, w->area_count);
}

/* Ranges of pages, which may reach from one area into the next. */
static void make_pagemap(struct world *w)
{
    w->image_pages = 0;
    w->zeros.count = 0;
    put_head(&w->pagemap, 7);
    for (uint32_t page = draw(w, 5); page < PAGES; page += draw(w, 4)) {
        uint32_t count = 1 + draw(w, 30);
        if (count > PAGES - page)
            count = PAGES - page;
        put_entry(&w->pagemap, page, count, draw(w, 2) ? PRESENT : PRESENT | 2);
        for (uint32_t i = 0; i < count; i++) {
            int is_zero = draw(w, 2);
            if (is_zero)
                bv_ranges_add(&w->zeros, w->image_pages * PAGE, PAGE);
            w->image[w->image_pages++] = is_zero ? 0 : (uint16_t)(1 + draw(w, 60000));
        }
        page += count;
    }
}

static int is_plain(const struct world *w, uint32_t page)
{
    for (size_t i = 0; i < w->area_count; i++) {
        const struct area *a = &w->areas[i];
        if (page >= a->page && page < a->page + a->count)
            return (a->flags & ~(uint32_t)MAP_NORESERVE) == ANONYMOUS && (a->status == 0x201 || a->status == 0x221);
    }
    return 0;
}

static struct criu_thin thin_of(const struct world *w)
{
    return (struct criu_thin){.pagemap = w->pagemap.at,
                              .pagemap_size = w->pagemap.size,
                              .mm = w->mm.at,
                              .mm_size = w->mm.size,
                              .zeros = &w->zeros};
}

/* The pages image without what is cut. */
static size_t cut_image(const struct world *w, const struct bv_ranges *cuts, uint16_t *ret)
{
    size_t n = 0, next = 0;
    for (size_t i = 0; i < w->image_pages; i++) {
        while (next < cuts->count && cuts->range[next].at + cuts->range[next].length <= i * PAGE)
            next++;
        if (next < cuts->count && cuts->range[next].at <= i * PAGE) {
            assert_int_equal(w->image[i], 0);
            continue;
        }
        ret[n++] = w->image[i];
    }
    return n;
}

static void memory_is_the_same_with_and_without(void **state)
{
    (void)state;
    static struct world w = {.seed = 20261122};
    int thinned = 0;
    for (int round = 0; round < 300; round++) {
        int before[PAGES], after[PAGES];
        uint16_t image[PAGES];
        make_areas(&w);
        make_pagemap(&w);
        struct criu_thin t = thin_of(&w);
        criu_thin(&t);
        if (!t.bytes)
            continue;
        thinned++;
        restore(w.pagemap.at, w.pagemap.size, w.image, w.image_pages, before);
        restore(t.bytes, t.size, image, cut_image(&w, &t.cuts, image), after);
        for (uint32_t page = 0; page < PAGES; page++) {
            if (is_plain(&w, page) && before[page] == 0)
                assert_int_equal(after[page], -1);
            else
                assert_int_equal(after[page], before[page]);
        }
        free(t.bytes);
        bv_ranges_free(&t.cuts);
    }
    assert_in_range(thinned, 250, 300);
    bv_ranges_free(&w.zeros);
}

/* A small one that can be thinned, with a last entry for the test. */
static void make_simple(struct world *w, uint32_t page, uint32_t count, uint32_t flags)
{
    w->areas[0] = (struct area){.page = 0, .count = 100, .flags = ANONYMOUS, .status = 0x201};
    put_mm(&w->mm, w->areas, 1);
    put_head(&w->pagemap, 7);
    put_entry(&w->pagemap, 0, 10, PRESENT);
    put_entry(&w->pagemap, page, count, flags);
    bv_ranges_add(&w->zeros, 0, 5 * PAGE);
}

static void assert_untouched(struct world *w)
{
    struct criu_thin t = thin_of(w);
    criu_thin(&t);
    assert_null(t.bytes);
    assert_int_equal(t.cuts.count, 0);
    bv_ranges_free(&w->zeros);
}

static void what_is_not_understood_is_left_alone(void **state)
{
    (void)state;
    static const struct {
        uint32_t page, count, flags;
    } odd[] = {
        {5, 1, PRESENT},      /* not in order */
        {20, 0, PRESENT},     /* empty */
        {20, 1, 1},           /* of a parent */
        {20, 1, PRESENT | 8}, /* a flag of a later time */
    };
    static struct world w;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        make_simple(&w, odd[i].page, odd[i].count, odd[i].flags);
        assert_untouched(&w);
    }
    make_simple(&w, 20, 1, PRESENT);
    w.pagemap.size--;
    assert_untouched(&w);
    make_simple(&w, 20, 1, PRESENT);
    w.mm.at[0]++;
    assert_untouched(&w);
    make_simple(&w, 20, 1, PRESENT);
    w.pagemap.at[4]++;
    assert_untouched(&w);
    make_simple(&w, 20, 1, PRESENT);
    w.areas[1] = (struct area){.page = 99, .count = 2, .flags = ANONYMOUS, .status = 0x201};
    put_mm(&w.mm, w.areas, 2);
    assert_untouched(&w);

    make_simple(&w, 20, 1, PRESENT);
    struct criu_thin t = thin_of(&w);
    criu_thin(&t);
    assert_non_null(t.bytes);
    assert_int_equal(t.cuts.count, 1);
    assert_int_equal(t.cuts.range[0].length, 5 * PAGE);
    free(t.bytes);
    bv_ranges_free(&t.cuts);
    bv_ranges_free(&w.zeros);
}

/* They are no mappings of their own. */
static void guard_pages_behind_the_mappings_do_not_matter(void **state)
{
    (void)state;
    static struct world w;
    const struct area guard = {.page = 30, .count = 1, .flags = ANONYMOUS, .status = 0x10000};
    make_simple(&w, 20, 1, PRESENT);
    w.areas[1] = w.areas[2] = guard;
    put_mm(&w.mm, w.areas, 3);
    struct criu_thin t = thin_of(&w);
    criu_thin(&t);
    assert_non_null(t.bytes);
    assert_int_equal(t.cuts.count, 1);
    free(t.bytes);
    bv_ranges_free(&t.cuts);
    bv_ranges_free(&w.zeros);

    make_simple(&w, 20, 1, PRESENT);
    w.areas[1] = w.areas[0];
    w.areas[0] = guard;
    put_mm(&w.mm, w.areas, 2);
    assert_untouched(&w);
}

/* CRIU takes a process without any page for a mistake. */
static void something_is_always_left(void **state)
{
    (void)state;
    static struct world w;
    make_simple(&w, 20, 1, PRESENT);
    bv_ranges_add(&w.zeros, 5 * PAGE, 6 * PAGE);
    assert_untouched(&w);
}

static void the_number_of_the_pages_image_is_read(void **state)
{
    (void)state;
    static struct bytes b;
    uint32_t id = 0;
    put_head(&b, 42);
    assert_int_equal(criu_pages_id(b.at, b.size, &id), 0);
    assert_int_equal(id, 42);
    for (size_t size = 0; size < b.size; size++)
        assert_int_equal(criu_pages_id(b.at, size, &id), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_the_same_with_and_without),
        cmocka_unit_test(what_is_not_understood_is_left_alone),
        cmocka_unit_test(guard_pages_behind_the_mappings_do_not_matter),
        cmocka_unit_test(something_is_always_left),
        cmocka_unit_test(the_number_of_the_pages_image_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
