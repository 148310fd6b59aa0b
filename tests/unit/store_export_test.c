/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint goes out of one store and into another; nothing but a whole and honest one gets in. */
#include "store_fixture.h"

#include <archive.h>
#include <archive_entry.h>

#include "store/event.h"
#include "store/export.h"
#include "store/export_format.h"
#include "store/layout.h"

#define STREAM_SIZE 300000
#define MEMBERS_MAX 16

/* The store of the fixture exports; this one imports. */
struct two {
    struct fixture *from;
    char dir[64];
    struct bv_store to;
    uint8_t *bytes;
};

static int two_setup(void **state)
{
    struct two *t = bv_alloc(sizeof(*t));
    if (fixture_setup((void **)&t->from) < 0)
        return -1;
    t->bytes = bv_alloc(STREAM_SIZE);
    snprintf(t->dir, sizeof(t->dir), "/tmp/bivouac-import.XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    assert_ok(bv_store_open(t->dir, 1, &t->to, &err));

    struct bv_gen_writer *w = begin_generation(&t->from->job, 1, 0);
    fill_random(t->bytes, STREAM_SIZE / 3 * 2, 5);
    add_stream(w, "images/pages-1.img", t->bytes, STREAM_SIZE);
    commit_generation(&t->from->job, w, 1, 0);
    w = begin_upon(&t->from->job, 2, 1);
    fill_random(t->bytes, 8192, 6);
    add_stream(w, "images/pages-1.img", t->bytes, STREAM_SIZE);
    add_stream(w, "images/core-1.img", "core", 4);
    commit_generation(&t->from->job, w, 2, 0);
    assert_ok(bv_event_append(&t->from->job, "checkpointed", 0, NULL, &err));
    *state = t;
    return 0;
}

static int two_teardown(void **state)
{
    struct two *t = *state;
    void *from = t->from;
    bv_store_close(&t->to);
    bv_remove_tree(AT_FDCWD, t->dir, NULL);
    free(t->bytes);
    free(t);
    return fixture_teardown(&from);
}

#define two_test(function) cmocka_unit_test_setup_teardown(function, two_setup, two_teardown)

static int temporary(void)
{
    int fd = memfd_create("export", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void rewind_fd(int fd)
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
}

static int exported(const struct two *t)
{
    int fd = temporary();
    assert_ok(bv_export(&t->from->job, 2, fd, NULL, &err));
    rewind_fd(fd);
    return fd;
}

static int count_entry(const char *name, void *arg)
{
    (void)name;
    ++*(int *)arg;
    return 0;
}

/* Whatever has a name in the store's directory of jobs, hidden or not. */
static int entries(const struct two *t)
{
    int n = 0;
    assert_ok(bv_dir_each(t->to.jobsfd, count_entry, &n, &err));
    return n;
}

static void assert_imported(const struct two *t, const char *id)
{
    autojob struct bv_job job = {.dirfd = -1};
    assert_ok(bv_job_open((struct bv_store *)&t->to, id, &job, &err));
    autogen struct bv_gen *g = open_generation(&job, 2);
    assert_ok(bv_gen_verify(g, &err));
    assert_int_equal(bv_gen_stream_count(g), 2);
    assert_stream(g, "images/pages-1.img", t->bytes, STREAM_SIZE);
    assert_stream(g, "images/core-1.img", "core", 4);
    assert_string_equal(json_string_value(json_object_get(bv_gen_content(g), "engine")), "none");
}

/* --- what is honest --- */

static void a_generation_with_shared_packs_is_imported(void **state)
{
    struct two *t = *state;
    struct bv_import_result r;
    autojob struct bv_job job = {.dirfd = -1};
    autojson json_t *record = NULL, *events = NULL;
    struct stat st;
    autoclose int fd = exported(t);
    assert_ok(bv_import(&t->to, fd, NULL, NULL, &r, &err));
    assert_string_equal(r.job, "job-1");
    assert_int_equal(r.generation, 2);
    assert_true(r.stored_bytes > STREAM_SIZE / 3 * 2);
    assert_imported(t, "job-1");
    assert_int_equal(entries(t), 1);

    assert_ok(bv_job_open(&t->to, "job-1", &job, &err));
    assert_ok(bv_job_record(&job, &record, &err));
    assert_string_equal(json_string_value(json_object_get(record, "command")), "true");
    assert_ok(bv_event_read(&job, &events, &err));
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 0), "event")), "checkpointed");
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "event")), "imported");
    assert_int_equal(fstatat(job.dirfd, "000002/pack-000001.bvp", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(fstatat(job.dirfd, "attempts", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
}

static void another_id_is_written_everywhere(void **state)
{
    struct two *t = *state;
    struct bv_import_result r;
    autoclose int fd = exported(t);
    assert_ok(bv_import(&t->to, fd, "new.id", NULL, &r, &err));
    assert_string_equal(r.job, "new.id");
    assert_imported(t, "new.id");
    autojob struct bv_job job = {.dirfd = -1};
    assert_fails(BV_ENOJOB, bv_job_open(&t->to, "job-1", &job, &err));
    rewind_fd(fd);
    assert_fails(BV_EUSAGE, bv_import(&t->to, fd, "../id", NULL, &r, &err));
}

static void two_exports_are_the_same(void **state)
{
    struct two *t = *state;
    struct stat st, again;
    autoclose int one = exported(t);
    autoclose int two = exported(t);
    assert_int_equal(fstat(one, &st), 0);
    assert_int_equal(fstat(two, &again), 0);
    assert_int_equal(st.st_size, again.st_size);
    autofree char *a = bv_alloc((size_t)st.st_size), *b = bv_alloc((size_t)st.st_size);
    assert_int_equal(bv_pread_full(one, a, (size_t)st.st_size, 0), st.st_size);
    assert_int_equal(bv_pread_full(two, b, (size_t)st.st_size, 0), st.st_size);
    assert_memory_equal(a, b, (size_t)st.st_size);
}

static void an_id_that_is_taken_is_refused(void **state)
{
    struct two *t = *state;
    autoclose int fd = exported(t);
    assert_fails_saying(BV_EBUSY, "job-1", bv_import(&t->from->store, fd, NULL, NULL, NULL, &err));
    rewind_fd(fd);
    assert_ok(bv_import(&t->from->store, fd, "job-2", NULL, NULL, &err));
}

static void what_an_interrupted_import_left_is_removed(void **state)
{
    struct two *t = *state;
    autoclose int fd = exported(t);
    assert_int_equal(mkdirat(t->to.jobsfd, ".import-job-1.0123456789abcdef", 0700), 0);
    assert_int_equal(mkdirat(t->to.jobsfd, ".import-job-1.0123456789abcdef/000002", 0700), 0);
    assert_int_equal(mkdirat(t->to.jobsfd, ".import-job-1.a.0123456789abcdef", 0700), 0); /* of the job "job-1.a" */
    assert_ok(bv_import(&t->to, fd, NULL, NULL, NULL, &err));
    assert_int_equal(entries(t), 2);
    assert_imported(t, "job-1");
}

static int give_up_when_reading(void *arg, const char *doing, uint64_t done, uint64_t total)
{
    (void)total;
    *(uint64_t *)arg = done;
    return strcmp(doing, "verifying") != 0 && done > 100000;
}

static void giving_up_leaves_nothing(void **state)
{
    struct two *t = *state;
    uint64_t done = 0;
    const struct bv_transfer_watch watch = {.tell = give_up_when_reading, .arg = &done};
    autoclose int fd = exported(t);
    autoclose int unfinished = temporary();
    assert_fails_saying(BV_EINTERNAL, "interrupted", bv_import(&t->to, fd, NULL, &watch, NULL, &err));
    assert_true(done > 100000);
    assert_int_equal(entries(t), 0);
    assert_fails_saying(BV_EINTERNAL, "interrupted", bv_export(&t->from->job, 2, unfinished, &watch, &err));
}

/* --- what does not go out --- */

static void a_damaged_generation_is_not_exported(void **state)
{
    struct two *t = *state;
    autoclose int pack = openat(t->from->job.dirfd, "000002/pack-000001.bvp", O_RDWR | O_CLOEXEC);
    assert_int_equal(bv_pwrite_full(pack, "x", 1, 5000), 0);
    autoclose int fd = temporary();
    assert_fails(BV_ECORRUPT, bv_export(&t->from->job, 2, fd, NULL, &err));
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    assert_fails(BV_ENOJOB, bv_export(&t->from->job, 3, fd, NULL, &err));
}

static void a_full_disk_is_told(void **state)
{
    struct two *t = *state;
    autoclose int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_fails_saying(BV_ENOSPACE, "generation 2", bv_export(&t->from->job, 2, full, NULL, &err));
    autoclose int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_fails(BV_EINTERNAL, bv_export(&t->from->job, 2, closed, NULL, &err));
}

/* --- accidents --- */

static void a_stream_that_is_cut_off_is_refused(void **state)
{
    struct two *t = *state;
    autoclose int fd = exported(t);
    off_t size = lseek(fd, 0, SEEK_END) - 1024; /* the end of the archive, which says nothing */
    for (off_t cut = size - 512; cut >= 0; cut -= cut < 6000 ? 512 : 9973) {
        assert_int_equal(ftruncate(fd, cut), 0);
        rewind_fd(fd);
        assert_fails(BV_ECORRUPT, bv_import(&t->to, fd, NULL, NULL, NULL, &err));
        assert_int_equal(entries(t), 0);
    }
}

/* A bit that is flipped is found, or is one that means nothing (tar fills members up to 512 bytes). */
static void a_flipped_bit_gets_nothing_wrong_in(void **state)
{
    struct two *t = *state;
    uint64_t seed = 11;
    int refused = 0;
    autoclose int fd = exported(t);
    off_t size = lseek(fd, 0, SEEK_END);
    for (int i = 0; i < 500; i++) {
        off_t at = (off_t)(next_random(&seed) % (uint64_t)(i % 2 ? 6000 : size));
        uint8_t byte, flipped;
        struct bv_error why = {0};
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        flipped = byte ^ (uint8_t)(1u << next_random(&seed) % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        rewind_fd(fd);
        if (bv_import(&t->to, fd, NULL, NULL, NULL, &why) == 0) {
            assert_imported(t, "job-1");
            assert_ok(bv_job_delete(&t->to, "job-1", &err));
        } else {
            assert_true(why.code == BV_ECORRUPT || why.code == BV_ESTORE); /* "bivouac-export 3" */
            refused++;
        }
        assert_int_equal(entries(t), 0);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_true(refused > 250);
}

static void what_is_no_export_is_refused(void **state)
{
    static const char text[] = "This is a text, and long enough to fill a block of a tar archive. ";
    struct two *t = *state;
    autoclose int fd = temporary();
    assert_fails_saying(BV_ECORRUPT, "no export", bv_import(&t->to, fd, NULL, NULL, NULL, &err));
    for (int i = 0; i < 100; i++)
        assert_int_equal(bv_write_full(fd, text, sizeof(text) - 1), 0);
    rewind_fd(fd);
    assert_fails_saying(BV_ECORRUPT, "no export", bv_import(&t->to, fd, NULL, NULL, NULL, &err));
    autoclose int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_fails_saying(BV_ECORRUPT, "no export", bv_import(&t->to, zero, NULL, NULL, NULL, &err));
    autoclose int directory = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_fails(BV_EINTERNAL, bv_import(&t->to, directory, NULL, NULL, NULL, &err));
    assert_int_equal(entries(t), 0);
}

/* --- malice: archives whose digest is right --- */

struct member {
    char name[128];
    char *bytes;
    size_t size;
    unsigned type;        /* AE_IFREG, … */
    const char *hardlink; /* or NULL */
    size_t hole;          /* so many bytes from the start are not in the archive */
};

struct tar {
    struct member m[MEMBERS_MAX];
    size_t count;
};

static void read_tar(struct tar *t, int fd)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    *t = (struct tar){0};
    archive_read_support_format_tar(a);
    assert_int_equal(archive_read_open_fd(a, fd, 65536), ARCHIVE_OK);
    while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
        struct member *m = &t->m[t->count++];
        snprintf(m->name, sizeof(m->name), "%s", archive_entry_pathname(e));
        m->size = (size_t)archive_entry_size(e);
        m->type = AE_IFREG;
        m->bytes = bv_alloc(m->size + 1);
        assert_int_equal(archive_read_data(a, m->bytes, m->size), m->size);
    }
    archive_read_free(a);
}

static void free_tar(struct tar *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->m[i].bytes);
}

static void write_member(struct archive *a, const struct member *m)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, m->name);
    archive_entry_set_filetype(e, m->type);
    archive_entry_set_perm(e, 0600);
    archive_entry_set_size(e, m->type == AE_IFREG ? (la_int64_t)m->size : 0);
    if (m->type == AE_IFLNK)
        archive_entry_set_symlink(e, "/etc/passwd");
    if (m->hardlink)
        archive_entry_set_hardlink(e, m->hardlink);
    if (m->hole)
        archive_entry_sparse_add_entry(e, (la_int64_t)m->hole, (la_int64_t)(m->size - m->hole));
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    if (m->type == AE_IFREG && m->size)
        archive_write_data(a, m->bytes, m->size);
    archive_entry_free(e);
}

