/* SPDX-License-Identifier: Apache-2.0 */
#include "job/forgotten.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "proc/tree.h"

#define THREADS_MAX 1000000
#define WHO_PROCESS 1 /* of ioprio_get(2): one thread */

/* What a tree must have from its beginning. Other bits change what its system calls mean, and are preflight's. */
#define INHERITED ADDR_NO_RANDOMIZE

struct thread_state {
    long ioprio, slack; /* -1 = cannot be seen */
};

static long read_number(int procfd, pid_t tid, const char *file, int base)
{
    char name[48];
    snprintf(name, sizeof(name), "%d/%s", (int)tid, file);
    autofree char *text = bv_read_proc(procfd, name, 64);
    return text && *text ? strtol(text, NULL, base) : -1;
}

static struct thread_state state_of(int procfd, pid_t tid)
{
    return (struct thread_state){
        .ioprio = syscall(SYS_ioprio_get, WHO_PROCESS, tid),
        .slack = read_number(procfd, tid, "timerslack_ns", 10),
    };
}

/* 1 if it had to be left out. */
static int add_thread(int procfd, pid_t tid, const struct thread_state *given, json_t *list)
{
    struct thread_state now = state_of(procfd, tid);
    autojson json_t *entry = json_object();
    if (now.ioprio >= 0 && now.ioprio != given->ioprio)
        bv_json_set(entry, "ioprio", json_integer(now.ioprio));
    if (now.slack > 0 && now.slack != given->slack) /* 0 is of a thread in real time, and cannot be set */
        bv_json_set(entry, "timer_slack_ns", json_integer(now.slack));
    if (json_object_size(entry) == 0)
        return 0;
    if (json_array_size(list) == BV_FORGOTTEN_THREADS)
        return 1;
    bv_json_set(entry, "tid", json_integer(tid));
    bv_json_append(list, json_incref(entry));
    return 0;
}

static int take_threads(int procfd, pid_t root, json_t *list, struct bv_error *err)
{
    int left_out = 0;
    autopids struct bv_pids pids = {0};
    struct thread_state given = state_of(procfd, getpid());
    if (bv_tree_scan(procfd, root, &pids, err) < 0)
        return -1;
    for (size_t i = 0; i < pids.count; i++) {
        autopids struct bv_pids tids = {0};
        if (bv_tree_threads(procfd, pids.pid[i], &tids, NULL) < 0)
            continue;
        for (size_t k = 0; k < tids.count; k++)
            left_out += add_thread(procfd, tids.pid[k], &given, list);
    }
    return left_out;
}

int bv_forgotten_take(pid_t root, json_t **ret, struct bv_error *err)
{
    autojson json_t *all = json_object(), *threads = json_array(), *sockets = NULL, *hung_up = NULL, *code = NULL;
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /proc");
    int left_out = take_threads(procfd, root, threads, err);
    int more = left_out < 0 ? -1 : bv_forgotten_sockets_take(procfd, root, &sockets, err);
    int still = more < 0 ? -1 : bv_forgotten_terminals_take(procfd, root, &hung_up, err);
    int last = still < 0 ? -1 : bv_forgotten_code_take(procfd, root, &code, err);
    if (last < 0)
        return -1;
    bv_json_set(all, "threads", json_incref(threads));
    bv_json_set(all, "sockets", json_incref(sockets));
    if (json_array_size(hung_up) > 0)
        bv_json_set(all, "hung-up", json_incref(hung_up));
    if (json_array_size(code) > 0)
        bv_json_set(all, "code", json_incref(code));
    long flags = read_number(procfd, root, "personality", 16);
    if (flags > 0 && (flags & INHERITED))
        bv_json_set(all, "personality", json_integer(flags & INHERITED));
    *ret = json_incref(all);
    return left_out + more + still + last;
}

void bv_forgotten_inherit(const json_t *forgotten)
{
    unsigned long flags = (unsigned long)json_integer_value(json_object_get(forgotten, "personality")) & INHERITED;
    int now = personality(0xffffffff);
    if (flags && now >= 0)
        personality((unsigned long)now | flags);
}

static int set_slack(pid_t tid, uint64_t value)
{
    char path[48], text[24];
    snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", (int)tid);
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : bv_write_full(fd, text, (size_t)n);
}

static int restore_threads(const json_t *threads, struct bv_error *err)
{
    int lost = 0;
    for (size_t i = 0; i < json_array_size(threads); i++) {
        const json_t *entry = json_array_get(threads, i);
        uint64_t tid, value;
        if (bv_json_u64(entry, "tid", INT32_MAX, &tid, err) < 0)
            return -1;
        if (json_object_get(entry, "ioprio")) {
            if (bv_json_u64(entry, "ioprio", UINT16_MAX, &value, err) < 0)
                return -1;
            lost += syscall(SYS_ioprio_set, WHO_PROCESS, (pid_t)tid, (int)value) < 0;
        }
        if (json_object_get(entry, "timer_slack_ns")) {
            if (bv_json_u64(entry, "timer_slack_ns", INT64_MAX, &value, err) < 0)
                return -1;
            lost += set_slack((pid_t)tid, value) < 0;
        }
    }
    return lost;
}

int bv_forgotten_restore(const json_t *forgotten, struct bv_error *err)
{
    json_t *threads, *sockets;
    if (!forgotten)
        return 0;
    if (bv_json_array(forgotten, "threads", THREADS_MAX, &threads, err) < 0 ||
        bv_json_array(forgotten, "sockets", THREADS_MAX, &sockets, err) < 0)
        return -1;
    int lost = restore_threads(threads, err);
    int more = lost < 0 ? -1 : bv_forgotten_sockets_restore(sockets, err);
    int last = more < 0 ? -1 : bv_forgotten_terminals_restore(json_object_get(forgotten, "hung-up"), err);
    return last < 0 ? -1 : lost + more + last;
}
