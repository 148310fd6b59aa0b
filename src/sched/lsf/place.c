/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/place.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sched/number.h"
#include "store/layout.h"

#define FORMAT      "bivouac-lsf 1"
#define POINTER_MAX 16384
#define LOG_MAX     (1 << 20) /* bytes; then it begins anew, and the one before is kept */

void bv_lsf_place_close(struct bv_lsf_place *p)
{
    close_fd(&p->dirfd);
    free(p->path);
    free(p->store);
    p->path = p->store = NULL;
}

int bv_lsf_job(struct bv_lsf_id *ret, struct bv_error *err)
{
    const char *job = getenv("LSB_JOBID"), *index = getenv("LSB_JOBINDEX");
    unsigned long long number = 0;
    struct bv_lsf_id id;
    if (!job || !*job)
        return 0;
    if (bv_lsf_id_parse(job, &id, err) < 0)
        return bv_wrap(err, "LSB_JOBID");
    if (index && *index && bv_sched_number(index, INT_MAX, &number) < 0)
        return bv_fail(err, BV_EUSAGE, 0, "LSB_JOBINDEX is '%.64s', which is no number", index);
    if (number)
        id.index = (unsigned)number;
    *ret = id;
    return 1;
}

void bv_lsf_job_name(struct bv_lsf_id id, char ret[BV_JOB_ID_MAX + 1])
{
    char text[BV_LSF_ID_TEXT];
    bv_lsf_id_text(id, text);
    snprintf(ret, BV_JOB_ID_MAX + 1, "lsf-%s", text);
}

int bv_lsf_checkpoint_dir(char **ret, struct bv_error *err)
{
    const char *dir = getenv("LSB_CHKPNT_DIR"), *submitted = getenv("LS_SUBCWD");
    if (!dir || !*dir) {
        *ret = NULL;
        return 0;
    }
    autofree char *real = NULL;
    if (dir[0] != '/' && submitted && submitted[0] == '/') {
        autofree char *path = bv_asprintf("%s/%s", submitted, dir);
        real = realpath(path, NULL);
    }
    if (!real)
        real = realpath(dir, NULL);
    if (!real)
        return bv_fail(err, BV_ENODIR, errno, "cannot find the checkpoint directory %s (LSB_CHKPNT_DIR)", dir);
    *ret = steal_ptr(&real);
    return 0;
}

int bv_lsf_place_open(const char *path, struct bv_lsf_place *ret, struct bv_error *err)
{
    autofree char *real = realpath(path, NULL);
    autoclose int fd = real ? open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return bv_fail(err, errno == EACCES ? BV_EDENIED : BV_ENODIR, errno, "cannot open the checkpoint directory %s",
                       path);
    if (bv_dir_trusted(fd, 0, real, err) < 0)
        return -1;
    *ret = (struct bv_lsf_place){.path = steal_ptr(&real), .dirfd = steal_fd(&fd)};
    return 0;
}

int bv_lsf_pointer_parse(const char *text, size_t size, char ret_job[BV_JOB_ID_MAX + 1], char **ret_store,
                         struct bv_error *err)
{
    autojson json_t *all = NULL;
    autofree char *store = NULL;
    const char *format, *job;
    if (bv_json_parse(text, size, &all, err) < 0 || bv_json_str(all, "format", &format, err) < 0 ||
        bv_json_str(all, "job", &job, err) < 0)
        return -1;
    if (strcmp(format, FORMAT) != 0)
        return bv_fail(err, BV_ECORRUPT, 0, "format '%.40s', this Bivouac knows '%s'", format, FORMAT);
    if (json_object_get(all, "store") && bv_json_get_bytes(all, "store", &store, err) < 0)
        return -1;
    if (bv_job_id_check(job, NULL) < 0 || (store && !bv_is_clean_path(store)))
        return bv_fail(err, BV_ECORRUPT, 0, "\"job\" or \"store\" is not valid");
    snprintf(ret_job, BV_JOB_ID_MAX + 1, "%s", job);
    *ret_store = steal_ptr(&store);
    return 0;
}

static char *own_store(const struct bv_lsf_place *p)
{
    return bv_asprintf("%s/%s", p->path, BV_LSF_STORE);
}

int bv_lsf_place_read(struct bv_lsf_place *p, struct bv_error *err)
{
    autofree char *text = NULL, *store = NULL;
    size_t size;
    struct bv_error e = {0};
    if (bv_read_file(p->dirfd, BV_LSF_POINTER, POINTER_MAX, &text, &size, &e) < 0 && e.code == BV_ENOJOB)
        return bv_fail(err, BV_ENOJOB, 0,
                       "no job runs under Bivouac in %s: use 'bivouac run --' or the job starter of the queue",
                       p->path);
    if (!text)
        return bv_fail(err, e.code, 0, "%s", e.text);
    if (bv_lsf_pointer_parse(text, size, p->job, &store, err) < 0)
        return bv_wrap(err, "%s/%s", p->path, BV_LSF_POINTER);
    free(p->store);
    p->store = store ? steal_ptr(&store) : own_store(p);
    return 0;
}

int bv_lsf_place_write(struct bv_lsf_place *p, const char *job, const char *store, struct bv_error *err)
{
    autojson json_t *all = json_object();
    bv_json_set(all, "format", json_string(FORMAT));
    bv_json_set(all, "job", json_string(job));
    if (store)
        bv_json_set(all, "store", bv_json_bytes(store));
    autofree char *canonical = bv_json_canonical(all);
    autofree char *text = bv_asprintf("%s\n", canonical);
    if (bv_publish(p->dirfd, BV_LSF_POINTER, text, strlen(text), 1, err) < 0)
        return bv_wrap(err, "%s", p->path);
    snprintf(p->job, sizeof(p->job), "%s", job);
    free(p->store);
    p->store = store ? bv_strdup(store) : own_store(p);
    return 0;
}

int bv_lsf_place_job(const struct bv_lsf_place *p, struct bv_store *ret_store, struct bv_job *ret, struct bv_error *err)
{
    if (bv_store_open(p->store, 0, ret_store, err) < 0)
        return -1;
    return bv_job_open(ret_store, p->job, ret, err);
}

void bv_lsf_log(const struct bv_lsf_place *p, const char *who, const char *fmt, ...)
{
    char when[BV_TIME_TEXT], text[2304];
    struct stat st;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = ' ';
    bv_time_text(bv_clock_ns(CLOCK_REALTIME), when);
    autofree char *line = bv_asprintf("%s %s: %s\n", when, who, text);
    if (fstatat(p->dirfd, BV_LSF_LOG, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > LOG_MAX)
        renameat(p->dirfd, BV_LSF_LOG, p->dirfd, BV_LSF_LOG ".1");
    autoclose int fd =
        openat(p->dirfd, BV_LSF_LOG, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, line, strlen(line)) < 0)
        return; /* there is nobody to tell */
}
