/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps a generation: pins, and holds of its readers. How much all of it takes. */
#include "store_fixture.h"

#include "base/clock.h"
#include "store/attempt.h"
#include "store/pin.h"
#include "store/usage.h"

static void make_generations(struct fixture *f, unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        commit_generation(&f->job, begin_generation(&f->job, i, 0), i, 0);
}

static int is_there(const struct fixture *f, const char *name)
{
    return faccessat(f->job.dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void write_text(const struct fixture *f, const char *path, const char *text)
{
    autoclose int fd = openat(f->job.dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(bv_write_full(fd, text, strlen(text)), 0);
}

static void what_is_pinned_is_not_removed(void **state)
{
    struct fixture *f = *state;
    autofree char *reason = NULL;
    make_generations(f, 2);
    assert_int_equal(bv_pin_find(&f->job, 1, NULL), 0);
    assert_ok(bv_pin_set(&f->job, 1, "before the \"new\" solver %", &err));
    assert_int_equal(bv_pin_find(&f->job, 1, &reason), 1);
    assert_string_equal(reason, "before the \"new\" solver %");
    assert_int_equal(bv_pin_find(&f->job, 2, NULL), 0);
    assert_fails_saying(BV_EBUSY, "pinned", bv_generation_remove(&f->job, 1, &err));
    assert_true(is_there(f, "000001"));
    assert_ok(bv_generation_remove(&f->job, 2, &err));
    assert_false(is_there(f, "000002"));
    assert_ok(bv_pin_remove(&f->job, 1, &err));
    assert_fails(BV_ENOJOB, bv_pin_remove(&f->job, 1, &err));
    assert_ok(bv_generation_remove(&f->job, 1, &err));
    assert_false(is_there(f, "000001"));
}

static void a_deletion_takes_the_pin_along(void **state)
{
    struct fixture *f = *state;
    make_generations(f, 1);
    assert_ok(bv_pin_set(&f->job, 1, NULL, &err));
    assert_ok(bv_generation_delete(&f->job, 1, &err));
    assert_false(is_there(f, "000001"));
    assert_false(is_there(f, "pins/000001"));
}

static void a_pin_is_replaced(void **state)
{
    struct fixture *f = *state;
    autofree char *reason = NULL, *empty = NULL;
    make_generations(f, 1);
    assert_ok(bv_pin_set(&f->job, 1, "one", &err));
    assert_ok(bv_pin_set(&f->job, 1, "two", &err));
    assert_int_equal(bv_pin_find(&f->job, 1, &reason), 1);
    assert_string_equal(reason, "two");
    assert_ok(bv_pin_set(&f->job, 1, NULL, &err));
    assert_int_equal(bv_pin_find(&f->job, 1, &empty), 1);
    assert_string_equal(empty, "");
}

static void what_is_not_there_is_not_pinned(void **state)
{
    struct fixture *f = *state;
    char longer[BV_PIN_REASON_MAX + 2];
    make_generations(f, 1);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_fails(BV_ENOJOB, bv_pin_set(&f->job, 2, NULL, &err));
    assert_fails(BV_ENOJOB, bv_pin_set(&f->job, 0, NULL, &err));
    assert_fails(BV_ENOJOB, bv_pin_set(&f->job, 1000000, NULL, &err));
    assert_fails(BV_ENOJOB, bv_pin_remove(&f->job, 1, &err));
    assert_fails(BV_EUSAGE, bv_pin_set(&f->job, 1, longer, &err));
    longer[BV_PIN_REASON_MAX] = '\0';
    memset(longer, 0xff, BV_PIN_REASON_MAX); /* all of it is escaped in the file */
    assert_ok(bv_pin_set(&f->job, 1, longer, &err));
    autofree char *reason = NULL;
    assert_int_equal(bv_pin_find(&f->job, 1, &reason), 1);
    assert_string_equal(reason, longer);
}

static void a_pin_that_cannot_be_read_is_one(void **state)
{
    static const char *const bad[] = {"", "[]", "{\"reason\":5}", "{", "{\"reason\":\"%zz\"}"};
    struct fixture *f = *state;
    make_generations(f, 1);
    assert_ok(bv_pin_set(&f->job, 1, "x", &err));
    autoclose int pins = openat(f->job.dirfd, "pins", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autofree char *reason = NULL;
        assert_ok(bv_publish(pins, "000001", bad[i], strlen(bad[i]), 1, &err));
        assert_int_equal(bv_pin_find(&f->job, 1, &reason), 1);
        assert_string_equal(reason, "?");
        assert_fails(BV_EBUSY, bv_generation_remove(&f->job, 1, &err));
    }
    assert_int_equal(unlinkat(pins, "000001", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", pins, "000001"), 0);
    assert_fails(BV_EBUSY, bv_generation_remove(&f->job, 1, &err));
    assert_ok(bv_pin_remove(&f->job, 1, &err));
    assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void a_hold_keeps_one_for_a_while(void **state)
{
    struct fixture *f = *state;
    struct bv_hold h, other;
    make_generations(f, 3);
    bv_hold_take(&f->job, 2, &h);
    assert_true(h.dirfd >= 0);
    assert_fails_saying(BV_EBUSY, "being read", bv_generation_remove(&f->job, 2, &err));
    assert_ok(bv_generation_remove(&f->job, 1, &err));
    bv_hold_release(&h);
    assert_int_equal(h.dirfd, -1);
    bv_hold_release(&h);

    /* Of a reader that died: an hour later it counts no more, and the next one takes it away. */
    bv_hold_take(&f->job, 2, &h);
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    times[1] = (struct timespec){.tv_sec = bv_job_now(&f->job) / BV_NSEC_PER_SEC - BV_HOLD_S + 60};
    assert_int_equal(utimensat(h.dirfd, h.name, times, 0), 0);
    assert_fails(BV_EBUSY, bv_generation_remove(&f->job, 2, &err));
    times[1].tv_sec -= 120;
    assert_int_equal(utimensat(h.dirfd, h.name, times, 0), 0);
    bv_hold_renew(&h); /* a minute has not passed since it was taken */
    assert_int_equal(bv_pin_check(&f->job, 2, NULL), 0);
    h.renewed_ns -= 61 * BV_NSEC_PER_SEC;
    bv_hold_renew(&h);
    assert_fails(BV_EBUSY, bv_pin_check(&f->job, 2, &err));
    assert_int_equal(utimensat(h.dirfd, h.name, times, 0), 0);
    bv_hold_take(&f->job, 3, &other);
    assert_int_equal(faccessat(h.dirfd, h.name, F_OK, 0), -1);
    assert_ok(bv_generation_remove(&f->job, 2, &err));
    bv_hold_release(&h);
    bv_hold_release(&other);
}

static void where_nothing_can_be_written_nothing_is_held(void **state)
{
    struct fixture *f = *state;
    struct bv_hold h;
    if (geteuid() == 0)
        skip(); /* root can write everywhere */
    make_generations(f, 1);
    assert_int_equal(fchmod(f->job.dirfd, 0500), 0);
    bv_hold_take(&f->job, 1, &h);
    assert_int_equal(h.dirfd, -1);
    bv_hold_renew(&h);
    bv_hold_release(&h);
    assert_fails(BV_ESTORE, bv_pin_set(&f->job, 1, NULL, &err));
    assert_int_equal(fchmod(f->job.dirfd, 0700), 0);
}

static void the_age_is_that_of_the_manifest(void **state)
{
    struct fixture *f = *state;
    double age = -1;
    make_generations(f, 1);
    assert_fails(BV_ENOJOB, bv_generation_age(&f->job, 2, &age, &err));
    assert_int_equal((int)age, -1);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
    times[1].tv_sec = bv_job_now(&f->job) / BV_NSEC_PER_SEC - 500;
    assert_int_equal(utimensat(f->job.dirfd, "000001/manifest", times, 0), 0);
    assert_ok(bv_generation_age(&f->job, 1, &age, &err));
    assert_in_range((long)age, 499, 530);
}

/* --- usage --- */

static void write_streams(struct fixture *f, unsigned number, unsigned base, const uint8_t *bytes, size_t size)
{
    struct bv_gen_writer *w = begin_upon(&f->job, number, base);
    add_stream(w, "memory", bytes, size);
    commit_generation(&f->job, w, number, 0);
}

static void what_is_shared_is_counted_once(void **state)
{
    struct fixture *f = *state;
    const size_t size = 4 << 20;
    autofree uint8_t *bytes = bv_alloc(size);
    uint64_t before = bv_usage_tree(f->job.dirfd, ".", NULL), one, two, all;
    fill_random(bytes, size, 1);
    write_streams(f, 1, 0, bytes, size);
    {
        autousage struct bv_usage u = {0};
        assert_ok(bv_usage_read(&f->job, &u, &err));
        one = bv_usage_total(&u);
        assert_in_range(one, size, size + (1 << 20));
        assert_int_equal(bv_usage_freed(&u, (unsigned[]){1}, 1), one - before);
    }
    fill_random(bytes, 1 << 20, 2);
    write_streams(f, 2, 1, bytes, size);
    autousage struct bv_usage u = {0};
    assert_ok(bv_usage_read(&f->job, &u, &err));
    two = bv_usage_total(&u);
    assert_in_range(two - one, 1 << 20, (1 << 20) + (1 << 19));
    assert_int_equal(bv_usage_tree(f->job.dirfd, ".", NULL), two);
    assert_in_range(bv_usage_freed(&u, (unsigned[]){1}, 1), 1, 1 << 18); /* its pack is 2's, too */
    assert_int_equal(bv_usage_freed(&u, (unsigned[]){1, 2}, 2), two - before);
    assert_ok(bv_usage_store(&f->store, 0, &all, &err));
    assert_int_equal(all, two);
    assert_ok(bv_usage_store(&f->store, 1, &all, &err));
    assert_int_equal(all, two);

    /* What is there for a moment only does not count. */
    assert_int_equal(mkdirat(f->job.dirfd, ".staging-0003", 0700), 0);
    assert_int_equal(mkdirat(f->job.dirfd, ".deleted-000009", 0700), 0);
    write_text(f, ".staging-0003/x", "12345");
    write_text(f, ".deleted-000009/x", "12345");
    assert_ok(bv_usage_store(&f->store, 0, &all, &err));
    assert_int_equal(all, two);
    /* What another attempt writes does, and so does a link that leads nowhere not. */
    assert_int_equal(mkdirat(f->job.dirfd, ".000003.0000", 0700), 0);
    write_text(f, ".000003.0000/x", "12345");
    assert_int_equal(symlinkat("/", f->job.dirfd, "link"), 0);
    assert_ok(bv_usage_store(&f->store, 0, &all, &err));
    assert_int_equal(all, two + 5);
}

static void the_newest_change_of_a_tree_is_told(void **state)
{
    struct fixture *f = *state;
    int64_t changed;
    assert_int_equal(mkdirat(f->job.dirfd, "a", 0700), 0);
    assert_int_equal(mkdirat(f->job.dirfd, "a/b", 0700), 0);
    write_text(f, "a/b/c", "123");
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}}, newer[2] = {{.tv_sec = 2000}, {.tv_sec = 2000}};
    assert_int_equal(utimensat(f->job.dirfd, "a/b/c", newer, 0), 0);
    assert_int_equal(utimensat(f->job.dirfd, "a/b", old, 0), 0);
    assert_int_equal(utimensat(f->job.dirfd, "a", old, 0), 0);
    assert_int_equal(bv_usage_tree(f->job.dirfd, "a", &changed), 3);
    assert_int_equal(changed / BV_NSEC_PER_SEC, 2000);
    assert_int_equal(bv_usage_tree(f->job.dirfd, "nothing", &changed), 0);
    assert_int_equal(changed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(what_is_pinned_is_not_removed),
        store_test(a_deletion_takes_the_pin_along),
        store_test(a_pin_is_replaced),
        store_test(what_is_not_there_is_not_pinned),
        store_test(a_pin_that_cannot_be_read_is_one),
        store_test(a_hold_keeps_one_for_a_while),
        store_test(where_nothing_can_be_written_nothing_is_held),
        store_test(the_age_is_that_of_the_manifest),
        store_test(what_is_shared_is_counted_once),
        store_test(the_newest_change_of_a_tree_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