/* Write it with a digest that fits: of all members before the first one that is called "end". */
static int sign_tar(struct tar *t)
{
    int fd = temporary();
    struct bv_digest digest;
    XXH3_state_t *state = bv_digest_begin();
    struct archive *a = archive_write_new();
    archive_write_set_format_pax(a);
    assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
    for (size_t i = 0; i < t->count; i++) {
        struct member *m = &t->m[i];
        if (state && strcmp(m->name, BV_EXPORT_END) == 0) {
            bv_digest_end(state, &digest);
            state = NULL;
            bv_digest_text(&digest, m->bytes);
            m->bytes[BV_DIGEST_TEXT - 1] = '\n';
        } else if (state) {
            bv_export_digest_member(state, m->name, m->size);
            bv_digest_add(state, m->bytes, m->size);
        }
        write_member(a, m);
    }
    bv_digest_end(state, NULL);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    rewind_fd(fd);
    return fd;
}

/* The members of the export, by their place. */
enum { HEAD, RECORD, EVENTS, MANIFEST, INDEX, PACK_1, PACK_2, END, COUNT };

enum change { TAKE_OUT, INSERT, SWAP, RENAME, REPLACE, RETYPE, HARDLINK, HOLE, SHORTEN, FLIP, FILL };

#define HEAD_OF(generation, job)                                                                                       \
    "{\"created\":\"\",\"format\":\"bivouac-export 1\",\"generation\":" generation ",\"job\":\"" job "\"}\n"

