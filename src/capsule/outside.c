/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/outside.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define PATIENCE     30 /* s; it takes milliseconds */
#define SETTLES      1  /* s that it has for what may not come, behind its first route */
#define ALIVE_NUMBER 3  /* descriptor of the program that is closed when we die */
#define ARGUMENTS    20
#define SAID_MAX     4096

/* Each finds the user namespace by the process. What the job listens on is not for other hosts, and what the host has
 * on its loopback is not for the job. slirp4netns sees by a descriptor that we are gone, pasta that the network is. The
 * sandbox that slirp4netns offers needs a uid 0, which a capsule has not. */
static const struct program {
    const char *name;
    int families;                /* 2: IPv6, too */
    const char *for_root;        /* an option for root alone; NULL = none */
    const char *argv[ARGUMENTS]; /* the process in the place of "PID" */
} programs[] = {
    {"pasta",
     2,
     "--runas=0", /* else it becomes nobody, who may not look at the capsule */
     {"pasta", "--config-net", "--foreground", "--quiet", "--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U",
      "none", "PID", NULL}},
    {"slirp4netns",
     1,
     NULL,
     {"slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-seccomp", "--exit-fd=3", "PID",
      "tap0", NULL}},
};
#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))

/* Along PATH, where only absolute directories count. Allocated, NULL if it is not there. */
static char *find(const char *name)
{
    const char *search = getenv("PATH");
    autofree char *dirs = bv_strdup(search ? search : "/usr/bin:/bin");
    char *save = NULL;
    for (char *dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        autofree char *path = bv_asprintf("%s/%s", dir, name);
        if (path[0] == '/' && access(path, X_OK) == 0)
            return steal_ptr(&path);
    }
    return NULL;
}

static const struct program *choose(const char *wanted, char **ret_path, struct bv_error *err)
{
    int any = strcmp(wanted, "auto") == 0;
    for (size_t i = 0; i < PROGRAMS; i++) {
        char *path = any || strcmp(wanted, programs[i].name) == 0 ? find(programs[i].name) : NULL;
        if (path) {
            *ret_path = path;
            return &programs[i];
        }
    }
    bv_fail(err, BV_EHOST, 0,
            any ? "the job is to reach other hosts from a network of its own (outside=%s), and neither pasta nor "
                  "slirp4netns is installed: install the package passt, or one of them in PATH"
                : "the job is to reach other hosts by %s, which is not installed: install it, or say outside=auto",
            wanted);
    return NULL;
}

int bv_outside_check(const char *wanted, struct bv_error *err)
{
    autofree char *path = NULL;
    return choose(wanted, &path, err) ? 0 : -1;
}

/* Its descriptors: nothing to read, one to say what is wrong, and one that tells whether we live. */
static void become(const struct program *p, const char *path, pid_t init, int said, int alive)
{
    char pid[16];
    const char *argv[ARGUMENTS + 1];
    sigset_t none;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    snprintf(pid, sizeof(pid), "%d", (int)init);
    size_t count = 0;
    for (size_t i = 0; i == 0 || p->argv[i - 1]; i++) {
        argv[count++] = p->argv[i] && strcmp(p->argv[i], "PID") == 0 ? pid : p->argv[i];
        if (i == 0 && p->for_root && geteuid() == 0)
            argv[count++] = p->for_root;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid(); /* what is meant for the job is not meant for it */
    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Above all numbers that are given out now. */
    int high = fcntl(alive, F_DUPFD_CLOEXEC, 10);
    if (null < 0 || high < 0 || dup2(said, 2) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
        dup2(high, ALIVE_NUMBER) < 0 || chdir("/") < 0)
        _exit(127);
    execv(path, (char *const *)argv);
    _exit(127);
}

enum routes { ROUTES_NONE, ROUTES_SOME, ROUTES_DEFAULT };

/* What the table has through other interfaces than lo. Routes that the kernel adds by itself for a link of IPv6
 * (fe80::/10, ff00::/8) do not count. */
static enum routes routes_of(pid_t pid, int v6)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/%d/net/%s", (int)pid, v6 ? "ipv6_route" : "route");
    autofree char *text = bv_read_proc(AT_FDCWD, name, 1 << 20);
    char *save = NULL;
    enum routes found = ROUTES_NONE;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        const char *to = v6 ? line : line + strcspn(line, "\t");
        to += *to == '\t';
        if (v6 ? strncmp(line, "fe80", 4) == 0 || strncmp(line, "ff", 2) == 0 || strstr(line, " lo")
               : strncmp(line, "Iface", 5) == 0 || strncmp(line, "lo\t", 3) == 0)
            continue;
        int is_default = strncmp(to, v6 ? "00000000000000000000000000000000 00" : "00000000\t", v6 ? 35 : 9) == 0;
        if (found != ROUTES_DEFAULT)
            found = is_default ? ROUTES_DEFAULT : ROUTES_SOME;
    }
    return found;
}

