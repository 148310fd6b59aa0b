/* SPDX-License-Identifier: Apache-2.0 */
#include "job/affinity.h"

#include <fcntl.h>
#include <sched.h>

#include "base/cleanup.h"
#include "proc/tree.h"

#define THREADS_MAX 1000000

static json_t *mask_json(const cpu_set_t *mask)
{
    json_t *cpus = json_array();
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, mask))
            bv_json_append(cpus, json_integer(i));
    return cpus;
}

static void add_thread(pid_t tid, const cpu_set_t *given, json_t *list)
{
    cpu_set_t mask;
    if (sched_getaffinity(tid, sizeof(mask), &mask) < 0 || CPU_EQUAL(&mask, given))
        return;
    json_t *entry = json_object();
    bv_json_set(entry, "tid", json_integer(tid));
    bv_json_set(entry, "cpus", mask_json(&mask));
    bv_json_append(list, entry);
}

int bv_affinity_take(pid_t root, json_t **ret, struct bv_error *err)
{
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
            add_thread(tids.pid[k], &given, list);
    }
    *ret = json_incref(list);
    return 0;
}

int bv_affinity_restore(const json_t *affinity, struct bv_error *err)
{
    int lost = 0;
    if (!json_is_array(affinity) || json_array_size(affinity) > THREADS_MAX)
        return bv_fail(err, BV_ECORRUPT, 0, "\"affinity\" is no list of threads");
    for (size_t i = 0; i < json_array_size(affinity); i++) {
        uint64_t tid;
        json_t *cpus;
        cpu_set_t mask;
        CPU_ZERO(&mask);
        if (bv_json_u64(json_array_get(affinity, i), "tid", INT32_MAX, &tid, err) < 0 ||
            bv_json_array(json_array_get(affinity, i), "cpus", CPU_SETSIZE, &cpus, err) < 0)
            return -1;
        for (size_t k = 0; k < json_array_size(cpus); k++) {
            json_int_t cpu = json_integer_value(json_array_get(cpus, k));
            if (cpu >= 0 && cpu < CPU_SETSIZE)
                CPU_SET((size_t)cpu, &mask);
        }
        lost += sched_setaffinity((pid_t)tid, sizeof(mask), &mask) < 0;
    }
    return lost;
}
