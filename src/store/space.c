/* SPDX-License-Identifier: Apache-2.0 */
#include "store/space.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

void bv_size_text(uint64_t bytes, char ret[BV_SIZE_TEXT])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    int unit = -1;
    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    if (unit < 0)
        snprintf(ret, BV_SIZE_TEXT, "%llu bytes", (unsigned long long)bytes);
    else
        snprintf(ret, BV_SIZE_TEXT, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

int bv_fail_write(int fd, int sys_errno, uint64_t more, const char *what, struct bv_error *err)
{
    char needs[BV_SIZE_TEXT + 32] = "", size[BV_SIZE_TEXT];
    if (more) {
        bv_size_text(more, size);
        snprintf(needs, sizeof(needs), " needs about %s more", size);
    }

    struct statvfs fs;
    struct rlimit limit;
    switch (sys_errno) {
    case ENOSPC:
        if (fstatvfs(fd, &fs) < 0)
            return bv_fail(err, BV_ENOSPACE, ENOSPC, "%s%s", what, needs);
        bv_size_text((uint64_t)fs.f_bavail * fs.f_frsize, size);
        if (fs.f_files && fs.f_favail == 0)
            return bv_fail(err, BV_ENOSPACE, 0, "no space left: %s%s, and no inodes are free", what, needs);
        return bv_fail(err, BV_ENOSPACE, 0, "no space left: %s%s, %s are free", what, needs, size);
    case EDQUOT:
        return bv_fail(err, BV_ENOSPACE, 0, "the quota is used up: %s%s", what, needs[0] ? needs : " failed");
    case EFBIG:
        if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
            return bv_fail(err, BV_ENOSPACE, EFBIG, "%s", what);
        bv_size_text(limit.rlim_cur, size);
        return bv_fail(err, BV_ENOSPACE, 0, "no file may be larger than %s here (ulimit -f): %s%s", size, what,
                       needs[0] ? needs : " failed");
    default:
        return bv_fail(err, bv_store_code(sys_errno), sys_errno, "%s failed", what);
    }
}
