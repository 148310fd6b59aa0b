/* SPDX-License-Identifier: Apache-2.0 */
/* What HTCondor's ads say, if the first byte is an A, and else the file that a job is carried in. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "sched/condor/ad.h"
#include "store/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ad(char *text, size_t size)
{
    const struct bv_condor_ad a = {.text = text, .size = size};
    autofree char *string = NULL;
    int64_t number;
    int is;
    bv_condor_ad_int(&a, "ClusterId", &number);
    bv_condor_ad_bool(&a, "WantDocker", &is);
    if (!bv_condor_ad_string(&a, "TransferOutput", &string))
        return;
    /* Written again it is the same. */
    autofree char *quoted = bv_condor_quote(string), *line = bv_asprintf("X = %s", quoted), *again = NULL;
    const struct bv_condor_ad b = {.text = line, .size = strlen(line)};
    if (!bv_condor_ad_string(&b, "x", &again) || strlen(again) != strlen(string))
        abort();
    bv_condor_list_has(string, "_bivouac.ckpt");
}

/* It must not get out of the directories that it is given. */
static void bundle(const uint8_t *data, size_t size)
{
    char top[] = "/tmp/condor-fuzz.XXXXXX";
    struct stat st;
    struct bv_error damage = {0};
    autojson json_t *head = NULL;
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autoclose int fd = memfd_create("bundle", MFD_CLOEXEC);
    if (fd < 0 || !mkdtemp(top))
        abort();
    autoclose int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autofree char *path = bv_asprintf("%s/store", top);
    if (dir < 0 || mkdirat(dir, "files", 0700) < 0 || bv_store_open(path, 1, &store, NULL) < 0 ||
        bv_write_full(fd, data, size) < 0)
        abort();
    autoclose int files = openat(dir, "files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct bv_bundle_read how = {.store = &store, .files = files, .job = "condor-1.0"};
    bv_bundle_read(fd, &how, &head, &damage, NULL);
    if (fstatat(dir, "outside", &st, AT_SYMLINK_NOFOLLOW) == 0)
        abort();
    bv_remove_tree(AT_FDCWD, top, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree char *text = bv_alloc(size + 1);
    if (size)
        memcpy(text, data, size);
    if (size && data[0] == 'A')
        ad(text + 1, size - 1);
    else
        bundle(data, size);
    return 0;
}
