/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is written, changed, deleted and written again: each generation that is left gives back what was put into
 * it. A model keeps a copy of all of it. $BIVOUAC_SEED repeats a run, $BIVOUAC_STEPS makes it longer. */
#include "store_fixture.h"

#include "store/format.h"
#include "store/usage.h"

#include <ftw.h>

#define PAGE        4096u
#define STREAMS     4u
#define STREAM_MAX  (96u * PAGE)
#define GENERATIONS 12u /* kept at most */

struct content {
    uint8_t *bytes;
    size_t size;
    int is_there;
};

struct kept {
    unsigned number;
    struct content stream[STREAMS];
};

struct model {
    struct fixture *f;
    uint64_t seed;
    struct content now[STREAMS];
    struct kept kept[GENERATIONS];
    size_t count;
    unsigned number;
};

static uint32_t draw(struct model *m, uint32_t below)
{
    return next_random(&m->seed) % below;
}

static void fill_page(struct model *m, uint8_t *page)
{
    switch (draw(m, 4)) {
    case 0:
        memset(page, 0, PAGE);
        break;
    case 1:
        memset(page, (int)draw(m, 256), PAGE); /* one of few: it comes again */
        break;
    default:
        fill_random(page, PAGE, next_random(&m->seed));
    }
}

static void change_pages(struct model *m, struct content *c)
{
    size_t pages = c->size / PAGE;
    if (pages == 0)
        return;
    for (uint32_t n = draw(m, 12); n > 0; n--)
        fill_page(m, c->bytes + draw(m, (uint32_t)pages) * PAGE);
}

/* Pages of any stream, to any place. */
static void move_pages(struct model *m, struct content *c)
{
    const struct content *from = &m->now[draw(m, STREAMS)];
    size_t most = from->size < c->size ? from->size : c->size;
    if (most < PAGE)
        return;
    size_t size = (1 + draw(m, (uint32_t)(most / PAGE))) * PAGE;
    size_t source = draw(m, (uint32_t)((from->size - size) / PAGE + 1)) * PAGE;
    size_t target = draw(m, (uint32_t)((c->size - size) / PAGE + 1)) * PAGE;
    memmove(c->bytes + target, from->bytes + source, size);
}

static void resize(struct model *m, struct content *c)
{
    size_t size = draw(m, STREAM_MAX);
    if (draw(m, 2))
        size = size / PAGE * PAGE;
    for (size_t at = (c->size + PAGE - 1) / PAGE * PAGE; at < size; at += PAGE)
        fill_page(m, c->bytes + at);
    c->size = size;
}

static void mutate(struct model *m)
{
    struct content *c = &m->now[draw(m, STREAMS)];
    switch (draw(m, 8)) {
    case 0:
        c->is_there = !c->is_there;
        break;
    case 1:
        resize(m, c);
        break;
    case 2:
        move_pages(m, c);
        break;
    case 3:
        if (c->size)
            c->bytes[draw(m, (uint32_t)c->size)] ^= 1;
        break;
    default:
        change_pages(m, c);
    }
}

static const char *name_of(size_t i)
{
    static const char *const names[STREAMS] = {"images/pages-1.img", "images/pages-2.img", "files/a", "files/b"};
    return names[i];
}

static void forget(struct kept *k)
{
    for (size_t i = 0; i < STREAMS; i++)
        free(k->stream[i].bytes);
}

static void delete_one(struct model *m)
{
    if (m->count == 0)
        return;
    size_t i = draw(m, (uint32_t)m->count);
    assert_ok(bv_generation_delete(&m->f->job, m->kept[i].number, &err));
    forget(&m->kept[i]);
    memmove(&m->kept[i], &m->kept[i + 1], (m->count - i - 1) * sizeof(m->kept[0]));
    m->count--;
}

static void checkpoint(struct model *m)
{
    struct bv_gen_writer *w = NULL;
    struct bv_gen_stats s = {0};
    struct bv_gen_options options = {.threads = 1 + draw(m, 4)};
    /* Mostly upon the newest, at times upon an older one, or none. */
    if (m->count)
        options.base = m->kept[draw(m, 4) ? m->count - 1 : draw(m, (uint32_t)m->count)].number;
    if (draw(m, 16) == 0)
        options.base = 0;
    if (m->count == GENERATIONS)
        delete_one(m);
    struct kept *k = &m->kept[m->count];
    *k = (struct kept){.number = ++m->number};
    assert_ok(bv_gen_writer_open(&m->f->job, k->number, 0, &options, &w, &err));
    uint64_t raw = 0;
    for (size_t i = 0; i < STREAMS; i++) {
        struct content *c = &k->stream[i];
        *c = m->now[i];
        c->bytes = bv_alloc(STREAM_MAX + PAGE);
        memcpy(c->bytes, m->now[i].bytes, c->size);
        if (c->is_there) {
            add_stream(w, name_of(i), c->bytes, c->size);
            raw += c->size;
        }
    }
    assert_ok(bv_gen_writer_finish(w, NULL, &s, &err));
    bv_gen_writer_close(w);
    if (draw(m, 10) == 0) { /* given up */
        assert_ok(bv_generation_discard(&m->f->job, k->number, 0, &err));
        forget(k);
        return;
    }
    assert_ok(bv_generation_commit(&m->f->job, k->number, 0, &err));
    assert_int_equal(s.raw_bytes, raw);
    assert_int_equal(s.zero_bytes + s.same_bytes + s.new_bytes, raw);
    assert_in_range(s.packs, 0, BV_PACKS_SHARED);
    m->count++;
}

