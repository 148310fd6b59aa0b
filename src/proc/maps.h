/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Memory mappings of a process, from /proc/PID/maps. */
struct bv_map {
    uint64_t start, end, offset;
    uint64_t ino;
    unsigned dev_major, dev_minor;
    int readable, writable, executable, shared;
    char *path; /* NULL for anonymous; "[heap]", "/SYSV…", "/dev/zero" as the kernel shows them; octal escapes undone,
                   " (deleted)" removed */
    int deleted;
};

struct bv_maps {
    struct bv_map *map;
    size_t count;
};
void bv_maps_free(struct bv_maps *m);
#define automaps __attribute__((cleanup(bv_maps_free)))

/* Errors: BV_ENOTRUNNING, BV_EDENIED, BV_EINTERNAL. */
int bv_maps_scan(int procfd, pid_t pid, struct bv_maps *ret, struct bv_error *err);

/* The parser alone, for tests and fuzzing: text of a maps file, NUL-terminated. Errors: BV_ECORRUPT. */
int bv_maps_parse(const char *text, struct bv_maps *ret, struct bv_error *err);
