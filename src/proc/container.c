/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/container.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "proc/field.h"

#define STATUS_MAX (1 << 16)
#define MOUNTS_MAX (4 << 20)

int bv_is_filtered(void)
{
    autofree char *status = bv_read_proc(AT_FDCWD, "/proc/self/status", STATUS_MAX);
    return status && bv_field_number(status, "Seccomp", 10, 0) == 2;
}

int bv_is_proc_covered(void)
{
    autofree char *mounts = bv_read_proc(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX);
    return mounts && strstr(mounts, " /proc/");
}

long bv_sysctl(const char *path)
{
    autofree char *text = bv_read_proc(AT_FDCWD, path, 64);
    char *end;
    if (!text)
        return -1;
    long value = strtol(text, &end, 10);
    return end == text ? -1 : value;
}
