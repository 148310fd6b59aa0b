/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/cpu.h"
#include "proc/tree.h"

#define CPUINFO_MAX 65536 /* bytes; the first processor takes 2 to 4 KiB, hundreds follow */

int bv_host_read(struct bv_host *ret, struct bv_error *err)
{
    struct utsname u;
    if (uname(&u) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read the name of this host");

    autofree char *boot = bv_read_proc(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256);
    if (!boot)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read the boot id of this host");

    struct stat st;
    if (stat("/proc/self/ns/pid", &st) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot see the own pid namespace");

    struct bv_host h = {.pid_ns = st.st_ino};
    snprintf(h.name, sizeof(h.name), "%s", u.nodename);
    snprintf(h.kernel, sizeof(h.kernel), "%s", u.release);
    snprintf(h.machine, sizeof(h.machine), "%s", u.machine);
    snprintf(h.boot_id, sizeof(h.boot_id), "%.*s", (int)strcspn(boot, "\n"), boot);
    *ret = h;
    return 0;
}

/* The feature words as the kernel lists them: "flags" on x86, "Features" on ARM, "isa" on RISC-V. NULL if it does not
 * list any, as on POWER. */
static char *find_flags(char *cpuinfo)
{
    static const char *const keys[] = {"flags", "Features", "isa"};
    char *save = NULL;
    for (char *line = strtok_r(cpuinfo, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            size_t n = strlen(keys[i]);
            if (strncmp(line, keys[i], n) == 0 && strspn(line + n, " \t:") > 0 && strchr(line + n, ':'))
                return strchr(line + n, ':') + 1;
        }
    return NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sort the words of `text`, which is modified. Allocated. */
static char *sorted_words(char *text)
{
    size_t size = strlen(text) + 1, count = 0, used = 0;
    autofree char **words = bv_alloc((size / 2 + 1) * sizeof(*words)); /* a word and its blank take two bytes */
    char *save = NULL;
    for (char *w = strtok_r(text, " \t", &save); w; w = strtok_r(NULL, " \t", &save))
        words[count++] = w;
    qsort(words, count, sizeof(*words), by_text);

    char *out = bv_alloc(size);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "", words[i]);
    return out;
}

int bv_cpu_flags(char **ret, struct bv_error *err)
{
    autoclose int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc/cpuinfo");

    autofree char *text = bv_alloc(CPUINFO_MAX);
    if (bv_read_full(fd, text, CPUINFO_MAX - 1) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read /proc/cpuinfo");

    char none[] = "";
    char *flags = find_flags(text);
    *ret = sorted_words(flags ? flags : none);
    return 0;
}

int bv_process_is(pid_t pid, unsigned long long start_time)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_task t;
    if (procfd < 0 || bv_task_read(procfd, pid, &t, NULL) < 0)
        return 0;
    return t.start_time == start_time && t.state != 'Z' && t.state != 'X';
}
