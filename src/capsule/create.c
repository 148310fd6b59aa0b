/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/private.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"

#define REMOVE_TIMEOUT 120 /* s; longer than a runtime may take for it */
#define CREATE_TIMEOUT 60  /* s; building takes milliseconds unless the machine is in distress */

static int write_proc(const char *path, const char *text, struct bv_error *err)
{
    autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || bv_write_full(fd, text, strlen(text)) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot write %s", path);
    return 0;
}

/* Our own user and group, and nobody else: the job sees who it is. */
static int map_ids(uid_t uid, gid_t gid, struct bv_error *err)
{
    char line[64];
    snprintf(line, sizeof(line), "%u %u 1", (unsigned)uid, (unsigned)uid);
    if (write_proc("/proc/self/uid_map", line, err) < 0 || write_proc("/proc/self/setgroups", "deny", err) < 0)
        return -1;
    snprintf(line, sizeof(line), "%u %u 1", (unsigned)gid, (unsigned)gid);
    return write_proc("/proc/self/gid_map", line, err);
}

/* This process's own offset of a clock from the initial time namespace; those of a new one count from there too. */
static int64_t own_offset(const char *clock)
{
    autofree char *text = bv_read_proc(AT_FDCWD, "/proc/self/timens_offsets", 4096);
    char *save = NULL;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        char name[32];
        long long sec, nsec;
        if (sscanf(line, "%31s %lld %lld", name, &sec, &nsec) == 3 && strcmp(name, clock) == 0)
            return sec * BV_NSEC_PER_SEC + nsec;
    }
    return 0;
}

static int offset_line(char *out, size_t room, const char *name, clockid_t clock, int64_t wanted)
{
    int64_t offset = wanted - bv_clock_ns(clock) + own_offset(name);
    int64_t sec = offset / BV_NSEC_PER_SEC, nsec = offset % BV_NSEC_PER_SEC;
    if (nsec < 0) {
        sec--;
        nsec += BV_NSEC_PER_SEC;
    }
    return snprintf(out, room, "%s %lld %lld\n", name, (long long)sec, (long long)nsec);
}

static int shift_clocks(const struct bv_capsule_config *config, struct bv_error *err)
{
    char text[128];
    if (unshare(CLONE_NEWTIME) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot create a time namespace, so the job's clocks would jump");
    int n = offset_line(text, sizeof(text), "monotonic", CLOCK_MONOTONIC, config->monotonic_ns);
    offset_line(text + n, sizeof(text) - (size_t)n, "boottime", CLOCK_BOOTTIME, config->boottime_ns);
    return write_proc("/proc/self/timens_offsets", text, err);
}

static int separate(const struct bv_capsule_config *config, struct bv_error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (config->container)
        return 0;
    int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;
    if (config->private_network)
        flags |= CLONE_NEWNET;
    if (unshare(flags) < 0)
        return bv_fail(
            err, BV_EHOST, errno,
            "cannot create the job's namespaces (are unprivileged user namespaces enabled? see bivouac doctor)");
    if (map_ids(uid, gid, err) < 0)
        return -1;
    return config->continue_clocks ? shift_clocks(config, err) : 0;
}

static void report(int sock, const struct bv_error *error)
{
    autojson json_t *m = json_pack("{s:s, s:i, s:s}", "is", "failed", "code", (int)error->code, "text", error->text);
    if (m)
        bv_msg_send(sock, m, NULL, 0, bv_deadline_in(5), NULL);
}

/* The process that makes the namespaces. Its child, the init, becomes our child (CLONE_PARENT), so that we learn of its
 * death and it of ours. */
static void build(const struct bv_capsule_config *config, int sock)
{
    struct bv_error err = {0};
    if (separate(config, &err) < 0) {
        report(sock, &err);
        _exit(1);
    }
    long init = syscall(SYS_clone, (unsigned long)CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
    if (init == 0)
        capsule_init_main(config, sock);
    if (init < 0) {
        bv_fail(&err, BV_EHOST, errno, "cannot start the capsule's init");
        report(sock, &err);
        _exit(1);
    }
    autojson json_t *m = json_pack("{s:s, s:i}", "is", "built", "init", (int)init);
    bv_msg_send(sock, m, NULL, 0, bv_deadline_in(5), NULL);
    _exit(0);
}

/* Wait for both reports: of the builder, with the init's pid, and of the init, that everything stands. */
static int await(int sock, pid_t *init, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(CREATE_TIMEOUT);
    int ready = 0;
    while (!ready || *init == 0) {
        automsg struct bv_msg m = {0};
        int got = bv_msg_recv(sock, &m, deadline, err);
        if (got < 0)
            return -1;
        if (got == 0)
            return bv_fail(err, BV_EHOST, 0, "the capsule ended while it was built");
        const char *is = json_string_value(json_object_get(m.body, "is"));
        if (is && strcmp(is, "failed") == 0)
            return bv_fail(err, (enum bv_code)json_integer_value(json_object_get(m.body, "code")), 0, "%s",
                           json_string_value(json_object_get(m.body, "text")));
        if (is && strcmp(is, "built") == 0)
            *init = (pid_t)json_integer_value(json_object_get(m.body, "init"));
        if (is && strcmp(is, "ready") == 0)
            ready = 1;
    }
    return 0;
}

int bv_capsule_create(const struct bv_capsule_config *config, struct bv_capsule *ret, struct bv_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket pair");

    pid_t builder = fork();
    if (builder == 0) {
        close(pair[0]);
        build(config, pair[1]);
    }
    close(pair[1]);
    struct bv_capsule c = {.sock = pair[0], .container = config->container};
    if (builder < 0) {
        close(pair[0]);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    }

    int rc = await(c.sock, &c.init, err);
    if (rc < 0)
        kill(builder, SIGKILL);
    waitpid(builder, NULL, 0);
    if (rc < 0) {
        bv_capsule_destroy(&c);
        return -1;
    }
    *ret = c;
    return 0;
}

/* The init of a container removes it when it sees us gone. No namespace would, so who has no init does it himself. */
static void end_container(struct bv_capsule *c)
{
    struct bv_deadline end = bv_deadline_in(REMOVE_TIMEOUT);
    int status = -1;
    while (waitpid(c->init, &status, WNOHANG) == 0 && !bv_deadline_passed(end)) {
        c->container->waiting(c->container->arg);
        poll(NULL, 0, 5);
    }
    if (status == -1) {
        kill(c->init, SIGKILL);
        waitpid(c->init, &status, 0);
    }
    if (status != 0)
        c->container->remove(c->container->arg);
    c->init = 0;
}

void bv_capsule_destroy(struct bv_capsule *c)
{
    if (c->init <= 0) {
        close_fd(&c->sock);
        return;
    }
    if (c->container) {
        close_fd(&c->sock);
        end_container(c);
        return;
    }
    /* All at once, by the kernel, which lets the init go only when everything in its pid namespace is gone. */
    kill(c->init, SIGKILL);
    while (waitpid(c->init, NULL, 0) < 0 && errno == EINTR)
        ;
    close_fd(&c->sock);
    c->init = 0;
}