static const struct spoiled {
    enum change change;
    size_t at;
    const char *text;
    const char *name; /* of what is inserted */
    size_t number;
    enum bv_code code; /* 0 = BV_ECORRUPT */
} spoiled[] = {
    {TAKE_OUT, HEAD},
    {TAKE_OUT, RECORD},
    {TAKE_OUT, PACK_2},
    {TAKE_OUT, END},
    {INSERT, MANIFEST, "{}", BV_EXPORT_RECORD}, /* a duplicate */
    {INSERT, END, "x", "000002/pack-000003.bvp"},
    {INSERT, COUNT, "x", "more"},
    {SWAP, PACK_1, .number = PACK_2},
    {RENAME, PACK_1, "../../../etc/passwd"},
    {RENAME, PACK_1, "/etc/passwd"},
    {RENAME, MANIFEST, "000003/manifest"},
    {RETYPE, INDEX, .number = AE_IFLNK},
    {RETYPE, INDEX, .number = AE_IFDIR},
    {HARDLINK, PACK_1, "/etc/passwd"},
    {HOLE, PACK_1},
    {SHORTEN, PACK_2},
    {FLIP, PACK_1, .number = 5000}, /* a block that does not verify, below a digest that does */
    {FLIP, INDEX, .number = 40},
    {FLIP, MANIFEST, .number = 40},
    {REPLACE, HEAD, "{\"format\":\"bivouac-export 2\"}\n", .code = BV_ESTORE},
    {REPLACE, HEAD, HEAD_OF("2", "../x")},
    {REPLACE, HEAD, HEAD_OF("2", "job-9")},
    {REPLACE, HEAD, HEAD_OF("0", "job-1")},
    {REPLACE, HEAD, "[]\n"},
    {REPLACE, RECORD, "[]\n"},
    {FILL, HEAD, .number = 1 << 20},
};

