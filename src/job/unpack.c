/* SPDX-License-Identifier: Apache-2.0 */
#include "job/unpack.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/name.h"
#include "job/capture.h"
#include "proc/host.h"

#define IMAGES "images/"

/* A stream's name comes from the store: only what a checkpoint of ours has is taken. */
static int is_known_stream(const char *name)
{
    const char *slash = strchr(name, '/');
    if (!slash)
        return strcmp(name, BV_CAPTURE_JSON) == 0;
    size_t n = (size_t)(slash - name);
    return bv_is_component(slash + 1) &&
           ((n == 6 && memcmp(name, "images", n) == 0) || (n == 5 && memcmp(name, "files", n) == 0));
}

struct unpack {
    struct bv_gen *g;
    const struct bv_engine *engine;
    int staging;
    int unknown;            /* the generation has a stream that no checkpoint of ours has */
    int bulk;               /* it is the turn of the bulk, which comes last */
    struct bv_ranges *cuts; /* of each stream */
    struct bv_ranges zeros; /* what was asked for last */
};

static int is_bulk(const struct unpack *u, const char *name)
{
    return u->engine->is_bulk && strncmp(name, IMAGES, strlen(IMAGES)) == 0 &&
           u->engine->is_bulk(name + strlen(IMAGES));
}

static int open_target(void *arg, const char *name, uint64_t size, const struct bv_ranges **cuts)
{
    struct unpack *u = arg;
    (void)size;
    u->unknown |= !is_known_stream(name);
    if (u->unknown) {
        errno = EINVAL;
        return -1;
    }
    if (is_bulk(u, name) != u->bulk)
        return BV_GEN_SKIP;
    *cuts = &u->cuts[bv_gen_find(u->g, name)];
    return openat(u->staging, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static ssize_t find_image(const struct unpack *u, const char *image)
{
    autofree char *name = bv_asprintf(IMAGES "%s", image);
    return is_bulk(u, name) ? bv_gen_find(u->g, name) : -1;
}

/* What was cut once is not to be cut again. */
static const struct bv_ranges *zeros_of(void *arg, const char *image)
{
    struct unpack *u = arg;
    ssize_t i = find_image(u, image);
    if (i < 0 || u->cuts[i].count)
        return NULL;
    bv_ranges_free(&u->zeros);
    bv_gen_zeros(u->g, (size_t)i, &u->zeros);
    return &u->zeros;
}

static void cut(void *arg, const char *image, struct bv_ranges *cuts)
{
    struct unpack *u = arg;
    u->cuts[find_image(u, image)] = *cuts;
}

static int leave_zeros(struct unpack *u, struct bv_error *err)
{
    autoclose int images = openat(u->staging, "images", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (images < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the staging directory");
    struct bv_engine_thin thin = {.images_fd = images, .zeros = zeros_of, .cut = cut, .arg = u};
    return u->engine->leave_zeros(&thin, err);
}

static int unpack_all(struct unpack *u, struct bv_error *err)
{
    struct bv_gen_copy copy = {.open_target = open_target, .arg = u};
    if (bv_gen_copy_all(u->g, &copy, err) < 0)
        return u->unknown ? bv_fail(err, BV_ECORRUPT, 0, "the generation has an unknown stream") : -1;
    if (!u->engine->is_bulk)
        return 0;
    u->bulk = 1;
    return leave_zeros(u, err) < 0 ? -1 : bv_gen_copy_all(u->g, &copy, err);
}

int bv_unpack(struct bv_gen *g, const struct bv_engine *engine, int staging, struct bv_error *err)
{
    if (mkdirat(staging, "images", 0700) < 0 || mkdirat(staging, BV_CAPTURE_FILES, 0700) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the staging directory");
    size_t streams = bv_gen_stream_count(g);
    struct unpack u = {.g = g, .engine = engine, .staging = staging};
    u.cuts = bv_alloc(streams * sizeof(*u.cuts));
    int rc = unpack_all(&u, err);
    for (size_t i = 0; i < streams; i++)
        bv_ranges_free(&u.cuts[i]);
    free(u.cuts);
    bv_ranges_free(&u.zeros);
    return rc;
}

/* Before anything is touched: could the job run here? */
int bv_unpack_check_host(const json_t *content, const char *ignored, struct bv_error *err)
{
    const char *machine, *cpu;
    json_t *host;
    struct bv_host here;
    autofree char *flags = NULL;
    if (bv_json_object(content, "host", &host, err) < 0 || bv_json_str(host, "machine", &machine, err) < 0 ||
        bv_json_str(host, "cpu", &cpu, err) < 0 || bv_host_read(&here, err) < 0 || bv_cpu_flags(&flags, err) < 0)
        return -1;
    if (strcmp(machine, here.machine) != 0)
        return bv_fail(err, BV_EHOST, 0, "the checkpoint is of a %s machine, this is %s", machine, here.machine);
    autofree char *all = bv_cpu_missing(cpu, flags);
    autofree char *missing = all ? bv_cpu_without(all, ignored ? ignored : "") : NULL;
    if (missing)
        return bv_fail(
            err, BV_EHOST, 0,
            "the CPU of this host lacks what the job may have used: %s; restart it where they exist, or with "
            "--cpu=ignore:FEATURE,... if it does not use them",
            missing);
    return 0;
}