/* Routes come one after another. Its work is done when there is a default route of each family of which the host has
 * one; but it may not be able to do all that. 1 = something is there, 2 = all. */
static int progress(const struct program *p, pid_t init)
{
    int some = 0, all = 0, missing = 0;
    for (int v6 = 0; v6 < p->families; v6++) {
        enum routes theirs = routes_of(init, v6);
        some |= theirs != ROUTES_NONE;
        all |= theirs == ROUTES_DEFAULT;
        missing |= theirs != ROUTES_DEFAULT && routes_of(getpid(), v6) == ROUTES_DEFAULT;
    }
    return all && !missing ? 2 : some;
}

/* What it has said last. */
static int fail_saying(const struct bv_carrier *o, int said, const char *what, struct bv_error *err)
{
    char text[SAID_MAX + 1];
    off_t size = lseek(said, 0, SEEK_END);
    ssize_t n = pread(said, text, SAID_MAX, size > SAID_MAX ? size - SAID_MAX : 0);
    text[n > 0 ? n : 0] = '\0';
    for (char *c = text + strlen(text); c > text && c[-1] == '\n'; c--)
        c[-1] = '\0';
    const char *last = strrchr(text, '\n');
    return bv_fail(err, BV_EHOST, 0, "%s %s: %s", o->name, what, *text ? (last ? last + 1 : text) : "it says nothing");
}

static int await(const struct program *p, struct bv_carrier *o, pid_t init, int said, struct bv_error *err)
{
    struct bv_deadline deadline = bv_deadline_in(PATIENCE), settled = {0};
    for (int done = 0; (done = progress(p, init)) < 2;) {
        struct pollfd end = {.fd = o->pidfd, .events = POLLIN};
        if (done && !settled.at_ns)
            settled = bv_deadline_in(SETTLES);
        if (done && bv_deadline_passed(settled))
            return 0;
        if (poll(&end, 1, 5) > 0)
            return fail_saying(o, said, "gives the job no way to other hosts", err);
        if (bv_deadline_passed(deadline))
            return fail_saying(o, said, "has not connected the job to other hosts in time", err);
    }
    return 0;
}

int bv_outside_start(const char *wanted, pid_t init, struct bv_carrier *ret, struct bv_error *err)
{
    int ends[2];
    autofree char *path = NULL;
    const struct program *p = choose(wanted, &path, err);
    autoclose int said = memfd_create("said", MFD_CLOEXEC);
    if (!p)
        return -1;
    if (said < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot prepare to start %s", p->name);
    autoclose int theirs = ends[0];
    struct bv_carrier o = {.name = p->name, .pidfd = -1, .alive = ends[1]};
    o.pid = fork();
    if (o.pid == 0)
        become(p, path, init, said, theirs);
    if (o.pid > 0)
        o.pidfd = (int)syscall(SYS_pidfd_open, o.pid, 0);
    int rc =
        o.pidfd < 0 ? bv_fail(err, BV_EINTERNAL, errno, "cannot start %s", p->name) : await(p, &o, init, said, err);
    if (rc < 0)
        bv_outside_end(&o);
    else
        *ret = o;
    return rc;
}

int bv_outside_ended(struct bv_carrier *o)
{
    int status = 0;
    while (o->pid > 0 && waitpid(o->pid, &status, 0) < 0 && errno == EINTR)
        ;
    o->pid = 0;
    close_fd(&o->pidfd);
    close_fd(&o->alive);
    return status;
}

void bv_outside_end(struct bv_carrier *o)
{
    if (o->pid > 0)
        kill(o->pid, SIGKILL);
    bv_outside_ended(o);
}