static void spoil(struct tar *t, const struct spoiled *s)
{
    struct member *m = &t->m[s->at], other;
    size_t behind = (t->count - s->at) * sizeof(*m);
    switch (s->change) {
    case TAKE_OUT:
        free(m->bytes);
        memmove(m, m + 1, behind - sizeof(*m));
        t->count--;
        break;
    case INSERT:
        memmove(m + 1, m, behind);
        *m = (struct member){.bytes = bv_strdup(s->text), .size = strlen(s->text), .type = AE_IFREG};
        snprintf(m->name, sizeof(m->name), "%s", s->name);
        t->count++;
        break;
    case SWAP:
        other = t->m[s->number];
        t->m[s->number] = *m;
        *m = other;
        break;
    case RENAME:
        snprintf(m->name, sizeof(m->name), "%s", s->text);
        break;
    case REPLACE:
        free(m->bytes);
        m->bytes = bv_strdup(s->text);
        m->size = strlen(s->text);
        break;
    case RETYPE:
        m->type = (unsigned)s->number;
        break;
    case HARDLINK:
        m->hardlink = s->text;
        break;
    case HOLE:
        m->hole = m->size - 1;
        break;
    case SHORTEN:
        m->size--;
        break;
    case FLIP:
        m->bytes[s->number] ^= 1;
        break;
    case FILL:
        m->bytes = bv_realloc(m->bytes, s->number, 1);
        memset(m->bytes, ' ', s->number);
        m->size = s->number;
        break;
    }
}