static int open_copy(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts)
{
    int *fd = arg;
    (void)size;
    (void)cuts;
    for (size_t i = 0; i < STREAMS; i++)
        if (strcmp(name, name_of(i)) == 0) {
            fd[i] = memfd_create("copy", MFD_CLOEXEC);
            return fcntl(fd[i], F_DUPFD_CLOEXEC, 0);
        }
    errno = ENOENT;
    return -1;
}

/* As a restart does. */
static void restart(struct model *m, struct bv_gen *g, const struct kept *k)
{
    int fd[STREAMS] = {-1, -1, -1, -1};
    autofree uint8_t *copy = bv_alloc(STREAM_MAX + PAGE);
    struct bv_gen_copy how = {.open_target = open_copy, .arg = fd, .threads = 1 + draw(m, 4)};
    assert_ok(bv_gen_copy_all(g, &how, &err));
    for (size_t i = 0; i < STREAMS; i++) {
        const struct content *c = &k->stream[i];
        assert_int_equal(fd[i] >= 0, c->is_there);
        if (fd[i] < 0)
            continue;
        assert_int_equal(bv_pread_full(fd[i], copy, STREAM_MAX + PAGE, 0), c->size);
        assert_memory_equal(copy, c->bytes, c->size);
        close(fd[i]);
    }
}

static void look_at(struct model *m, const struct kept *k)
{
    autogen struct bv_gen *g = open_generation(&m->f->job, k->number);
    size_t there = 0;
    if (draw(m, 2))
        assert_ok(bv_gen_verify(g, &err));
    restart(m, g, k);
    for (size_t i = 0; i < STREAMS; i++) {
        there += (size_t)k->stream[i].is_there;
        if (k->stream[i].is_there)
            assert_stream(g, name_of(i), k->stream[i].bytes, k->stream[i].size);
    }
    assert_int_equal(bv_gen_stream_count(g), there);
}

/* --- how much it takes, counted another way --- */

static ino_t seen[4096];
static size_t seen_count;
static uint64_t seen_bytes;

static int count_once(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)path;
    (void)where;
    if (type != FTW_F)
        return 0;
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i] == st->st_ino)
            return 0;
    assert_true(seen_count < sizeof(seen) / sizeof(seen[0]));
    seen[seen_count++] = st->st_ino;
    seen_bytes += (uint64_t)st->st_size;
    return 0;
}

static uint64_t bytes_of_job(const struct model *m)
{
    autofree char *path = bv_asprintf("%s/jobs/job-1", m->f->dir);
    seen_count = 0;
    seen_bytes = 0;
    assert_int_equal(nftw(path, count_once, 8, FTW_PHYS), 0);
    return seen_bytes;
}

/* What a removal was said to free is what the job then takes less. */
static void delete_counted(struct model *m)
{
    autousage struct bv_usage u = {0};
    if (m->count == 0)
        return;
    uint64_t before = bytes_of_job(m);
    assert_ok(bv_usage_read(&m->f->job, &u, &err));
    assert_int_equal(bv_usage_total(&u), before);
    size_t i = draw(m, (uint32_t)m->count);
    uint64_t freed = bv_usage_freed(&u, &m->kept[i].number, 1);
    assert_ok(bv_generation_delete(&m->f->job, m->kept[i].number, &err));
    autofree char *last = NULL;
    size_t last_size = 0;
    assert_ok(bv_read_file(m->f->job.dirfd, "last", 64, &last, &last_size, &err));
    assert_in_range(bytes_of_job(m) + freed, before, before + last_size); /* the file "last" may have grown */
    forget(&m->kept[i]);
    memmove(&m->kept[i], &m->kept[i + 1], (m->count - i - 1) * sizeof(m->kept[0]));
    m->count--;
}

static unsigned long number_from(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoul(text, NULL, 0) : otherwise;
}

static void every_generation_that_is_left_is_what_was_put_in(void **state)
{
    struct model m = {.f = *state, .seed = number_from("BIVOUAC_SEED", 20261121)};
    unsigned long steps = number_from("BIVOUAC_STEPS", 3000);
    print_message("# seed %llu\n", (unsigned long long)m.seed);
    for (size_t i = 0; i < STREAMS; i++) {
        m.now[i].bytes = bv_alloc(STREAM_MAX + PAGE);
        m.now[i].is_there = 1;
        resize(&m, &m.now[i]);
    }
    for (unsigned long i = 0; i < steps; i++) {
        uint32_t what = draw(&m, 10);
        if (what < 6)
            mutate(&m);
        else if (what < 8)
            checkpoint(&m);
        else if (what == 8 && draw(&m, 3) == 0)
            delete_counted(&m);
        else if (m.count)
            look_at(&m, &m.kept[draw(&m, (uint32_t)m.count)]);
    }
    for (size_t i = 0; i < m.count; i++) {
        look_at(&m, &m.kept[i]);
        forget(&m.kept[i]);
    }
    for (size_t i = 0; i < STREAMS; i++)
        free(m.now[i].bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(every_generation_that_is_left_is_what_was_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
