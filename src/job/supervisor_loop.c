/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor waits for, and what it does then. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "job/supervisor_private.h"

#define POLL_MAX (SLOT_CLIENTS + CLIENTS_MAX)

/* The lease is kept alive by whoever can still write to the store. Who cannot must assume, when it has run out, that
 * another has taken over. */
void supervisor_renew(struct supervisor *s)
{
    struct bv_error err = {0};
    int64_t now = bv_clock_ns(CLOCK_MONOTONIC), lease_ns = (int64_t)(s->attempt.lease * BV_NSEC_PER_SEC);
    if (now < s->renew_at_ns)
        return;
    s->renew_at_ns = now + lease_ns / 3;
    if (bv_attempt_renew(&s->attempt, &err) == 0) {
        s->lease_until_ns = now + lease_ns;
        return;
    }
    if (err.code == BV_EFENCED) {
        supervisor_fail(s, &err);
        return;
    }
    bv_warn("cannot renew the lease of job %s: %s", s->job.id, err.text);
    if (now >= s->lease_until_ns) {
        bv_fail(&err, BV_EFENCED, 0,
                "the lease of job %s ran out while the store could not be written: the job is "
                "stopped, since another attempt may run",
                s->job.id);
        supervisor_fail(s, &err);
    }
}

static int next_timer_ms(const struct supervisor *s)
{
    int64_t at = s->renew_at_ns;
    if (s->checkpoint.state != CHECKPOINT_NONE && s->checkpoint.deadline.at_ns && s->checkpoint.deadline.at_ns < at)
        at = s->checkpoint.deadline.at_ns;
    if (s->abort_deadline.at_ns && s->abort_deadline.at_ns < at)
        at = s->abort_deadline.at_ns;
    if (!s->operating && s->thaw_deadline.at_ns && s->thaw_deadline.at_ns < at)
        at = s->thaw_deadline.at_ns;
    int64_t policy = policy_wake_ns(s);
    if (policy < at)
        at = policy;
    return bv_deadline_ms((struct bv_deadline){at});
}

static void run_timers(struct supervisor *s)
{
    supervisor_renew(s);
    if (!s->ended && s->checkpoint.state != CHECKPOINT_NONE && bv_deadline_passed(s->checkpoint.deadline))
        checkpoint_on_deadline(s);
    if (s->abort_deadline.at_ns && bv_deadline_passed(s->abort_deadline)) {
        s->abort_deadline = (struct bv_deadline){0};
        s->engine_died = 1;
        bv_capsule_abort(&s->capsule, NULL);
    }
    /* An operation does so itself, and has it stand still again. */
    if (!s->ended && !s->operating && s->thaw_deadline.at_ns && bv_deadline_passed(s->thaw_deadline))
        container_thaw(s);
    if (!s->ended)
        policy_run(s);
}

/* The whole job stops, and we do not: the lease is renewed, and whoever asks is answered. While an operation works in
 * the capsule it would be stopped too, with the tree in its hands: then we wait for it. */
static void suspend(struct supervisor *s)
{
    s->stop_wanted = s->operating;
    if (s->operating)
        return;
    bv_capsule_signal(&s->capsule, SIGSTOP, 1, NULL);
    s->left_stopped = 1;
    policy_suspended(s);
}

/* To the job as if we were not there. */
static void pass_signal(struct supervisor *s, int number)
{
    if (policy_signal(s, number))
        return;
    switch (number) {
    case SIGCHLD:
    case SIGPIPE:
    case SIGTTIN:
    case SIGTTOU:
        return;
    case SIGWINCH:
        bv_terminal_resize(s->master);
        return;
    case SIGCONT:
        bv_capsule_signal(&s->capsule, SIGCONT, s->left_stopped, NULL);
        s->left_stopped = s->stop_wanted = 0;
        policy_suspended(s);
        return;
    case SIGTSTP:
        suspend(s);
        return;
    default:
        bv_capsule_signal(&s->capsule, number, 0, NULL);
    }
}

static void read_signals(struct supervisor *s)
{
    struct signalfd_siginfo si;
    while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
        pass_signal(s, (int)si.ssi_signo);
}

/* A dump that was killed half-way may leave a process that dies of it. That is no end of the job: its last checkpoint
 * is what counts. */
static int died_of_engine(const struct supervisor *s, int status)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : container_signal(s, WEXITSTATUS(status));
    return s->engine_died && (sig == SIGSEGV || sig == SIGBUS || sig == SIGTRAP || sig == SIGILL || sig == SIGSYS ||
                              sig == SIGSTOP || sig == SIGKILL);
}

