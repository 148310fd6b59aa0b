/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as an export: what is imported verifies, and what is refused leaves nothing. Twice: as they are, and with the
 * digest at their end made right, which no fuzzer finds by chance. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/export.h"
#include "store/generation.h"
#include "store/import_stream.h"
#include "store/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bv_store *store(void)
{
    static struct bv_store s;
    static char dir[] = "/dev/shm/import-fuzz.XXXXXX";
    if (!s.path && (!mkdtemp(dir) || bv_store_open(dir, 1, &s, NULL) < 0))
        abort();
    return &s;
}

static int unexpected(const char *name, void *arg)
{
    (void)name;
    (void)arg;
    abort();
}

static void check(struct bv_store *s, const struct bv_import_result *r)
{
    autojob struct bv_job job = {.dirfd = -1};
    autogen struct bv_gen *g = NULL;
    if (bv_job_open(s, r->job, &job, NULL) < 0 || bv_gen_open(&job, r->generation, &g, NULL) < 0 ||
        bv_gen_verify(g, NULL) < 0)
        abort();
}

static void import(const uint8_t *data, size_t size)
{
    struct bv_store *s = store();
    struct bv_import_result r;
    struct bv_error err = {0};
    autoclose int fd = memfd_create("export", MFD_CLOEXEC);
    if (fd < 0 || bv_write_full(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    if (bv_import(s, fd, NULL, NULL, &r, &err) == 0) {
        check(s, &r);
        if (bv_job_delete(s, r.job, NULL) < 0)
            abort();
    } else if (err.code != BV_ECORRUPT && err.code != BV_ESTORE) {
        abort();
    }
    if (bv_dir_each(s->jobsfd, unexpected, NULL, NULL) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    import(data, size);

    /* Where the digest is, if the members are in order at all. */
    static const char prefix[] = BV_DIGEST_PREFIX;
    struct bv_import_stream in;
    struct bv_digest digest;
    char text[BV_DIGEST_TEXT];
    autoclose int fd = memfd_create("export", MFD_CLOEXEC);
    if (fd < 0 || bv_write_full(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    int rc = bv_import_open(&in, fd, NULL, NULL);
    while (rc == 0 && in.name[0] && !bv_import_at(&in, BV_EXPORT_END)) {
        autofree char *bytes = NULL;
        size_t n;
        rc = bv_import_take(&in, in.name, 1u << 20, &bytes, &n, NULL);
    }
    int is_end = rc == 0 && bv_import_at(&in, BV_EXPORT_END);
    bv_digest_end(in.digest, &digest);
    in.digest = NULL;
    bv_import_close(&in);
    if (!is_end)
        return 0;
    bv_digest_text(&digest, text);
    for (size_t at = size - size % 512; at >= 512 && at + BV_DIGEST_TEXT <= size + 512; at -= 512) {
        if (at + BV_DIGEST_TEXT > size || memcmp(data + at, prefix, sizeof(prefix) - 1) != 0)
            continue;
        autofree uint8_t *copy = bv_alloc(size);
        memcpy(copy, data, size);
        memcpy(copy + at, text, BV_DIGEST_TEXT - 1);
        import(copy, size);
        break;
    }
    return 0;
}
