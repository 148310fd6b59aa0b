/* SPDX-License-Identifier: Apache-2.0 */
#include "store/generation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/attempt_file.h"
#include "store/format.h"
#include "store/layout.h"
#include "store/pin.h"

/* The highest number of a generation that was deleted, "7\n": written before the deletion, so that no number is ever
 * used for two states of a job. Not there until the first deletion. */
#define LAST_FILE     "last"
#define LAST_FILE_MAX 16

struct number_list {
    unsigned *numbers;
    size_t count, room;
};

static int collect_generation(const char *name, void *arg)
{
    struct number_list *list = arg;
    unsigned number;
    if (!bv_is_generation(name, &number))
        return 0;
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->numbers = bv_realloc(list->numbers, list->room, sizeof(*list->numbers));
    }
    list->numbers[list->count++] = number;
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

int bv_generation_list(const struct bv_job *j, unsigned **ret, size_t *ret_count, struct bv_error *err)
{
    struct number_list list = {0};
    if (bv_dir_each(j->dirfd, collect_generation, &list, err) < 0) {
        free(list.numbers);
        return bv_wrap(err, "job %s", j->id);
    }
    if (list.count)
        qsort(list.numbers, list.count, sizeof(*list.numbers), compare_numbers);
    *ret = list.numbers;
    *ret_count = list.count;
    return 0;
}

static int read_last(const struct bv_job *j, unsigned *ret, struct bv_error *err)
{
    autofree char *text = NULL;
    struct bv_error why = {0};
    if (bv_read_file(j->dirfd, LAST_FILE, LAST_FILE_MAX, &text, NULL, &why) < 0) {
        if (why.code != BV_ENOJOB)
            return bv_fail(err, why.code, 0, "job %s: %s", j->id, why.text);
        *ret = 0;
        return 0;
    }
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || strcmp(end, "\n") != 0 || value > BV_GENERATION_MAX)
        return bv_fail(err, BV_ECORRUPT, 0, "job %s: the file '" LAST_FILE "' holds no number", j->id);
    *ret = (unsigned)value;
    return 0;
}

/* Uncommitted and half deleted ones count too: an attempt that was cut off for a while must not find its number taken
 * by a newer state of the job. */
static int highest_number(const char *name, void *arg)
{
    unsigned *highest = arg, number, attempt;
    if ((bv_is_generation(name, &number) || bv_is_uncommitted(name, &number, &attempt) ||
         bv_is_deleted(name, &number)) &&
        number > *highest)
        *highest = number;
    return 0;
}

int bv_generation_next(const struct bv_job *j, unsigned *ret, struct bv_error *err)
{
    unsigned highest = 0;
    if (read_last(j, &highest, err) < 0 || bv_dir_each(j->dirfd, highest_number, &highest, err) < 0)
        return -1;
    if (highest >= BV_GENERATION_MAX)
        return bv_fail(err, BV_ESTORE, 0, "job %s has used up the numbers of generations (%u)", j->id,
                       BV_GENERATION_MAX);
    *ret = highest + 1;
    return 0;
}

