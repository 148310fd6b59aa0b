/* SPDX-License-Identifier: Apache-2.0 */
#include "store/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/event_parse.h"
#include "store/export_format.h"
#include "store/gen.h"
#include "store/pin.h"
#include "store/space.h"

struct out {
    struct archive *archive;
    XXH3_state_t *digest;
    const char *what; /* "generation 7 of job J" */
    int fd, sys_errno, is_given_up;
    time_t mtime; /* of all members: when the checkpoint was made, so that the same one gives the same bytes */
    uint64_t done, total;
    const struct bv_transfer_watch *watch;
    struct bv_hold *hold;
};

/* --- the archive --- */

/* libarchive loses memory when a write fails; so it is not told, and whoever calls it looks at `sys_errno`. Only its
 * closing is told, so that it does not fill up with zeros what is missing of a member. */
static la_ssize_t write_out(struct archive *a, void *arg, const void *bytes, size_t size)
{
    struct out *o = arg;
    (void)a;
    if (o->is_given_up)
        return -1;
    if (!o->sys_errno && bv_write_full(o->fd, bytes, size) < 0)
        o->sys_errno = errno;
    return (la_ssize_t)size;
}

static int fail_out(const struct out *o, struct bv_error *err)
{
    char what[sizeof(((struct bv_gen *)NULL)->what) + 16];
    if (o->sys_errno != ENOSPC && o->sys_errno != EDQUOT && o->sys_errno != EFBIG)
        return bv_fail(err, BV_EINTERNAL, o->sys_errno, "cannot write the export of %s", o->what);
    snprintf(what, sizeof(what), "exporting %s", o->what);
    return bv_fail_write(o->fd, o->sys_errno, o->total - o->done, what, err);
}

static int begin_member(struct out *o, const char *name, uint64_t size, struct bv_error *err)
{
    struct archive_entry *e = archive_entry_new();
    if (!e)
        return bv_fail(err, BV_EINTERNAL, ENOMEM, "cannot write the export of %s", o->what);
    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0600);
    archive_entry_set_size(e, (la_int64_t)size);
    archive_entry_set_mtime(e, o->mtime, 0);
    int rc = archive_write_header(o->archive, e);
    archive_entry_free(e);
    bv_export_digest_member(o->digest, name, size);
    return rc == ARCHIVE_OK && !o->sys_errno ? 0 : fail_out(o, err);
}

static int put_bytes(struct out *o, const void *bytes, size_t size, struct bv_error *err)
{
    bv_digest_add(o->digest, bytes, size);
    if (size && (archive_write_data(o->archive, bytes, size) != (la_ssize_t)size || o->sys_errno))
        return fail_out(o, err);
    return 0;
}

static int put_text(struct out *o, const char *name, const char *text, size_t size, struct bv_error *err)
{
    return begin_member(o, name, size, err) < 0 ? -1 : put_bytes(o, text, size, err);
}

/* A JSON object, canonical, with a newline behind it. */
static int put_json(struct out *o, const char *name, const json_t *j, struct bv_error *err)
{
    autofree char *text = bv_json_canonical(j);
    size_t size = strlen(text);
    text[size] = '\n'; /* in place of the NUL */
    return put_text(o, name, text, size + 1, err);
}

static int tell(const struct out *o, const char *doing, struct bv_error *err)
{
    bv_hold_renew(o->hold);
    if (!o->watch || o->watch->tell(o->watch->arg, doing, o->done, o->total) == 0)
        return 0;
    return bv_fail(err, BV_EINTERNAL, 0, "the export of %s was interrupted", o->what);
}

/* --- the members --- */

/* A file of the generation, which has `size` bytes or is damaged. */
static int put_file(struct out *o, const struct bv_gen *g, const char *file, uint64_t size, struct bv_error *err)
{
    char name[BV_EXPORT_NAME], directory[BV_LAYOUT_NAME];
    struct stat st;
    bv_generation_name(g->manifest.generation, directory);
    snprintf(name, sizeof(name), "%s/%s", directory, file);
    autoclose int fd = openat(g->dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return bv_fail(err, bv_read_code(errno), errno, "%s: cannot open %s", g->what, file);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
        return bv_fail(err, BV_ECORRUPT, 0, "%s: %s has changed", g->what, file);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);

    autofree char *buffer = bv_alloc(BV_EXPORT_STEP);
    if (begin_member(o, name, size, err) < 0)
        return -1;
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < BV_EXPORT_STEP ? (size_t)(size - at) : BV_EXPORT_STEP;
        ssize_t n = bv_pread_full(fd, buffer, want, (off_t)at);
        if (n < 0)
            return bv_fail(err, bv_read_code(errno), errno, "%s: cannot read %s", g->what, file);
        if ((size_t)n < want)
            return bv_fail(err, BV_ECORRUPT, 0, "%s: %s was cut off", g->what, file);
        if (put_bytes(o, buffer, want, err) < 0)
            return -1;
        at += want;
        o->done += want;
        if (tell(o, "writing", err) < 0)
            return -1;
    }
    return 0;
}

static int put_head(struct out *o, const struct bv_manifest *m, struct bv_error *err)
{
    autojson json_t *head = json_object();
    bv_json_set(head, "format", json_string(BV_EXPORT_FORMAT));
    bv_json_set(head, "job", json_string(m->job));
    bv_json_set(head, "generation", json_integer(m->generation));
    bv_json_set(head, "created", json_incref(json_object_get(m->json, "created")));
    return put_json(o, BV_EXPORT_HEAD, head, err);
}