/* Sign the export anew with what `s` has spoiled in it (NULL = nothing), and import that. */
static int import_spoiled(struct two *t, int good, const struct spoiled *s, struct bv_error *err)
{
    struct tar tar;
    rewind_fd(good);
    read_tar(&tar, good);
    assert_int_equal(tar.count, COUNT);
    if (s)
        spoil(&tar, s);
    autoclose int fd = sign_tar(&tar);
    free_tar(&tar);
    return bv_import(&t->to, fd, NULL, NULL, NULL, err);
}

static void malice_is_refused(void **state)
{
    struct two *t = *state;
    autoclose int good = exported(t);
    for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
        struct bv_error err = {0};
        enum bv_code expected = spoiled[i].code ? spoiled[i].code : BV_ECORRUPT;
        if (import_spoiled(t, good, &spoiled[i], &err) == 0 || err.code != expected)
            fail_msg("case %zu: %s", i, err.code ? err.text : "imported");
        assert_int_equal(entries(t), 0);
    }
    assert_ok(import_spoiled(t, good, NULL, &err)); /* the rest of this test is right */
    assert_imported(t, "job-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        two_test(a_generation_with_shared_packs_is_imported),
        two_test(another_id_is_written_everywhere),
        two_test(two_exports_are_the_same),
        two_test(an_id_that_is_taken_is_refused),
        two_test(what_an_interrupted_import_left_is_removed),
        two_test(giving_up_leaves_nothing),
        two_test(a_damaged_generation_is_not_exported),
        two_test(a_full_disk_is_told),
        two_test(a_stream_that_is_cut_off_is_refused),
        two_test(a_flipped_bit_gets_nothing_wrong_in),
        two_test(what_is_no_export_is_refused),
        two_test(malice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
