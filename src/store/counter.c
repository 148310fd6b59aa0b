/* SPDX-License-Identifier: Apache-2.0 */
#include "store/counter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"

#define COUNTERS_SIZE (BV_COUNTERS * sizeof(uint64_t))

static void name_of(unsigned number, char name[32])
{
    snprintf(name, 32, "%04u.out", number);
}

int bv_counters_create(const struct bv_attempt *a, const uint64_t values[BV_COUNTERS], uint64_t **ret,
                       struct bv_error *err)
{
    char name[32];
    name_of(a->number, name);
    autoclose int fd = openat(a->dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || bv_write_full(fd, values, COUNTERS_SIZE) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create %s", name);
    void *p = mmap(NULL, COUNTERS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return bv_fail(err, BV_ESTORE, errno, "cannot map %s", name);
    *ret = p;
    return 0;
}

void bv_counters_before(const struct bv_attempt *a, unsigned number, uint64_t ret[BV_COUNTERS])
{
    memset(ret, 0, COUNTERS_SIZE);
    while (number-- > 0) {
        char name[32];
        uint64_t values[BV_COUNTERS];
        name_of(number, name);
        autoclose int fd = openat(a->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || bv_read_full(fd, values, sizeof(values)) != (ssize_t)sizeof(values))
            continue;
        memcpy(ret, values, sizeof(values));
        return;
    }
}