/* The history: as much of its end as a reader looks at, in whole lines. Whoever appends to it now does no harm. */
static int put_events(struct out *o, const struct bv_job *j, struct bv_error *err)
{
    struct stat st;
    autoclose int fd = openat(j->dirfd, BV_EXPORT_EVENTS, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot open the history of job %s", j->id);
    if (!S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECORRUPT, 0, "the history of job %s is no regular file", j->id);

    off_t from = st.st_size > BV_EVENTS_MAX ? st.st_size - BV_EVENTS_MAX : 0;
    autofree char *text = bv_alloc(BV_EVENTS_MAX);
    ssize_t n = bv_pread_full(fd, text, BV_EVENTS_MAX, from);
    if (n < 0)
        return bv_fail(err, bv_read_code(errno), errno, "cannot read the history of job %s", j->id);

    const char *first = from > 0 ? memchr(text, '\n', (size_t)n) : NULL;
    const char *begin = first ? first + 1 : text;
    const char *last = memrchr(begin, '\n', (size_t)(text + n - begin));
    return last ? put_text(o, BV_EXPORT_EVENTS, begin, (size_t)(last + 1 - begin), err) : 0;
}

static int put_end(struct out *o, struct bv_error *err)
{
    struct bv_digest digest;
    char text[BV_DIGEST_TEXT];
    bv_digest_end(o->digest, &digest);
    o->digest = bv_digest_begin(); /* of nothing: what is written from here on is not covered */
    bv_digest_text(&digest, text);
    text[BV_DIGEST_TEXT - 1] = '\n';
    if (put_text(o, BV_EXPORT_END, text, sizeof(text), err) < 0)
        return -1;
    return archive_write_close(o->archive) == ARCHIVE_OK && !o->sys_errno ? 0 : fail_out(o, err);
}

static int put_all(struct out *o, const struct bv_job *j, const struct bv_gen *g, struct bv_error *err)
{
    const struct bv_manifest *m = &g->manifest;
    autojson json_t *record = NULL;
    char name[BV_EXPORT_NAME], directory[BV_LAYOUT_NAME];
    bv_generation_name(m->generation, directory);
    snprintf(name, sizeof(name), "%s/%s", directory, BV_MANIFEST_FILE);
    /* A manifest is read only if it is exactly what its value is written as, so this gives the file's bytes. */
    if (bv_job_record(j, &record, err) < 0 || put_head(o, m, err) < 0 ||
        put_json(o, BV_EXPORT_RECORD, record, err) < 0 || put_events(o, j, err) < 0 ||
        put_json(o, name, m->json, err) < 0 || put_file(o, g, BV_INDEX_FILE, m->index.size, err) < 0)
        return -1;
    for (size_t i = 0; i < m->pack_count; i++) {
        char file[BV_PACK_NAME];
        bv_pack_name(m->packs[i].generation, file);
        if (put_file(o, g, file, m->packs[i].size, err) < 0)
            return -1;
    }
    return put_end(o, err);
}

/* --- the whole --- */

static int open_archive(struct out *o)
{
    o->archive = archive_write_new();
    /* "restricted": the plain ustar header wherever it is enough. No padding of the end to a tape's record. */
    return o->archive && archive_write_set_format_pax_restricted(o->archive) == ARCHIVE_OK &&
                   archive_write_add_filter_none(o->archive) == ARCHIVE_OK &&
                   archive_write_set_bytes_in_last_block(o->archive, 1) == ARCHIVE_OK &&
                   archive_write_open(o->archive, o, NULL, write_out, NULL) == ARCHIVE_OK
               ? 0
               : -1;
}

/* An export that is a file is durable when we return. Others cannot be synced. */
static int sync_out(struct out *o, struct bv_error *err)
{
    if (fsync(o->fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP)
        return 0;
    o->sys_errno = errno;
    return fail_out(o, err);
}

int bv_export(const struct bv_job *j, unsigned number, int fd, const struct bv_transfer_watch *watch,
              struct bv_error *err)
{
    autogen struct bv_gen *g = NULL;
    autohold struct bv_hold hold;
    struct stat st;
    bv_hold_take(j, number, &hold);
    if (bv_gen_open(j, number, &g, err) < 0)
        return -1;
    if (fstatat(g->dirfd, BV_MANIFEST_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return bv_fail(err, bv_read_code(errno), errno, "%s: cannot stat its manifest", g->what);

    struct out o = {.fd = fd,
                    .what = g->what,
                    .mtime = st.st_mtime,
                    .watch = watch,
                    .hold = &hold,
                    .total = g->manifest.index.size};
    for (size_t i = 0; i < g->manifest.pack_count; i++)
        o.total += g->manifest.packs[i].size;
    if (tell(&o, "verifying", err) < 0 || bv_gen_verify(g, err) < 0)
        return -1;

    o.digest = bv_digest_begin();
    int rc = open_archive(&o) < 0 ? fail_out(&o, err) : put_all(&o, j, g, err);
    o.is_given_up = rc < 0;
    archive_write_free(o.archive);
    bv_digest_end(o.digest, NULL);
    return rc < 0 ? -1 : sync_out(&o, err);
}
