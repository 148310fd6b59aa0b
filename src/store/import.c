/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/event.h"
#include "store/event_parse.h"
#include "store/generation.h"
#include "store/import_stream.h"
#include "store/index.h"
#include "store/manifest.h"

#define HIDDEN_PREFIX ".import-" /* and the job's id, a dot, 16 random hex digits */
#define HIDDEN_DIGITS 16

struct import {
    struct bv_store *store;
    struct bv_import_stream in;
    char from[BV_JOB_ID_MAX + 1];   /* the job that was exported */
    struct bv_job job;              /* the job as it will be; its directory is hidden yet */
    char hidden[NAME_MAX + 1];      /* its name until then, "" before it is made */
    char directory[BV_LAYOUT_NAME]; /* of the generation */
    int gendir;
    unsigned generation;
    struct bv_manifest manifest; /* as it came */
    char what[BV_JOB_ID_MAX + 64];
};

/* --- the head --- */

static int check_format(const json_t *head, struct bv_error *err)
{
    const char *format;
    if (bv_json_str(head, "format", &format, err) < 0)
        return -1;
    if (strcmp(format, BV_EXPORT_FORMAT) == 0)
        return 0;
    if (strncmp(format, "bivouac-export ", strlen("bivouac-export ")) == 0)
        return bv_fail(err, BV_ESTORE, 0, "the export has another format than this version of Bivouac reads (1)");
    return bv_fail(err, BV_ECORRUPT, 0, "\"format\" is not that of an export");
}

static int parse_head(struct import *m, const char *text, size_t size, struct bv_error *err)
{
    autojson json_t *head = NULL;
    const char *job, *created;
    uint64_t generation;
    if (bv_json_parse(text, size, &head, err) < 0)
        return -1;
    if (!json_is_object(head))
        return bv_fail(err, BV_ECORRUPT, 0, "it is no JSON object");
    if (check_format(head, err) < 0 || bv_json_str(head, "job", &job, err) < 0 ||
        bv_json_u64(head, "generation", BV_GENERATION_MAX, &generation, err) < 0 ||
        bv_json_str(head, "created", &created, err) < 0)
        return -1;
    if (generation == 0 || bv_job_id_check(job, NULL) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "it names no job and generation");
    snprintf(m->from, sizeof(m->from), "%s", job);
    m->generation = (unsigned)generation;
    return 0;
}

