/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "capsule/capsule.h"
#include "proc/container.h"
#include "proc/host.h"

/* openat2(2) and time namespaces came with 5.6, close_range(2) and CAP_CHECKPOINT_RESTORE with 5.9. */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 9

#define CAPSULE_TIMEOUT 90 /* s; building one gives up by itself after 60 */

static int check_kernel(struct doctor *d)
{
    struct bv_host host;
    struct bv_error err = {0};
    int major = 0, minor = 0;
    if (bv_host_read(&host, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, err.code, "kernel", NULL, "%s", err.text);
    if (sscanf(host.kernel, "%d.%d", &major, &minor) != 2 || major < KERNEL_MAJOR ||
        (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
        return doctor_say(d, DOCTOR_FAIL, BV_EHOST, "kernel", "run a newer kernel",
                          "Linux %s; %d.%d or newer is needed", host.kernel, KERNEL_MAJOR, KERNEL_MINOR);
    return doctor_say(d, DOCTOR_OK, BV_OK, "kernel", NULL, "Linux %s, %s", host.kernel, host.machine);
}

/* In the capsule: may its pids be chosen? A restore must give every process the pid that it had. */
static int choose_pids(void *arg, struct bv_msg *request)
{
    (void)arg;
    (void)request;
    autoclose int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    return fd < 0 || bv_write_full(fd, "2000", 4) < 0 ? 1 : 0;
}

static int try_in_capsule(struct bv_capsule *c, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(20);
    autojson json_t *request = json_object();
    if (bv_capsule_operate(c, request, 0, NULL, 0, err) < 0)
        return -1;
    for (;;) {
        struct pollfd p = {.fd = c->sock, .events = POLLIN};
        struct bv_capsule_event e;
        if (poll(&p, 1, bv_deadline_ms(deadline)) <= 0)
            return bv_fail(err, BV_EHOST, 0, "the capsule does not answer");
        if (bv_capsule_event(c, &e, err) < 0)
            return -1;
        if (e.kind == BV_CAPSULE_GONE)
            return bv_fail(err, BV_EHOST, 0, "the capsule ended");
        if (e.kind == BV_CAPSULE_OPERATION_ENDED)
            return e.status == 0 ? 0 : bv_fail(err, BV_EHOST, 0, "pids cannot be chosen (ns_last_pid is not writable)");
    }
}

/* In a child, which takes the capsule with it when it dies. */
static void build_one(const struct bv_capsule_config *config, int report)
{
    struct bv_error err = {0};
    struct bv_capsule c = {.sock = -1};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bv_capsule_create(config, &c, &err) == 0) {
        if (try_in_capsule(&c, &err) == 0)
            err.code = BV_OK;
        bv_capsule_destroy(&c);
    }
    _exit(bv_write_full(report, &err, sizeof(err)) < 0);
}

static int build(int private_network, int continue_clocks, struct bv_error *err)
{
    struct bv_stdio stdio = {0};
    for (int i = 0; i < 3; i++)
        stdio.end[i] = (struct bv_stdio_end){.kind = BV_STDIO_NULL, .same_as = -1, .job_fd = -1, .our_fd = -1};
    struct bv_capsule_config config = {
        .private_network = private_network,
        .continue_clocks = continue_clocks,
        .monotonic_ns = bv_clock_ns(CLOCK_MONOTONIC),
        .boottime_ns = bv_clock_ns(CLOCK_BOOTTIME),
        .stdio = &stdio,
        .operation = choose_pids,
    };
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    pid_t child = fork();
    if (child == 0)
        build_one(&config, ends[1]);
    close(ends[1]);
    autoclose int report = ends[0];
    if (child < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");

    struct bv_error said = {0};
    struct bv_deadline deadline = bv_deadline_in(CAPSULE_TIMEOUT);
    struct pollfd p = {.fd = report, .events = POLLIN};
    int got = poll(&p, 1, bv_deadline_ms(deadline));
    ssize_t n = got > 0 ? bv_read_full(report, &said, sizeof(said)) : 0;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (n != (ssize_t)sizeof(said))
        return bv_fail(err, BV_EHOST, 0, got > 0 ? "building a capsule failed" : "building a capsule does not end");
    return said.code == BV_OK ? 0 : bv_fail(err, said.code, 0, "%s", said.text);
}

static int check_capsule(struct doctor *d)
{
    struct bv_error err = {0};
    if (build(0, 0, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, BV_EHOST, "namespaces", bv_capsule_remedy(&err), "%s", err.text);
    doctor_say(d, DOCTOR_OK, BV_OK, "namespaces", NULL,
               "a capsule can be built: user, mount, pid, ipc; pids can be chosen");

    if (build(0, 1, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, BV_EHOST, "clocks", "run a kernel with CONFIG_TIME_NS", "%s", err.text);
    doctor_say(d, DOCTOR_OK, BV_OK, "clocks", NULL, "a time namespace can be made");

    if (build(1, 1, &err) < 0)
        return doctor_say(d, DOCTOR_WARN, BV_OK, "network", "only --network private needs it", "%s", err.text);
    return doctor_say(d, DOCTOR_OK, BV_OK, "network", NULL, "a private network can be made");
}

static int check_tracing(struct doctor *d)
{
    if (bv_sysctl("/proc/sys/kernel/yama/ptrace_scope") == 3)
        return doctor_say(d, DOCTOR_FAIL, BV_EHOST, "tracing", "boot with kernel.yama.ptrace_scope=2 or less",
                          "kernel.yama.ptrace_scope is 3: no process can be looked into");
    if (bv_is_filtered())
        return doctor_say(d, DOCTOR_WARN, BV_OK, "tracing", BV_REMEDY_FILTER,
                          "a filter of system calls is in force here: a job that inherits it cannot be dumped");
    return doctor_say(d, DOCTOR_OK, BV_OK, "tracing", NULL, "processes can be traced, no system call filter");
}

int doctor_host(struct doctor *d)
{
    int kernel = check_kernel(d), capsule = check_capsule(d), tracing = check_tracing(d);
    return kernel | capsule | tracing;
}
