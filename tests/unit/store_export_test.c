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

static void open_two(struct two *t, void **state)
{
    *t = (struct two){.from = *state, .bytes = bv_alloc(STREAM_SIZE)};
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
}

static void close_two(struct two *t)
{
    bv_store_close(&t->to);
    bv_remove_tree(AT_FDCWD, t->dir, NULL);
    free(t->bytes);
}

static int temporary(void)
{
    int fd = memfd_create("export", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int exported(const struct two *t)
{
    int fd = temporary();
    assert_ok(bv_export(&t->from->job, 2, fd, NULL, &err));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
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
    struct two t;
    struct bv_import_result r;
    autojob struct bv_job job = {.dirfd = -1};
    autojson json_t *record = NULL, *events = NULL;
    struct stat st;
    open_two(&t, state);
    autoclose int fd = exported(&t);
    assert_ok(bv_import(&t.to, fd, NULL, NULL, &r, &err));
    assert_string_equal(r.job, "job-1");
    assert_int_equal(r.generation, 2);
    assert_true(r.stored_bytes > STREAM_SIZE / 3 * 2);
    assert_imported(&t, "job-1");
    assert_int_equal(entries(&t), 1);

    assert_ok(bv_job_open(&t.to, "job-1", &job, &err));
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
    close_two(&t);
}

static void another_id_is_written_everywhere(void **state)
{
    struct two t;
    struct bv_import_result r;
    open_two(&t, state);
    autoclose int fd = exported(&t);
    assert_ok(bv_import(&t.to, fd, "new.id", NULL, &r, &err));
    assert_string_equal(r.job, "new.id");
    assert_imported(&t, "new.id");
    autojob struct bv_job job = {.dirfd = -1};
    assert_fails(BV_ENOJOB, bv_job_open(&t.to, "job-1", &job, &err));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_fails(BV_EUSAGE, bv_import(&t.to, fd, "../id", NULL, &r, &err));
    close_two(&t);
}

static void two_exports_are_the_same(void **state)
{
    struct two t;
    struct stat st, again;
    open_two(&t, state);
    autoclose int one = exported(&t);
    autoclose int two = exported(&t);
    assert_int_equal(fstat(one, &st), 0);
    assert_int_equal(fstat(two, &again), 0);
    assert_int_equal(st.st_size, again.st_size);
    autofree char *a = bv_alloc((size_t)st.st_size), *b = bv_alloc((size_t)st.st_size);
    assert_int_equal(bv_pread_full(one, a, (size_t)st.st_size, 0), st.st_size);
    assert_int_equal(bv_pread_full(two, b, (size_t)st.st_size, 0), st.st_size);
    assert_memory_equal(a, b, (size_t)st.st_size);
    close_two(&t);
}

static void an_id_that_is_taken_is_refused(void **state)
{
    struct two t;
    open_two(&t, state);
    autoclose int fd = exported(&t);
    assert_fails_saying(BV_EBUSY, "job-1", bv_import(&t.from->store, fd, NULL, NULL, NULL, &err));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_ok(bv_import(&t.from->store, fd, "job-2", NULL, NULL, &err));
    close_two(&t);
}

static void what_an_interrupted_import_left_is_removed(void **state)
{
    struct two t;
    open_two(&t, state);
    autoclose int fd = exported(&t);
    assert_int_equal(mkdirat(t.to.jobsfd, ".import-job-1.0123456789abcdef", 0700), 0);
    assert_int_equal(mkdirat(t.to.jobsfd, ".import-job-1.0123456789abcdef/000002", 0700), 0);
    assert_int_equal(mkdirat(t.to.jobsfd, ".import-job-1.a.0123456789abcdef", 0700), 0); /* of the job "job-1.a" */
    assert_ok(bv_import(&t.to, fd, NULL, NULL, NULL, &err));
    assert_int_equal(entries(&t), 2);
    assert_imported(&t, "job-1");
    close_two(&t);
}

static int give_up_when_reading(void *arg, const char *doing, uint64_t done, uint64_t total)
{
    (void)total;
    *(uint64_t *)arg = done;
    return strcmp(doing, "verifying") != 0 && done > 100000;
}

static void giving_up_leaves_nothing(void **state)
{
    struct two t;
    uint64_t done = 0;
    const struct bv_transfer_watch watch = {.tell = give_up_when_reading, .arg = &done};
    open_two(&t, state);
    autoclose int fd = exported(&t);
    autoclose int unfinished = temporary();
    assert_fails_saying(BV_EINTERNAL, "interrupted", bv_import(&t.to, fd, NULL, &watch, NULL, &err));
    assert_true(done > 100000);
    assert_int_equal(entries(&t), 0);
    assert_fails_saying(BV_EINTERNAL, "interrupted", bv_export(&t.from->job, 2, unfinished, &watch, &err));
    close_two(&t);
}

/* --- what does not go out --- */

static void a_damaged_generation_is_not_exported(void **state)
{
    struct two t;
    open_two(&t, state);
    autoclose int pack = openat(t.from->job.dirfd, "000002/pack-000001.bvp", O_RDWR | O_CLOEXEC);
    assert_int_equal(bv_pwrite_full(pack, "x", 1, 5000), 0);
    autoclose int fd = temporary();
    assert_fails(BV_ECORRUPT, bv_export(&t.from->job, 2, fd, NULL, &err));
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    assert_fails(BV_ENOJOB, bv_export(&t.from->job, 3, fd, NULL, &err));
    close_two(&t);
}

static void a_full_disk_is_told(void **state)
{
    struct two t;
    open_two(&t, state);
    autoclose int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_fails_saying(BV_ENOSPACE, "generation 2", bv_export(&t.from->job, 2, full, NULL, &err));
    autoclose int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_fails(BV_EINTERNAL, bv_export(&t.from->job, 2, closed, NULL, &err));
    close_two(&t);
}

/* --- accidents --- */

static void a_stream_that_is_cut_off_is_refused(void **state)
{
    struct two t;
    open_two(&t, state);
    autoclose int fd = exported(&t);
    off_t size = lseek(fd, 0, SEEK_END) - 1024; /* the end of the archive, which says nothing */
    for (off_t cut = size - 512; cut >= 0; cut -= cut < 6000 ? 512 : 9973) {
        assert_int_equal(ftruncate(fd, cut), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_fails(BV_ECORRUPT, bv_import(&t.to, fd, NULL, NULL, NULL, &err));
        assert_int_equal(entries(&t), 0);
    }
    close_two(&t);
}

/* A bit that is flipped is found, or is one that means nothing (tar fills members up to 512 bytes). */
static void a_flipped_bit_gets_nothing_wrong_in(void **state)
{
    struct two t;
    uint64_t seed = 11;
    int refused = 0;
    open_two(&t, state);
    autoclose int fd = exported(&t);
    off_t size = lseek(fd, 0, SEEK_END);
    for (int i = 0; i < 500; i++) {
        off_t at = (off_t)(next_random(&seed) % (uint64_t)(i % 2 ? 6000 : size));
        uint8_t byte, flipped;
        struct bv_error why = {0};
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        flipped = byte ^ (uint8_t)(1u << next_random(&seed) % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        if (bv_import(&t.to, fd, NULL, NULL, NULL, &why) == 0) {
            assert_imported(&t, "job-1");
            assert_ok(bv_job_delete(&t.to, "job-1", &err));
        } else {
            assert_true(why.code == BV_ECORRUPT || why.code == BV_ESTORE); /* "bivouac-export 3" */
            refused++;
        }
        assert_int_equal(entries(&t), 0);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_true(refused > 250);
    close_two(&t);
}

static void what_is_no_export_is_refused(void **state)
{
    static const char text[] = "This is a text, and long enough to fill a block of a tar archive. ";
    struct two t;
    open_two(&t, state);
    autoclose int fd = temporary();
    assert_fails_saying(BV_ECORRUPT, "no export", bv_import(&t.to, fd, NULL, NULL, NULL, &err));
    for (int i = 0; i < 100; i++)
        assert_int_equal(bv_write_full(fd, text, sizeof(text) - 1), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_fails_saying(BV_ECORRUPT, "no export", bv_import(&t.to, fd, NULL, NULL, NULL, &err));
    autoclose int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_fails_saying(BV_ECORRUPT, "no export", bv_import(&t.to, zero, NULL, NULL, NULL, &err));
    autoclose int directory = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_fails(BV_EINTERNAL, bv_import(&t.to, directory, NULL, NULL, NULL, &err));
    assert_int_equal(entries(&t), 0);
    close_two(&t);
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
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* The members of the export, by their place. */
enum { HEAD, RECORD, EVENTS, MANIFEST, INDEX, PACK_1, PACK_2, END, COUNT };

static void insert(struct tar *t, size_t at, const char *name, const char *text)
{
    memmove(&t->m[at + 1], &t->m[at], (t->count - at) * sizeof(t->m[0]));
    t->m[at] = (struct member){.bytes = bv_strdup(text), .size = strlen(text), .type = AE_IFREG};
    snprintf(t->m[at].name, sizeof(t->m[at].name), "%s", name);
    t->count++;
}

static void take_out(struct tar *t, size_t at)
{
    free(t->m[at].bytes);
    memmove(&t->m[at], &t->m[at + 1], (t->count - at - 1) * sizeof(t->m[0]));
    t->count--;
}

static void rename_member(struct tar *t, size_t at, const char *name)
{
    snprintf(t->m[at].name, sizeof(t->m[at].name), "%s", name);
}

static void replace(struct tar *t, size_t at, const char *text)
{
    free(t->m[at].bytes);
    t->m[at].bytes = bv_strdup(text);
    t->m[at].size = strlen(text);
}

/* Each changes one thing; the number of the case says what. Returns the code that it gets, BV_OK behind the last. */
static enum bv_code spoil(struct tar *t, int number)
{
    struct member swap = t->m[PACK_1];
    switch (number) {
    case 0:
        take_out(t, HEAD);
        return BV_ECORRUPT;
    case 1:
        take_out(t, RECORD);
        return BV_ECORRUPT;
    case 2:
        take_out(t, PACK_2);
        return BV_ECORRUPT;
    case 3:
        take_out(t, END);
        return BV_ECORRUPT;
    case 4: /* a duplicate */
        insert(t, MANIFEST, BV_EXPORT_RECORD, "{}");
        return BV_ECORRUPT;
    case 5:
        insert(t, END, "000002/pack-000003.bvp", "x");
        return BV_ECORRUPT;
    case 6:
        insert(t, COUNT, "more", "x");
        return BV_ECORRUPT;
    case 7:
        t->m[PACK_1] = t->m[PACK_2];
        t->m[PACK_2] = swap;
        return BV_ECORRUPT;
    case 8:
        rename_member(t, PACK_1, "../../../etc/passwd");
        return BV_ECORRUPT;
    case 9:
        rename_member(t, PACK_1, "/etc/passwd");
        return BV_ECORRUPT;
    case 10:
        rename_member(t, MANIFEST, "000003/manifest");
        return BV_ECORRUPT;
    case 11:
        t->m[INDEX].type = AE_IFLNK;
        return BV_ECORRUPT;
    case 12:
        t->m[INDEX].type = AE_IFDIR;
        return BV_ECORRUPT;
    case 13:
        t->m[PACK_1].hardlink = "/etc/passwd";
        return BV_ECORRUPT;
    case 14:
        t->m[PACK_1].hole = t->m[PACK_1].size - 1;
        return BV_ECORRUPT;
    case 15:
        t->m[PACK_2].size--;
        return BV_ECORRUPT;
    case 16: /* a block that does not verify, below a digest that does */
        t->m[PACK_1].bytes[5000] ^= 1;
        return BV_ECORRUPT;
    case 17:
        t->m[INDEX].bytes[40] ^= 1;
        return BV_ECORRUPT;
    case 18:
        t->m[MANIFEST].bytes[40] ^= 1;
        return BV_ECORRUPT;
    case 19:
        replace(t, HEAD, "{\"format\":\"bivouac-export 2\"}\n");
        return BV_ESTORE;
    case 20:
        replace(t, HEAD, "{\"created\":\"\",\"format\":\"bivouac-export 1\",\"generation\":2,\"job\":\"../x\"}\n");
        return BV_ECORRUPT;
    case 21:
        replace(t, HEAD, "{\"created\":\"\",\"format\":\"bivouac-export 1\",\"generation\":2,\"job\":\"job-9\"}\n");
        return BV_ECORRUPT;
    case 22:
        replace(t, HEAD, "{\"created\":\"\",\"format\":\"bivouac-export 1\",\"generation\":0,\"job\":\"job-1\"}\n");
        return BV_ECORRUPT;
    case 23:
        replace(t, HEAD, "[]\n");
        return BV_ECORRUPT;
    case 24:
        replace(t, RECORD, "[]\n");
        return BV_ECORRUPT;
    case 25:
        replace(t, HEAD, "");
        t->m[HEAD].bytes = bv_realloc(t->m[HEAD].bytes, 1u << 20, 1);
        memset(t->m[HEAD].bytes, ' ', 1u << 20);
        t->m[HEAD].size = 1u << 20;
        return BV_ECORRUPT;
    default:
        return BV_OK;
    }
}

static void malice_is_refused(void **state)
{
    struct two t;
    open_two(&t, state);
    autoclose int good = exported(&t);
    for (int number = 0;; number++) {
        struct tar tar;
        struct bv_error err = {0};
        assert_int_equal(lseek(good, 0, SEEK_SET), 0);
        read_tar(&tar, good);
        assert_int_equal(tar.count, COUNT);
        enum bv_code expected = spoil(&tar, number);
        autoclose int fd = sign_tar(&tar);
        int rc = bv_import(&t.to, fd, NULL, NULL, NULL, &err);
        free_tar(&tar);
        if (expected == BV_OK) { /* nothing was changed: the rest of this test is right */
            assert_int_equal(rc, 0);
            break;
        }
        if (rc == 0 || err.code != expected)
            fail_msg("case %d: %s", number, rc ? err.text : "imported");
        assert_int_equal(entries(&t), 0);
    }
    assert_imported(&t, "job-1");
    close_two(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_generation_with_shared_packs_is_imported),
        store_test(another_id_is_written_everywhere),
        store_test(two_exports_are_the_same),
        store_test(an_id_that_is_taken_is_refused),
        store_test(what_an_interrupted_import_left_is_removed),
        store_test(giving_up_leaves_nothing),
        store_test(a_damaged_generation_is_not_exported),
        store_test(a_full_disk_is_told),
        store_test(a_stream_that_is_cut_off_is_refused),
        store_test(a_flipped_bit_gets_nothing_wrong_in),
        store_test(what_is_no_export_is_refused),
        store_test(malice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
