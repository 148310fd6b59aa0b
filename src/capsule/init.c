/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/private.h"
#include "capsule/kept.h"
#include "capsule/sentinel.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "proc/pidfile.h"
#include "proc/tree.h"

#define KILL_TIMEOUT 10 /* s; who writes to a disk may take a while to die */

struct init {
    const struct bv_capsule_config *config;
    int sock;
    pid_t root;      /* of the job, 0 before it starts */
    pid_t waited;    /* whose end is that of the root: itself, or what has it as a child */
    pid_t operation; /* 0 = none */
    struct capsule_sentinel sentinel;
    struct capsule_kept kept;
};

static void end(struct init *in) __attribute__((noreturn));

/* The supervisor always reads; if it does not, it is dead or lost, and the capsule has no reason to live. */
static void tell(struct init *in, json_t *message, int fd)
{
    int sent = message ? bv_msg_send(in->sock, message, &fd, fd >= 0, bv_deadline_in(30), NULL) : -1;
    json_decref(message);
    if (sent < 0)
        end(in);
}

static void tell_failure(struct init *in, const char *is, const struct bv_error *e)
{
    tell(in, json_pack("{s:s, s:i, s:s}", "is", is, "code", (int)e->code, "text", e->text), -1);
}

static void find_waited(struct init *in)
{
    const struct bv_capsule_container *c = in->config->container;
    pid_t other = c ? bv_pid_file_read(c->dir, c->wait_name) : 0;
    in->waited = other > 0 ? other : in->root;
    if (in->root <= 0) /* it has ended already */
        in->root = in->waited;
}

static void do_start(struct init *in)
{
    struct bv_error err = {0};
    autoclose int master = -1;
    int rc = capsule_start_job(in->config, in->sock, &in->root, &master, &err);
    if (rc > 0)
        end(in);
    if (rc < 0) {
        tell_failure(in, "start-failed", &err);
        return;
    }
    find_waited(in);
    bv_stdio_close_job_ends(in->config->stdio);
    if (master >= 0)
        tell(in, json_pack("{s:s}", "is", "terminal"), master);
    tell(in, json_pack("{s:s}", "is", "started"), -1);
}

static void do_operate(struct init *in, struct bv_msg *m)
{
    pid_t pid = in->operation ? -1 : fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setsid(); /* so that it can be killed with all its helpers */
        if (in->config->container)
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* there is no namespace to die with */
        close(in->sock);
        _exit(in->config->operation(in->config->arg, m));
    }
    if (pid < 0) {
        tell(in, json_pack("{s:s, s:i}", "is", "operation-ended", "status", 0xff00), -1);
        return;
    }
    in->operation = pid;
    /* The restored root becomes our child when the operation ends, and may have ended itself by then. */
    pid_t root = (pid_t)json_integer_value(json_object_get(m->body, "root"));
    if (root > 0)
        in->root = in->waited = root;
    if (in->root <= 0 || root > 0) /* it restores the job */
        bv_stdio_close_job_ends(in->config->stdio);
}

/* With its helpers; but it may not have come to lead a session yet. */
static void do_abort(struct init *in)
{
    if (kill(-in->operation, SIGKILL) < 0)
        kill(in->operation, SIGKILL);
}

static void do_signal(struct init *in, const json_t *body)
{
    int number = (int)json_integer_value(json_object_get(body, "number"));
    int all = json_is_true(json_object_get(body, "all"));
    if (all && in->config->container)
        capsule_signal_tree(in->root, number);
    else if (all)
        kill(-1, number);
    else if (in->root > 0)
        kill(in->root, number);
}

/* Of a container that is only half there its runtime knows nothing. Its processes are below us. */
static void kill_below(void)
{
    struct bv_deadline end = bv_deadline_in(KILL_TIMEOUT);
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (!bv_deadline_passed(end)) {
        autopids struct bv_pids pids = {0};
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (procfd < 0 || bv_tree_scan(procfd, getpid(), &pids, NULL) < 0 || pids.count <= 1)
            return;
        for (size_t i = 1; i < pids.count; i++)
            kill(pids.pid[i], SIGKILL);
        poll(NULL, 0, 2);
    }
}

/* The supervisor is gone. */
static void end(struct init *in)
{
    const struct bv_capsule_container *c = in->config->container;
    /* Everything in our pid namespace ends with us, at once. Of a tree that an engine holds nothing must run on, as it
     * would if the engine alone went. */
    if (!c)
        _exit(1);
    if (in->operation)
        do_abort(in);
    if (in->sentinel.pid > 0)
        kill(in->sentinel.pid, SIGKILL);
    if (in->root <= 0)
        kill_below();
    /* Who is still there tries again. */
    _exit(c->remove(c->arg) < 0);
}