/* Whose checkpoint is it, and is there room for that name? */
static int read_head(struct import *m, const char *new_id, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size;
    struct stat st;
    if (!bv_import_at(&m->in, BV_EXPORT_HEAD))
        return bv_fail(err, BV_ECORRUPT, 0, "this is no export of Bivouac");
    if (bv_import_take(&m->in, BV_EXPORT_HEAD, BV_EXPORT_HEAD_MAX, &text, &size, err) < 0)
        return -1;
    if (parse_head(m, text, size, err) < 0)
        return bv_wrap(err, "the member '" BV_EXPORT_HEAD "'");

    snprintf(m->job.id, sizeof(m->job.id), "%s", new_id ? new_id : m->from);
    snprintf(m->what, sizeof(m->what), "importing generation %u of job %s", m->generation, m->job.id);
    bv_generation_name(m->generation, m->directory);
    if (fstatat(m->store->jobsfd, m->job.id, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return bv_fail(err, BV_EBUSY, 0, "the store has a job %s already; --job gives the import another id",
                       m->job.id);
    return 0;
}

/* --- the hidden directory --- */

struct sweep {
    int jobsfd;
    const char *id;
};

/* What an import of this job has left that was interrupted, or is just being written: that one will fail, and not find
 * our directory in the place of its own. */
static int sweep_one(const char *name, void *arg)
{
    const struct sweep *s = arg;
    size_t prefix = strlen(HIDDEN_PREFIX), id = strlen(s->id);
    if (strncmp(name, HIDDEN_PREFIX, prefix) == 0 && strncmp(name + prefix, s->id, id) == 0 &&
        name[prefix + id] == '.' && strspn(name + prefix + id + 1, "0123456789abcdef") == HIDDEN_DIGITS &&
        strlen(name) == prefix + id + 1 + HIDDEN_DIGITS)
        bv_remove_tree(s->jobsfd, name, NULL); /* if it fails, it is somebody else's, and in nobody's way */
    return 0;
}

static int make_hidden(struct import *m, struct bv_error *err)
{
    struct sweep sweep = {.jobsfd = m->store->jobsfd, .id = m->job.id};
    uint64_t random;
    if (bv_dir_each(m->store->jobsfd, sweep_one, &sweep, err) < 0)
        return -1;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get random bytes");
    snprintf(m->hidden, sizeof(m->hidden), HIDDEN_PREFIX "%s.%016llx", m->job.id, (unsigned long long)random);
    m->job.dirfd = bv_dir_create(m->store->jobsfd, m->hidden);
    if (m->job.dirfd < 0 || mkdirat(m->job.dirfd, "attempts", 0700) < 0 ||
        (m->gendir = bv_dir_create(m->job.dirfd, m->directory)) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "%s: cannot create a directory", m->what);
    return 0;
}

/* --- the members --- */

/* Publish a canonical object with a newline behind it. */
static int publish_json(int dirfd, const char *name, const json_t *j, struct bv_error *err)
{
    autofree char *text = bv_json_canonical(j);
    size_t size = strlen(text);
    text[size] = '\n'; /* in place of the NUL */
    return bv_publish(dirfd, name, text, size + 1, 0, err);
}

/* The record says whose it is; the rest of it is the job's own. */
static int import_record(struct import *m, struct bv_error *err)
{
    autofree char *text = NULL;
    autojson json_t *record = NULL;
    size_t size;
    if (bv_import_take(&m->in, BV_EXPORT_RECORD, BV_EXPORT_RECORD_MAX, &text, &size, err) < 0)
        return -1;
    if (bv_json_parse(text, size, &record, err) < 0)
        return bv_wrap(err, "the member '" BV_EXPORT_RECORD "'");
    if (!json_is_object(record))
        return bv_fail(err, BV_ECORRUPT, 0, "the member '" BV_EXPORT_RECORD "' is no JSON object");
    if (json_object_get(record, "job"))
        bv_json_set(record, "job", json_string(m->job.id));
    return publish_json(m->job.dirfd, BV_EXPORT_RECORD, record, err);
}

/* The history is kept as it is: its readers expect anything. */
static int import_events(struct import *m, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size;
    if (!bv_import_at(&m->in, BV_EXPORT_EVENTS))
        return 0;
    if (bv_import_take(&m->in, BV_EXPORT_EVENTS, BV_EVENTS_MAX, &text, &size, err) < 0)
        return -1;
    return bv_publish(m->job.dirfd, BV_EXPORT_EVENTS, text, size, 0, err);
}

static int read_manifest(struct import *m, struct bv_error *err)
{
    autofree char *text = NULL;
    char name[BV_EXPORT_NAME];
    size_t size;
    snprintf(name, sizeof(name), "%s/%s", m->directory, BV_MANIFEST_FILE);
    if (bv_import_take(&m->in, name, BV_MANIFEST_MAX, &text, &size, err) < 0 ||
        bv_manifest_parse(text, size, &m->manifest, err) < 0)
        return -1;
    if (m->manifest.generation != m->generation || strcmp(m->manifest.job, m->from) != 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest is that of another generation or job");
    if (m->manifest.index.size > BV_INDEX_MAX)
        return bv_fail(err, BV_ECORRUPT, 0, "the index is impossibly large");
    m->in.total = m->in.done + m->manifest.index.size;
    for (size_t i = 0; i < m->manifest.pack_count; i++) {
        if (m->manifest.packs[i].size > BV_SIZE_LIMIT - m->in.total)
            return bv_fail(err, BV_ECORRUPT, 0, "the packs are impossibly large");
        m->in.total += m->manifest.packs[i].size;
    }
    return 0;
}

static int import_file(struct import *m, const char *file, uint64_t size, struct bv_error *err)
{
    char name[BV_EXPORT_NAME];
    snprintf(name, sizeof(name), "%s/%s", m->directory, file);
    return bv_import_store(&m->in, name, size, m->gendir, file, m->what, err);
}

static int import_files(struct import *m, struct bv_error *err)
{
    if (import_file(m, BV_INDEX_FILE, m->manifest.index.size, err) < 0)
        return -1;
    for (size_t i = 0; i < m->manifest.pack_count; i++) {
        char file[BV_PACK_NAME];
        bv_pack_name(m->manifest.packs[i].generation, file);
        if (import_file(m, file, m->manifest.packs[i].size, err) < 0)
            return -1;
    }
    return bv_import_end(&m->in, err);
}

/* With the job's new id and, since it covers that, a new digest. Whoever could have changed anything else can make
 * digests, too: they find accidents, and the one that came was right. */
static int write_manifest(struct import *m, struct bv_error *err)
{
    char digest_text[BV_DIGEST_TEXT];
    autojson json_t *j = json_deep_copy(m->manifest.json);
    bv_json_set(j, "job", json_string(m->job.id));
    json_object_del(j, "digest");
    autofree char *text = bv_json_canonical(j);
    struct bv_digest digest = bv_digest_of(text, strlen(text));
    bv_digest_text(&digest, digest_text);
    bv_json_set(j, "digest", json_string(digest_text));
    return publish_json(m->gendir, BV_MANIFEST_FILE, j, err); /* this syncs the directory, and the names in it */
}

/* --- the whole --- */

static int verify(const struct import *m, struct bv_error *err)
{
    autogen struct bv_gen *g = NULL;
    return bv_gen_open(&m->job, m->generation, &g, err) < 0 ? -1 : bv_gen_verify(g, err);
}

static int commit(struct import *m, struct bv_error *err)
{
    autojson json_t *fields = json_object();
    bv_json_set(fields, "from", json_string(m->from));
    bv_json_set(fields, "generation", json_integer(m->generation));
    if (bv_event_append(&m->job, "imported", 0, fields, err) < 0)
        return -1;
    if (fsync(m->job.dirfd) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "%s: cannot sync", m->what);
    if (bv_dir_rename_new(m->store->jobsfd, m->hidden, m->job.id) == 0)
        return 0;
    if (errno == EEXIST)
        return bv_fail(err, BV_EBUSY, 0, "the store has a job %s since just now", m->job.id);
    if (errno == ENOENT)
        return bv_fail(err, BV_EBUSY, 0, "another import of job %s has taken over", m->job.id);
    return bv_fail(err, bv_store_code(errno), errno, "%s: cannot commit it", m->what);
}

static int import(struct import *m, const char *new_id, struct bv_error *err)
{
    if (read_head(m, new_id, err) < 0 || make_hidden(m, err) < 0 || import_record(m, err) < 0 ||
        import_events(m, err) < 0 || read_manifest(m, err) < 0 || import_files(m, err) < 0 ||
        write_manifest(m, err) < 0 || verify(m, err) < 0)
        return -1;
    return commit(m, err);
}

int bv_import(struct bv_store *s, int fd, const char *new_id, const struct bv_transfer_watch *watch,
              struct bv_import_result *ret, struct bv_error *err)
{
    struct import m = {.store = s, .job.dirfd = -1, .gendir = -1};
    if (new_id && bv_job_id_check(new_id, err) < 0)
        return -1;
    int rc = bv_import_open(&m.in, fd, watch, err);
    if (rc == 0)
        rc = import(&m, new_id, err);
    if (rc == 0 && ret) {
        *ret = (struct bv_import_result){.generation = m.generation, .stored_bytes = m.manifest.index.size};
        snprintf(ret->job, sizeof(ret->job), "%s", m.job.id);
        for (size_t i = 0; i < m.manifest.pack_count; i++)
            ret->stored_bytes += m.manifest.packs[i].size;
    }
    bv_import_close(&m.in);
    bv_manifest_free(&m.manifest);
    close_fd(&m.gendir);
    close_fd(&m.job.dirfd);
    if (rc < 0 && m.hidden[0])
        bv_remove_tree(s->jobsfd, m.hidden, NULL);
    return rc;
}