static void on_root_ended(struct supervisor *s, int status)
{
    if (died_of_engine(s, status)) {
        struct bv_error e = {0};
        bv_fail(&e, BV_EENGINE, 0,
                "the job died of a checkpoint that was interrupted; run it again to continue from "
                "the one before");
        supervisor_fail(s, &e);
        return;
    }
    if (s->checkpoint.state != CHECKPOINT_NONE) {
        struct bv_error e = {0};
        bv_fail(&e, BV_EENDED, 0, "the job ended before the checkpoint was complete");
        checkpoint_fail(s, &e);
    }
    if (WIFSIGNALED(status))
        supervisor_end(s, BV_ENDED_SIGNAL, WTERMSIG(status));
    else
        supervisor_end(s, BV_ENDED_EXIT, WEXITSTATUS(status));
}

static void on_capsule(struct supervisor *s)
{
    struct bv_capsule_event e;
    struct bv_error err = {0};
    if (bv_capsule_event(&s->capsule, &e, &err) < 0) {
        supervisor_fail(s, &err);
        return;
    }
    switch (e.kind) {
    case BV_CAPSULE_STARTED:
        s->root = BV_FIRST_JOB_PID;
        policy_started(s);
        return;
    case BV_CAPSULE_START_FAILED:
        supervisor_fail(s, &e.error);
        return;
    case BV_CAPSULE_ROOT_ENDED:
        on_root_ended(s, e.status);
        return;
    case BV_CAPSULE_OPERATION_ENDED:
        s->operating = 0;
        s->abort_deadline = (struct bv_deadline){0};
        link_go_on(s);
        container_thaw(s);
        checkpoint_on_operation_ended(s);
        /* One that was given up may have written on while its directory was removed. */
        if (s->checkpoint.state == CHECKPOINT_NONE)
            bv_staging_remove(&s->job, s->attempt.number, NULL);
        if (s->run_wanted)
            bv_capsule_signal(&s->capsule, SIGCONT, 1, NULL);
        s->run_wanted = 0;
        if (s->stop_wanted)
            suspend(s);
        return;
    case BV_CAPSULE_TERMINAL:
        supervisor_terminal(s, e.fd);
        return;
    case BV_CAPSULE_STOPPED: /* who waits for a stopped job, as a shell does, waits for us */
        kill(getpid(), SIGSTOP);
        return;
    case BV_CAPSULE_GONE:
        bv_fail(&err, BV_EENGINE, 0,
                "the job's capsule was killed; run the job again to continue from its last checkpoint");
        supervisor_fail(s, &err);
        return;
    }
}

enum {
    SLOT_SIGNALS,
    SLOT_CAPSULE,
    SLOT_LISTENER,
    SLOT_OPERATION,
    SLOT_WRITER,
    SLOT_ADVICE,
    SLOT_OUTSIDE,
    SLOT_RELAYS,
    SLOT_CLIENTS = SLOT_RELAYS + 3
};

static void fill_slots(struct supervisor *s, struct pollfd p[POLL_MAX])
{
    p[SLOT_SIGNALS] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    p[SLOT_CAPSULE] = (struct pollfd){.fd = s->capsule.sock, .events = POLLIN};
    p[SLOT_LISTENER] = (struct pollfd){.fd = s->listener, .events = POLLIN};
    p[SLOT_OPERATION] = (struct pollfd){.fd = checkpoint_operation_sock(s), .events = POLLIN};
    p[SLOT_WRITER] = (struct pollfd){.fd = checkpoint_writer_sock(s), .events = POLLIN};
    p[SLOT_ADVICE] = (struct pollfd){.fd = policy_advice_fd(s), .events = POLLIN};
    p[SLOT_OUTSIDE] = (struct pollfd){.fd = s->outside.pidfd, .events = POLLIN};
    for (int i = 0; i < 3; i++)
        p[SLOT_RELAYS + i] = s->relay[i] ? bv_relay_poll(s->relay[i]) : (struct pollfd){.fd = -1};
    for (int i = 0; i < CLIENTS_MAX; i++)
        p[SLOT_CLIENTS + i] = (struct pollfd){.fd = s->client[i].fd, .events = POLLIN};
}