int bv_generation_commit(const struct bv_job *j, unsigned number, unsigned attempt, struct bv_error *err)
{
    char from[BV_LAYOUT_NAME], to[BV_LAYOUT_NAME], manifest[BV_LAYOUT_NAME + sizeof(BV_MANIFEST_FILE) + 1];
    struct stat st;
    bv_uncommitted_name(number, attempt, from);
    bv_generation_name(number, to);
    snprintf(manifest, sizeof(manifest), "%s/%s", from, BV_MANIFEST_FILE);
    if (fstatat(j->dirfd, manifest, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return bv_fail(err, BV_ESTORE, errno, "generation %u of job %s is not finished and cannot be committed", number,
                       j->id);
    if (bv_attempt_is_newest(j, attempt, err) < 0)
        return bv_wrap(err, "generation %u is not committed", number);
    if (bv_dir_rename_new(j->dirfd, from, to) == 0)
        return 0;
    if (errno == EEXIST)
        return bv_fail(err, BV_EBUSY, 0, "job %s has a generation %u already", j->id, number);
    return bv_fail(err, bv_store_code(errno), errno, "cannot commit generation %u of job %s", number, j->id);
}

int bv_generation_discard(const struct bv_job *j, unsigned number, unsigned attempt, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_uncommitted_name(number, attempt, name);
    return bv_remove_tree(j->dirfd, name, err) < 0 ? bv_wrap(err, "job %s", j->id) : 0;
}

static int remember_last(const struct bv_job *j, unsigned number, struct bv_error *err)
{
    unsigned last;
    char text[LAST_FILE_MAX];
    if (read_last(j, &last, err) < 0)
        return -1;
    if (last >= number)
        return 0;
    int n = snprintf(text, sizeof(text), "%u\n", number);
    return bv_publish(j->dirfd, LAST_FILE, text, (size_t)n, 1, err);
}

struct sweep {
    const struct bv_job *job;
    unsigned attempt; /* only deleted ones if 0 */
    int rc;
    struct bv_error *err;
};

static int sweep_one(const char *name, void *arg)
{
    struct sweep *s = arg;
    unsigned generation, attempt;
    if (bv_is_deleted(name, &generation) ||
        ((bv_is_staging(name, &attempt) || bv_is_uncommitted(name, &generation, &attempt)) && attempt < s->attempt))
        if (bv_remove_tree(s->job->dirfd, name, s->err) < 0)
            s->rc = bv_wrap(s->err, "job %s", s->job->id);
    return 0;
}

int bv_job_sweep(const struct bv_job *j, unsigned attempt, struct bv_error *err)
{
    struct sweep s = {.job = j, .attempt = attempt, .err = err};
    if (bv_dir_each(j->dirfd, sweep_one, &s, err) < 0)
        return -1;
    return s.rc;
}

static int fail_remove(const struct bv_job *j, unsigned number, struct bv_error *err)
{
    return bv_fail(err, errno == ENOENT ? BV_ENOJOB : bv_store_code(errno), errno,
                   "cannot remove generation %u of job %s", number, j->id);
}

/* Out of sight, unless it is to be kept. Whoever pins it looks for it afterwards, we look for a pin afterwards: it
 * cannot be both pinned and gone. */
static int hide(const struct bv_job *j, unsigned number, int pinned_too, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME], hidden[BV_LAYOUT_NAME];
    bv_generation_name(number, name);
    bv_deleted_name(number, hidden);
    if (!pinned_too && bv_pin_check(j, number, err) < 0)
        return -1;
    if (remember_last(j, number, err) < 0)
        return -1;
    bv_fault_point("remove-begin");
    if (bv_dir_rename_new(j->dirfd, name, hidden) < 0)
        return fail_remove(j, number, err);
    if (pinned_too || bv_pin_check(j, number, err) == 0)
        return 0;
    if (bv_dir_rename_new(j->dirfd, hidden, name) < 0)
        return fail_remove(j, number, err);
    return -1;
}

static int remove_generation(const struct bv_job *j, unsigned number, int pinned_too, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME], hidden[BV_LAYOUT_NAME], manifest[BV_LAYOUT_NAME + sizeof(BV_MANIFEST_FILE) + 1];
    struct stat st;
    bv_generation_name(number, name);
    bv_deleted_name(number, hidden);
    snprintf(manifest, sizeof(manifest), "%s/%s", hidden, BV_MANIFEST_FILE);
    if (bv_job_sweep(j, 0, err) < 0)
        return -1;
    if (number == 0 || number > BV_GENERATION_MAX || fstatat(j->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return bv_fail(err, BV_ENOJOB, 0, "job %s has no generation %u", j->id, number);
    if (hide(j, number, pinned_too, err) < 0)
        return -1;
    bv_fault_point("remove-hidden");
    unlinkat(j->dirfd, manifest, 0);
    bv_fault_point("remove-half");
    if (bv_remove_tree(j->dirfd, hidden, err) < 0)
        return bv_wrap(err, "generation %u of job %s is removed, but not all its files", number, j->id);
    return 0;
}

int bv_generation_remove(const struct bv_job *j, unsigned number, struct bv_error *err)
{
    return remove_generation(j, number, 0, err);
}

int bv_generation_delete(const struct bv_job *j, unsigned number, struct bv_error *err)
{
    if (remove_generation(j, number, 1, err) < 0)
        return -1;
    bv_pin_remove(j, number, NULL);
    return 0;
}

int bv_generation_age(const struct bv_job *j, unsigned number, double *ret, struct bv_error *err)
{
    char manifest[BV_LAYOUT_NAME + sizeof(BV_MANIFEST_FILE) + 1], name[BV_LAYOUT_NAME];
    struct stat st;
    bv_generation_name(number, name);
    snprintf(manifest, sizeof(manifest), "%s/%s", name, BV_MANIFEST_FILE);
    if (fstatat(j->dirfd, manifest, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return bv_fail(err, BV_ENOJOB, 0, "job %s has no generation %u", j->id, number);
    *ret = (double)(bv_job_now(j) - bv_mtime_ns(&st)) / BV_NSEC_PER_SEC;
    return 0;
}

int bv_staging_create(const struct bv_job *j, unsigned attempt, int *ret_fd, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_staging_name(attempt, name);
    if (bv_remove_tree(j->dirfd, name, err) < 0)
        return bv_wrap(err, "job %s", j->id);
    int fd = bv_dir_create(j->dirfd, name);
    if (fd < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the staging directory of job %s", j->id);
    *ret_fd = fd;
    return 0;
}

int bv_staging_remove(const struct bv_job *j, unsigned attempt, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_staging_name(attempt, name);
    return bv_remove_tree(j->dirfd, name, err) < 0 ? bv_wrap(err, "job %s", j->id) : 0;
}