static void serve(struct init *in)
{
    automsg struct bv_msg m = {0};
    if (bv_msg_recv(in->sock, &m, bv_deadline_in(5), NULL) <= 0)
        end(in);

    const char *what = json_string_value(json_object_get(m.body, "do"));
    if (!what)
        return;
    if (strcmp(what, "start") == 0)
        do_start(in);
    else if (strcmp(what, "operate") == 0)
        do_operate(in, &m);
    else if (strcmp(what, "signal") == 0)
        do_signal(in, m.body);
    else if (strcmp(what, "abort") == 0 && in->operation)
        do_abort(in);
}

/* Of a container only its runtime knows the pid, and we when the one that restores it has ended. */
static void find_restored(struct init *in)
{
    const struct bv_capsule_container *c = in->config->container;
    if (!c || in->root > 0)
        return;
    in->root = bv_pid_file_read(c->dir, c->pid_name);
    find_waited(in);
}

/* Until the root is known only the operation is reaped: a restored root may have ended before we are told that it is
 * the root, and its end must still be there to be found. */
static pid_t reap_one(const struct init *in, int *status)
{
    if (in->root > 0)
        return waitpid(-1, status, WNOHANG);
    return in->operation > 0 ? waitpid(in->operation, status, WNOHANG) : 0;
}

static void reap(struct init *in)
{
    int status;
    capsule_sentinel_look(&in->sentinel);
    for (pid_t pid = reap_one(in, &status); pid > 0; pid = reap_one(in, &status)) {
        if (pid == in->waited)
            tell(in, json_pack("{s:s, s:i}", "is", "ended", "status", status), -1);
        if (pid == in->operation) {
            kill(-pid, SIGKILL); /* helpers that outlived it */
            in->operation = 0;
            find_restored(in);
            tell(in, json_pack("{s:s, s:i}", "is", "operation-ended", "status", status), -1);
        }
    }
}

/* Not into a dump or restore: a tree that is stopped in the middle of it would be so in the images too. */
static void follow_sentinel(struct init *in)
{
    if (!in->operation && capsule_sentinel_apply(&in->sentinel, in->root))
        tell(in, json_pack("{s:s}", "is", "stopped"), -1);
}

static int prepare(struct init *in, struct bv_error *err)
{
    const struct bv_capsule_config *config = in->config;
    if (config->container) {
        in->kept.watch = -1;
        in->sentinel.is_container = 1;
        return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? bv_fail(err, BV_EINTERNAL, errno, "prctl") : 0;
    }
    if (capsule_mount_all(config, err) < 0 || capsule_kept_prepare(config, &in->kept, err) < 0)
        return -1;
    return config->private_network ? capsule_loopback_up(err) : 0;
}

void capsule_init_main(const struct bv_capsule_config *config, int sock)
{
    struct init in = {.config = config, .sock = sock};
    struct bv_error err = {0};
    sigset_t all, children;

    /* The init dies with the supervisor, and everything in its pid namespace with it. A container has another one: its
     * init removes it when the socket says that the supervisor is gone. */
    if (!config->container)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "bivouac-init");
    /* The supervisor's ends of pipes are its own: held here too, neither side would ever see the other close. */
    for (int i = 0; i < 3; i++)
        close_fd(&config->stdio->end[i].our_fd);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    capsule_sentinel_start(&in.sentinel);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);

    if (signals < 0 || prepare(&in, &err) < 0) {
        if (!err.code)
            bv_fail(&err, BV_EINTERNAL, errno, "signalfd");
        tell_failure(&in, "failed", &err);
        _exit(1);
    }
    tell(&in, json_pack("{s:s}", "is", "ready"), -1);

    for (;;) {
        struct pollfd p[3] = {
            {.fd = sock, .events = POLLIN}, {.fd = signals, .events = POLLIN}, {.fd = in.kept.watch, .events = POLLIN}};
        if (poll(p, 3, capsule_kept_timeout(&in.kept, in.operation > 0)) < 0 && errno != EINTR)
            _exit(1);
        struct signalfd_siginfo si;
        while (read(signals, &si, sizeof(si)) > 0)
            ;
        reap(&in);
        if (p[0].revents)
            serve(&in);
        reap(&in); /* the root may just have become known */
        follow_sentinel(&in);
        capsule_kept_sweep(&in.kept, in.operation > 0);
    }
}