static void dispatch(struct supervisor *s, const struct pollfd p[POLL_MAX])
{
    for (int i = 0; i < 3; i++)
        if (p[SLOT_RELAYS + i].fd >= 0)
            bv_relay_step(s->relay[i], p[SLOT_RELAYS + i].revents);
    if (p[SLOT_SIGNALS].revents)
        read_signals(s);
    /* The cause before its consequence: a writer that fails breaks the engine's pipes; and what the operation says
     * comes before that it ended. */
    if (p[SLOT_WRITER].revents)
        checkpoint_on_writer(s);
    if (p[SLOT_OPERATION].revents && checkpoint_operation_sock(s) == p[SLOT_OPERATION].fd)
        checkpoint_on_operation(s);
    if (!s->ended && p[SLOT_CAPSULE].revents)
        on_capsule(s);
    if (!s->ended && p[SLOT_ADVICE].revents)
        policy_on_advice(s);
    if (!s->ended && p[SLOT_OUTSIDE].revents)
        network_on_ended(s);
    if (!s->ended && p[SLOT_LISTENER].revents)
        control_accept(s);
    for (int i = 0; i < CLIENTS_MAX && !s->ended; i++)
        if (p[SLOT_CLIENTS + i].revents && s->client[i].fd >= 0)
            control_serve(s, &s->client[i]);
}

void supervisor_loop(struct supervisor *s)
{
    while (!s->ended) {
        struct pollfd p[POLL_MAX];
        fill_slots(s, p);
        int n = poll(p, POLL_MAX, next_timer_ms(s));
        if (n > 0)
            dispatch(s, p);
        if (!s->ended)
            run_timers(s);
    }
}

static int is_for_an_end(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

int supervisor_linger(struct supervisor *s, struct pollfd *ret)
{
    for (;;) {
        struct signalfd_siginfo si;
        struct pollfd p[2] = {*ret, {.fd = s->signals, .events = POLLIN}};
        int n = poll(p, 2, s->hurried ? 0 : bv_deadline_ms((struct bv_deadline){s->renew_at_ns}));
        if ((n < 0 && errno != EINTR) || (n == 0 && s->hurried))
            return -1;
        supervisor_renew(s);
        while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
            s->hurried |= is_for_an_end((int)si.ssi_signo);
        if (n > 0 && p[0].revents) {
            *ret = p[0];
            return 0;
        }
    }
}

/* Before the job runs there is nobody to hand a signal to: one that asks for an end gets it. */
static int interrupted(struct supervisor *s)
{
    struct signalfd_siginfo si;
    while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        int number = (int)si.ssi_signo;
        enum policy_early meaning = policy_signal_early(s, number);
        if (meaning == POLICY_EARLY_STOP)
            return number;
        if (meaning == POLICY_EARLY_PASS && is_for_an_end(number)) {
            s->policy.interrupted = 1;
            return number;
        }
    }
    return 0;
}

int supervisor_await(struct supervisor *s, int sock, struct bv_deadline deadline, struct bv_msg *ret,
                     struct bv_error *err)
{
    for (;;) {
        struct pollfd p[] = {
            {.fd = sock, .events = POLLIN},
            {.fd = s->capsule.sock, .events = POLLIN},
            {.fd = s->signals, .events = POLLIN},
        };
        int ms = bv_deadline_ms(deadline), tick = bv_deadline_ms((struct bv_deadline){s->renew_at_ns});
        int n = poll(p, 3, ms < tick ? ms : tick);
        supervisor_renew(s);
        if (s->failure.code) {
            if (err)
                *err = s->failure;
            return -1;
        }
        if (n == 0 && bv_deadline_passed(deadline))
            return bv_fail(err, BV_ETIMEOUT, 0, "the restore did not finish before its deadline");
        int sig = n > 0 && p[2].revents ? interrupted(s) : 0;
        if (sig)
            return bv_fail(err, BV_ERESTORE, 0, "signal %d came before the job was restored", sig);
        if (n > 0 && p[0].revents)
            return bv_msg_recv(sock, ret, deadline, err);
        if (n > 0 && p[1].revents) {
            struct bv_capsule_event e;
            if (bv_capsule_event(&s->capsule, &e, err) < 0)
                return -1;
            close_fd(&e.fd);
            if (e.kind == BV_CAPSULE_GONE)
                return bv_fail(err, BV_ERESTORE, 0, "the job's capsule was killed while the job was restored");
            if (e.kind == BV_CAPSULE_OPERATION_ENDED)
                s->operating = 0; /* its last message is still to be read */
        }
    }
}
