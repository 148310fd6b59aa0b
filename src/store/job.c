/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/layout.h"

#define RECORD_MAX (4u << 20)
#define JOBS_MAX   1000000u

#define NEW_PREFIX     ".new-"
#define DELETED_PREFIX ".deleted-"

/* "<prefix><id>.<random>": several may be under way at once. */
static int hidden_name(const char *prefix, const char *id, char ret[NAME_MAX + 1], struct bv_error *err)
{
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get random bytes");
    snprintf(ret, NAME_MAX + 1, "%s%s.%016llx", prefix, id, (unsigned long long)random);
    return 0;
}

static int fill(int dirfd, const char *id, const json_t *record, struct bv_error *err)
{
    autofree char *text = bv_json_canonical(record);
    size_t size = strlen(text);
    if (size >= RECORD_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "the record of job %s has %zu bytes, more than the %u allowed", id, size,
                       RECORD_MAX - 1);
    text[size] = '\n'; /* in place of the NUL: the file ends like a text file */
    if (mkdirat(dirfd, "attempts", 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the directory attempts of job %s", id);
    return bv_publish(dirfd, "job.json", text, size + 1, 0, err);
}

/* A job is made out of sight and renamed into place, so that nobody ever finds one without its record. */
int bv_job_create(struct bv_store *s, const char *id, const json_t *record, struct bv_job *ret, struct bv_error *err)
{
    char hidden[NAME_MAX + 1];
    struct stat st;
    if (bv_job_id_check(id, err) < 0)
        return -1;
    if (!json_is_object(record))
        return bv_fail(err, BV_EINTERNAL, 0, "the record of job %s is no object", id);
    if (fstatat(s->jobsfd, id, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return bv_fail(err, BV_EBUSY, 0, "job %s exists already", id);
    if (hidden_name(NEW_PREFIX, id, hidden, err) < 0)
        return -1;

    autoclose int fd = bv_dir_create(s->jobsfd, hidden);
    if (fd < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create job %s", id);

    int rc = fill(fd, id, record, err);
    if (rc == 0 && bv_dir_rename_new(s->jobsfd, hidden, id) < 0)
        rc = errno == EEXIST ? bv_fail(err, BV_EBUSY, 0, "job %s exists already", id)
                             : bv_fail(err, bv_store_code(errno), errno, "cannot create job %s", id);
    if (rc < 0) {
        bv_remove_tree(s->jobsfd, hidden, NULL);
        return -1;
    }
    ret->dirfd = steal_fd(&fd);
    snprintf(ret->id, sizeof(ret->id), "%s", id);
    return 0;
}

int bv_job_open(struct bv_store *s, const char *id, struct bv_job *ret, struct bv_error *err)
{
    if (bv_job_id_check(id, err) < 0)
        return -1;

    char what[BV_JOB_ID_MAX + 8];
    snprintf(what, sizeof(what), "job %s", id);
    autoclose int fd = bv_dir_open(s->jobsfd, id);
    if (fd < 0 && errno == EACCES) {
        /* Another user's, most likely: say whose. */
        fd = openat(s->jobsfd, id, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && bv_dir_trusted(fd, 0, what, err) < 0)
            return -1;
        return bv_fail(err, BV_EDENIED, EACCES, "cannot open %s", what);
    }
    if (fd < 0 && errno == ENOENT)
        return bv_fail(err, BV_ENOJOB, 0, "there is no job %s in the store %s", id, s->path);
    if (fd < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open %s", what);
    if (bv_dir_trusted(fd, 0, what, err) < 0)
        return -1;

    ret->dirfd = steal_fd(&fd);
    snprintf(ret->id, sizeof(ret->id), "%s", id);
    return 0;
}

void bv_job_close(struct bv_job *j)
{
    if (!j->id[0])
        return;
    close_fd(&j->dirfd);
    j->id[0] = '\0';
}

int bv_job_record(const struct bv_job *j, json_t **ret, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    struct bv_error why = {0};
    if (bv_read_file(j->dirfd, "job.json", RECORD_MAX, &text, &size, &why) < 0)
        /* A job is never without its record: that it is missing is damage. */
        return bv_fail(err, why.code == BV_ENOJOB ? BV_ECORRUPT : why.code, 0, "job %s: %s", j->id, why.text);

    autojson json_t *record = NULL;
    if (bv_json_parse(text, size, &record, err) < 0)
        return bv_wrap(err, "job.json of job %s", j->id);
    if (!json_is_object(record))
        return bv_fail(err, BV_ECORRUPT, 0, "job.json of job %s holds no object", j->id);
    *ret = steal_ptr(&record);
    return 0;
}

struct id_list {
    char **ids;
    size_t count, room;
};

static int collect_id(const char *name, void *arg)
{
    struct id_list *list = arg;
    if (bv_job_id_check(name, NULL) < 0)
        return 0;
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 64;
        list->ids = bv_realloc(list->ids, list->room, sizeof(*list->ids));
    }
    list->ids[list->count++] = bv_strdup(name);
    return list->count == JOBS_MAX;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int bv_job_list(struct bv_store *s, char ***ret, size_t *ret_count, struct bv_error *err)
{
    struct id_list list = {0};
    if (bv_dir_each(s->jobsfd, collect_id, &list, err) < 0) {
        bv_job_list_free(list.ids, list.count);
        return -1;
    }
    if (list.count)
        qsort(list.ids, list.count, sizeof(*list.ids), compare_ids);
    *ret = list.ids;
    *ret_count = list.count;
    return 0;
}

void bv_job_list_free(char **ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    free(ids);
}

/* Finish what an interrupted deletion left. Another user's leftovers stay: that this fails is no error here. */
static int remove_deleted(const char *name, void *arg)
{
    const struct bv_store *s = arg;
    if (strncmp(name, DELETED_PREFIX, strlen(DELETED_PREFIX)) == 0)
        bv_remove_tree(s->jobsfd, name, NULL);
    return 0;
}

int bv_job_delete(struct bv_store *s, const char *id, struct bv_error *err)
{
    char hidden[NAME_MAX + 1];
    autojob struct bv_job j = {0};
    if (bv_dir_each(s->jobsfd, remove_deleted, s, err) < 0)
        return -1;
    if (bv_job_open(s, id, &j, err) < 0 || hidden_name(DELETED_PREFIX, id, hidden, err) < 0)
        return -1;
    if (bv_dir_rename_new(s->jobsfd, id, hidden) < 0)
        return bv_fail(err, errno == ENOENT ? BV_ENOJOB : BV_ESTORE, errno, "cannot remove job %s", id);
    return bv_remove_tree(s->jobsfd, hidden, err) < 0 ? bv_wrap(err, "job %s is removed, but not all its files", id)
                                                      : 0;
}
