/* SPDX-License-Identifier: Apache-2.0 */
#include "job/affinity.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "proc/tree.h"

#define THREADS_MAX 1000000

#define TEXT_MAX 4096 /* of a mask; every other of 1024 CPUs is less */

/* "0-63,128": nodes have hundreds of CPUs, and a job hundreds of threads. */
static json_t *mask_json(const cpu_set_t *mask)
{
    char text[TEXT_MAX] = "";
    size_t used = 0;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        int first = i;
        if (!CPU_ISSET(i, mask))
            continue;
        while (i + 1 < CPU_SETSIZE && CPU_ISSET(i + 1, mask))
            i++;
        const char *comma = used ? "," : "";
        used += (size_t)(i > first ? snprintf(text + used, sizeof(text) - used, "%s%d-%d", comma, first, i)
                                   : snprintf(text + used, sizeof(text) - used, "%s%d", comma, first));
    }
    return json_string(text);
}

static int parse_number(const char **at, int *ret)
{
    char *end;
    if (!isdigit((unsigned char)**at))
        return -1;
    unsigned long n = strtoul(*at, &end, 10);
    if (n > INT_MAX)
        return -1;
    *at = end;
    *ret = (int)n;
    return 0;
}

/* CPUs that cannot be here are passed over. */
static int parse_mask(const char *text, cpu_set_t *ret)
{
    CPU_ZERO(ret);
    while (*text) {
        int first, last;
        if (parse_number(&text, &first) < 0)
            return -1;
        last = first;
        if (*text == '-' && (text++, parse_number(&text, &last) < 0))
            return -1;
        for (int i = first; i <= last && i < CPU_SETSIZE; i++)
            CPU_SET((size_t)i, ret);
        if (*text && *text++ != ',')
            return -1;
    }
    return 0;
}

/* 1 if it had to be left out. */
static int add_thread(pid_t tid, const cpu_set_t *given, json_t *list)
{
    cpu_set_t mask;
    if (sched_getaffinity(tid, sizeof(mask), &mask) < 0 || CPU_EQUAL(&mask, given))
        return 0;
    if (json_array_size(list) == BV_AFFINITY_THREADS)
        return 1;
    json_t *entry = json_object();
    bv_json_set(entry, "tid", json_integer(tid));
    bv_json_set(entry, "cpus", mask_json(&mask));
    bv_json_append(list, entry);
    return 0;
}

int bv_affinity_take(pid_t root, json_t **ret, struct bv_error *err)
{
    int left_out = 0;
    cpu_set_t given;
    autopids struct bv_pids pids = {0};
    autojson json_t *list = json_array();
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0 || sched_getaffinity(0, sizeof(given), &given) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read CPU affinities");
    if (bv_tree_scan(procfd, root, &pids, err) < 0)
        return -1;
    for (size_t i = 0; i < pids.count; i++) {
        autopids struct bv_pids tids = {0};
        if (bv_tree_threads(procfd, pids.pid[i], &tids, NULL) < 0)
            continue;
        for (size_t k = 0; k < tids.count; k++)
            left_out += add_thread(tids.pid[k], &given, list);
    }
    *ret = json_incref(list);
    return left_out;
}

int bv_affinity_restore(const json_t *affinity, struct bv_error *err)
{
    int lost = 0;
    if (!json_is_array(affinity) || json_array_size(affinity) > THREADS_MAX)
        return bv_fail(err, BV_ECORRUPT, 0, "\"affinity\" is no list of threads");
    for (size_t i = 0; i < json_array_size(affinity); i++) {
        uint64_t tid;
        const char *cpus;
        cpu_set_t mask;
        if (bv_json_u64(json_array_get(affinity, i), "tid", INT32_MAX, &tid, err) < 0 ||
            bv_json_str(json_array_get(affinity, i), "cpus", &cpus, err) < 0)
            return -1;
        if (parse_mask(cpus, &mask) < 0)
            return bv_fail(err, BV_ECORRUPT, 0, "\"cpus\" is no list of CPUs");
        lost += sched_setaffinity((pid_t)tid, sizeof(mask), &mask) < 0;
    }
    return lost;
}
