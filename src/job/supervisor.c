/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reach.h"
#include "job/capture.h"
#include "job/needs.h"
#include "job/runtime.h"
#include "job/supervisor_private.h"
#include "proc/container.h"
#include "proc/tree.h"
#include "store/script.h"

#define LOCATION_TIMEOUT 15 /* s; automounts and sleeping disks need some */

void supervisor_end(struct supervisor *s, enum bv_ending how, int number)
{
    if (s->ended)
        return;
    s->ended = 1;
    s->outcome = (struct bv_outcome){.how = how, .number = number, .was_stopping = s->policy.policy.stopping};
}

void supervisor_fail(struct supervisor *s, const struct bv_error *e)
{
    if (s->ended)
        return;
    s->ended = 1;
    s->failure = *e;
}

struct bv_retainer supervisor_retainer(struct supervisor *s)
{
    return (struct bv_retainer){
        .store = &s->store,
        .job = &s->job,
        .policy = &s->retention,
        .attempt = &s->attempt,
        .in_use = s->base,
        .damaged_first = s->damaged_first,
        .damaged_last = s->damaged_last,
    };
}

/* The child of the capsule's init whose innermost pid is the root's. */
pid_t supervisor_root_pid(const struct supervisor *s)
{
    autopids struct bv_pids pids = {0};
    if (supervisor_has_container(s))
        return container_root(s);
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (procfd < 0 || s->root <= 0 || bv_tree_scan(procfd, s->capsule.init, &pids, NULL) < 0)
        return 0;
    for (size_t i = 0; i < pids.count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%d/status", (int)pids.pid[i]);
        autofree char *status = bv_read_proc(procfd, name, 1 << 16);
        char *line = status ? strstr(status, "\nNSpid:") : NULL;
        if (!line)
            continue;
        line[strcspn(line + 1, "\n") + 1] = '\0';
        char *last = strrchr(line, '\t');
        if (last && atoi(last + 1) == (int)s->root)
            return pids.pid[i];
    }
    return 0;
}

/* Every signal that has no meaning of its own for us goes to the job; we read them all from a descriptor. */
static int take_signals(struct supervisor *s, struct bv_error *err)
{
    static const int kept[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        sigdelset(&all, kept[i]);
    if (sigprocmask(SIG_SETMASK, &all, &s->command.mask) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "sigprocmask");
    s->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals < 0 ? bv_fail(err, BV_EINTERNAL, errno, "signalfd") : 0;
}

static int open_or_create_job(struct supervisor *s, const char *id, struct bv_error *err)
{
    struct bv_error e = {0};
    if (bv_job_open(&s->store, id, &s->job, &e) == 0)
        return 0;
    if (e.code != BV_ENOJOB || !s->options->spec)
        return bv_fail(err, e.code, 0, "%s", e.text);
    autojson json_t *record = bv_spec_record(s->options->spec, id);
    if (bv_job_create(&s->store, id, record, &s->job, err) == 0) {
        note_submitted(s);
        if (s->options->note && !s->options->quiet)
            bv_note("%s", s->options->note);
        return 0;
    }
    return -1;
}

static int same_command(char *const *a, char *const *b)
{
    size_t i = 0;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    return !a[i] && !b[i];
}

/* The job's command is a copy of its script, which is made before the command is ever started. */
static int keep_script(struct supervisor *s, struct bv_error *err)
{
    autofree char *path = bv_script_path(&s->store, s->job.id);
    unsigned at = 0;
    while (s->spec.argv[at] && at < s->options->script_word)
        at++;
    int ours = s->spec.argv[at] && strcmp(s->spec.argv[at], path) == 0;
    return ours ? bv_script_keep(&s->job, s->options->script, err) : 0;
}

static void name_script(struct supervisor *s, const char *id)
{
    char **word = &s->options->spec->argv[s->options->script_word];
    free(*word);
    *word = bv_script_path(&s->store, id);
}

static int open_job(struct supervisor *s, struct bv_error *err)
{
    char id[BV_JOB_ID_MAX + 1];
    autofree char *path = NULL;
    autojson json_t *record = NULL;
    if (s->options->settings->store)
        path = bv_strdup(s->options->settings->store);
    else if (bv_store_default_path(&path, err) < 0)
        return -1;
    if (s->options->job_id)
        snprintf(id, sizeof(id), "%s", s->options->job_id);
    else if (bv_job_id_new(id, err) < 0)
        return -1;
    if (bv_store_open(path, s->options->spec != NULL, &s->store, err) < 0)
        return -1;
    if (s->options->script)
        name_script(s, id);
    if (open_or_create_job(s, id, err) < 0 || bv_job_record(&s->job, &record, err) < 0 ||
        bv_spec_parse(record, &s->spec, err) < 0)
        return -1;
    if (!s->options->job_id)
        bv_note("job %s", id);
    if (s->options->spec && !same_command(s->options->spec->argv, s->spec.argv))
        bv_warn("job %s was created with another command, and that one continues", id);
    return s->options->script ? keep_script(s, err) : 0;
}

/* A job that has ended, and is started again by its scheduler: by a signal it is the scheduler that ended it; an exit
 * is the job's own, and it is told again, so that nothing runs twice. */
static int end_again(struct supervisor *s, int number)
{
    bv_note("job %s has already ended with exit status %d: there is nothing left to do", s->job.id, number);
    supervisor_end(s, BV_ENDED_EXIT, number);
    return 1;
}

/* A job that never comes to its end must not be run for ever. */
static int check_attempts(struct supervisor *s, unsigned last, struct bv_error *err)
{
    unsigned most = s->options->settings->max_attempts;
    if (!most || last + 1 < most)
        return 0;
    return bv_fail(
        err, BV_EATTEMPTS, 0,
        "job %s has had %u attempts, and --max-attempts allows %u: nothing was started, and what checkpoints it "
        "has are kept",
        s->job.id, last + 1, most);
}

/* Does the job still have something to do? 1 if not, and that is no error. */
static int check_ended(struct supervisor *s, struct bv_error *err)
{
    struct bv_attempt_info last;
    int got = bv_attempt_last(&s->job, &last, err);
    if (got <= 0)
        return got;
    const char *status = json_string_value(json_object_get(last.outcome, "status"));
    int over = last.ended && status && (strcmp(status, "exited") == 0 || strcmp(status, "signaled") == 0);
    int number = (int)json_integer_value(json_object_get(last.outcome, "number"));
    int signaled = over && strcmp(status, "signaled") == 0;
    int killed = signaled || (over && container_signal(s, number) > 0);
    bv_attempt_info_free(&last);
    if (!over || s->options->generation || s->options->even_ended || (s->options->again && killed))
        return check_attempts(s, last.number, err);
    if (s->options->again)
        return end_again(s, number);
    return bv_fail(err, BV_EENDED, 0,
                   "job %s has ended (%s %d): delete it to run it anew (bivouac delete %s), or name a generation to go "
                   "back to (bivouac restart %s@N)",
                   s->job.id, signaled ? "signal" : "exit status", number, s->job.id, s->job.id);
}

/* Somebody wants us to end. */
static int told_to_end(struct supervisor *s)
{
    struct signalfd_siginfo si;
    while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
        if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT || si.ssi_signo == SIGHUP)
            return 1;
    return 0;
}

/* Claim the next attempt. A requeued job may have to wait for the lease of a host that has died: a scheduler does not
 * ask twice. Who renews it all that time is alive, whatever the scheduler believes. */
static int claim_patiently(struct supervisor *s, const struct bv_attempt_claim *how, struct bv_error *err)
{
    double lease = s->options->settings->lease > 0 ? s->options->settings->lease : BV_LEASE_DEFAULT;
    struct bv_deadline end = bv_deadline_in(2 * lease);
    struct pollfd signals = {.fd = s->signals, .events = POLLIN};
    for (int told = 0;; told = 1) {
        struct bv_error e = {0};
        if (bv_attempt_claim(&s->job, how, &s->attempt, &e) == 0)
            return 0;
        if (e.code != BV_EBUSY || !s->options->again || bv_deadline_passed(end))
            return bv_fail(err, e.code, 0, "%s", e.text);
        if (!told)
            bv_note("waiting: %s", e.text);
        if (poll(&signals, 1, 500) > 0 && told_to_end(s))
            return bv_fail(err, BV_EBUSY, 0, "told to end while waiting: %s", e.text);
    }
}

static int claim(struct supervisor *s, struct bv_error *err)
{
    struct bv_attempt_info last = {0};
    struct bv_attempt_claim how = {
        .lease = s->options->settings->lease, .vouched = s->options->vouched, .socket_path = s->socket_path};
    if (bv_runtime_socket(s->store.path, s->job.id, (unsigned long long)getpid(), s->socket_path, err) < 0 ||
        bv_attempt_last(&s->job, &last, err) < 0)
        return -1;
    bv_attempt_info_free(&last);
    if (claim_patiently(s, &how, err) < 0)
        return -1;
    /* A supervisor that was killed could not remove it. */
    bv_runtime_forget(last.socket_path);
    bv_fault_point("restart-claimed");
    int64_t now = bv_clock_ns(CLOCK_MONOTONIC), lease_ns = (int64_t)(s->attempt.lease * BV_NSEC_PER_SEC);
    s->claimed_ns = now;
    s->renew_at_ns = now + lease_ns / 3;
    s->lease_until_ns = now + lease_ns;
    return bv_job_sweep(&s->job, s->attempt.number, err);
}

static int check_location(const char *where, const struct restart *r, struct bv_error *err)
{
    struct stat st;
    if (bv_reach(where, LOCATION_TIMEOUT, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    if (errno == ETIMEDOUT)
        return bv_fail(
            err, BV_ENODIR, 0,
            "the file system of the job's directory %s has not answered for %d s: see that it works, and start "
            "the job again",
            where, LOCATION_TIMEOUT);
    if (errno == ENOTCONN || errno == ESTALE || errno == EIO)
        return bv_fail(err, BV_ENODIR, errno,
                       "the file system of the job's directory %s does not work: have it mounted again", where);
    if (r->generation && bv_rollback_missing(r->staging, where, err) < 0)
        return -1;
    return bv_fail(err, BV_ENODIR, 0, "the job's directory %s is gone: create it, or name another with --chdir", where);
}

static int set_location(struct supervisor *s, const struct restart *r, struct bv_error *err)
{
    const json_t *recorded = r->content ? json_object_get(r->content, "relocated") : NULL;
    if (s->options->chdir && strcmp(s->options->chdir, s->spec.cwd) != 0)
        s->relocated = bv_strdup(s->options->chdir);
    else if (!s->options->chdir && recorded && bv_json_unescape(recorded, &s->relocated, err) < 0)
        return -1;

    if (check_location(s->relocated ? s->relocated : s->spec.cwd, r, err) < 0)
        return -1;

    s->binds = bv_alloc((s->spec.bind_count + 1) * sizeof(s->binds[0]));
    for (size_t i = 0; i < s->spec.bind_count; i++)
        s->binds[s->bind_count++] = s->spec.binds[i];
    if (s->relocated)
        s->binds[s->bind_count++] = (struct bv_bind){.host = s->relocated, .job = s->spec.cwd};
    return 0;
}

/* What the user says of glibc's choices himself stays: of a name that is there twice, the last one counts. */
static void set_tunables(struct supervisor *s)
{
    const char *ours = bv_cpu_baseline_tunables(s->spec.cpu_baseline), *own = getenv("GLIBC_TUNABLES");
    if (!*ours)
        return;
    autofree char *all = bv_asprintf("%s%s%s", ours, own && *own ? ":" : "", own && *own ? own : "");
    setenv("GLIBC_TUNABLES", all, 1);
}

static void set_command(struct supervisor *s)
{
    setenv("BIVOUAC_JOB", s->job.id, 1);
    setenv("BIVOUAC_STORE", s->store.path, 1);
    set_tunables(s);
    free(s->command.envp);
    s->command.envp = bv_needs_merge(environ, s->spec.environment);
    s->command.argv = s->spec.argv;
    s->command.cwd = s->spec.cwd;
}

static int add_remedy(struct bv_error *err)
{
    const char *remedy = err->code == BV_EHOST ? bv_capsule_remedy(err) : NULL;
    size_t used = strlen(err->text);
    if (remedy)
        snprintf(err->text + used, sizeof(err->text) - used, "; %s", remedy);
    return -1;
}

static int build_capsule(struct supervisor *s, const struct restart *r, struct bv_error *err)
{
    s->operation = (struct bv_operation){
        .spec = &s->spec,
        .engine = s->engine,
        .stdio = &s->stdio,
        .any_cpu = s->spec.cpu_baseline != BV_CPU_NO_BASELINE || s->options->settings->cpu_ignored,
        .moved_dir = s->options->moved_dir,
    };
    s->config = (struct bv_capsule_config){
        .private_network = s->spec.private_network,
        .private_tmp = s->spec.private_tmp,
        .preload = s->spec.preload ? BV_NEEDS_LIBRARY : NULL,
        .protect = s->options->protect,
        .binds = s->binds,
        .bind_count = s->bind_count,
        .command = &s->command,
        .stdio = &s->stdio,
        .operation = bv_operation_main,
        .arg = &s->operation,
    };
    if (container_prepare(s, err) < 0)
        return -1;
    if (r->generation) {
        s->config.continue_clocks = 1;
        if (bv_json_i64(r->content, "monotonic_ns", &s->config.monotonic_ns, err) < 0 ||
            bv_json_i64(r->content, "boottime_ns", &s->config.boottime_ns, err) < 0)
            return -1;
    }
    if (bv_capsule_create(&s->config, &s->capsule, err) < 0)
        return add_remedy(err);
    bv_stdio_close_job_ends(&s->stdio);
    bv_fault_point("restart-capsule");
    return link_make(s, err);
}

static void say_start(struct supervisor *s, const struct restart *r)
{
    if (bv_is_filtered())
        bv_warn("job %s cannot be checkpointed: a filter of system calls is in force here; " BV_REMEDY_FILTER,
                s->job.id);
    /* What was said before is gone where our standard error is a file of the job's, which has been cut back. */
    if (r->newer.code)
        bv_warn("job %s goes on from checkpoint %u: newer ones do not verify (%s)", s->job.id, r->generation,
                r->newer.text);
    else if (r->generation && !s->options->quiet)
        bv_note("job %s goes on from checkpoint %u", s->job.id, r->generation);
    else if (!r->generation && s->attempt.number > 0)
        bv_note("job %s has no checkpoint: it starts from the beginning", s->job.id);
}

/* A tree that an earlier "checkpoint --stop" had stopped is restored as stopped. Who restarts it wants it to run. */
static void go_on(struct supervisor *s, const struct restart *r)
{
    if (json_is_true(json_object_get(r->content, "stopped")))
        bv_capsule_signal(&s->capsule, SIGCONT, 1, NULL);
}

static int start(struct supervisor *s, struct bv_error *err)
{
    return network_attach(s, err) < 0 ? -1 : bv_capsule_start(&s->capsule, err);
}

/* From the claim to the running job. */
static int begin(struct supervisor *s, struct bv_error *err)
{
    struct restart r = {.staging = -1};
    int rc = link_probe(s, err);
    if (rc == 0)
        rc = restart_choose(s, &r, err);
    if (rc == 0 && r.generation)
        bv_fault_point("restart-unpacked");
    if (rc == 0)
        rc = set_location(s, &r, err);
    if (rc == 0)
        rc = network_check_ports(s, &r, err);
    if (rc == 0)
        rc = r.generation ? supervisor_stdio_restored(s, r.content, err) : supervisor_stdio_new(s, err);
    if (rc == 0) {
        set_command(s);
        rc = build_capsule(s, &r, err);
    }
    if (rc == 0)
        rc = r.generation ? restart_run(s, &r, err) : start(s, err);
    if (rc == 0) {
        supervisor_stdio_connect(s);
        note_started(s, &r);
        say_start(s, &r);
        network_note_closed(s, &r);
        go_on(s, &r);
    }
    if (rc == 0 && r.generation)
        policy_started(s);
    /* What a runtime says when it fails comes out where the container's output would, and is not to be counted as such.
     */
    if (rc < 0 && r.generation && supervisor_has_container(s))
        supervisor_stdio_free(s);
    s->policy.restore_failed = rc < 0 && r.generation > 0 && !s->policy.interrupted;
    if (rc < 0 && err->code == BV_ECORRUPT && r.generation)
        bv_wrap(err, "generation %u of job %s", r.generation, s->job.id);
    restart_free(s, &r);
    if (rc == 0)
        bv_fault_point("restart-restored");
    return rc;
}

static json_t *outcome_json(const struct supervisor *s)
{
    static const char *const names[] = {"exited", "signaled", "checkpointed", "stopped"};
    if (s->failure.code)
        return json_pack("{s:s, s:i, s:o}", "status", "failed", "number", (int)s->failure.code, "text",
                         bv_json_bytes(s->failure.text));
    return json_pack("{s:s, s:i}", "status", names[s->outcome.how], "number", s->outcome.number);
}

/* Behind the end, which is recorded: before, a crash would leave a job that is to be run, and nothing to go on from. */
static void remove_checkpoints(struct supervisor *s)
{
    struct bv_retainer retainer = supervisor_retainer(s);
    bv_retain_success(&retainer);
}

/* Nothing of the job lives behind this. A fenced attempt leaves no word of its own: the job is another's. */
static void finish(struct supervisor *s)
{
    if (s->checkpoint.state != CHECKPOINT_NONE) {
        struct bv_error e = {0};
        bv_fail(&e, BV_EENDED, 0, "the attempt ended before the checkpoint was complete");
        checkpoint_fail(s, s->failure.code ? &s->failure : &e);
    }
    policy_conclude(s);
    link_end(s);
    bv_capsule_destroy(&s->capsule);
    bv_outside_end(&s->outside);
    bv_staging_remove(&s->job, s->attempt.number, NULL); /* what a dump has written until now */
    supervisor_drain(s);
    supervisor_stdio_free(s);

    autojson json_t *outcome = outcome_json(s);
    if (s->failure.code == BV_EFENCED) {
        bv_event_append(&s->job, "fenced", s->attempt.number, outcome, NULL);
    } else {
        struct bv_error e = {0};
        note_ended(s, outcome);
        if (bv_attempt_end(&s->attempt, outcome, &e) < 0)
            bv_warn("cannot record the end of job %s: %s", s->job.id, e.text);
        else if (!s->failure.code && s->outcome.how == BV_ENDED_EXIT && s->outcome.number == 0)
            remove_checkpoints(s);
    }
    control_close(s);
    policy_close(s);
    bv_attempt_close(&s->attempt);
}

/* A job that is kept to a level can be kept to no more than there is. */
static int check_baseline(const struct supervisor *s, struct bv_error *err)
{
    autofree char *missing = bv_cpu_missing(bv_cpu_baseline_flags(s->spec.cpu_baseline), s->cpu_flags);
    if (missing)
        return bv_fail(err, BV_EHOST, 0,
                       "the CPU of this host lacks %s, which belongs to %s: choose a lower --cpu-baseline", missing,
                       bv_cpu_baseline_name(s->spec.cpu_baseline));
    return 0;
}

static int run(struct supervisor *s, struct bv_error *err)
{
    if (take_signals(s, err) < 0 || bv_host_read(&s->host, err) < 0 || bv_cpu_flags(&s->cpu_flags, err) < 0 ||
        (s->options->spec && container_choose_engine(s, s->options->spec, err) < 0) || open_job(s, err) < 0 ||
        container_choose_engine(s, &s->spec, err) < 0 || check_baseline(s, err) < 0)
        return -1;
    int ended = check_ended(s, err);
    if (ended)
        return ended < 0 ? -1 : 0;
    if (network_check(s, err) < 0 || claim(s, err) < 0)
        return -1;

    struct bv_error e = {0};
    policy_open(s);
    if ((control_open(s, &e) < 0 || begin(s, &e) < 0) && s->policy.stopped_early)
        supervisor_end(s, BV_ENDED_STOPPED, 0);
    else if (e.code)
        supervisor_fail(s, &e);
    supervisor_loop(s);
    finish(s);
    /* Who asked for it wants nothing behind the job in its script to run. It is likely that we are in that group. */
    if (s->end_group && !s->failure.code && s->outcome.how == BV_ENDED_CHECKPOINTED)
        kill(-s->end_group, SIGKILL);
    if (s->failure.code)
        return bv_fail(err, s->failure.code, 0, "%s", s->failure.text);
    return 0;
}

static void release(struct supervisor *s)
{
    container_free(s);
    bv_spec_free(&s->spec);
    free(s->binds);
    free(s->relocated);
    free(s->command.envp);
    free(s->cpu_flags);
    bv_job_close(&s->job);
    bv_store_close(&s->store);
    close_fd(&s->signals);
}

int bv_supervise(const struct bv_supervise_options *o, struct bv_outcome *ret, struct bv_error *err)
{
    struct supervisor *s = bv_alloc(sizeof(*s));
    s->options = o;
    s->retention = bv_retention_of(o->settings);
    s->signals = s->listener = s->master = -1;
    s->store.dirfd = s->store.jobsfd = s->job.dirfd = -1;
    s->capsule.sock = -1;
    s->outside = (struct bv_carrier)BV_CARRIER_NONE;
    s->terminal.fd = -1;
    s->checkpoint.op_sock = s->checkpoint.staging = s->checkpoint.writer.sock = -1;
    for (int i = 0; i < CLIENTS_MAX; i++)
        s->client[i].fd = -1;
    for (int i = 0; i < 3; i++)
        s->stdio.end[i].job_fd = s->stdio.end[i].our_fd = -1;

    /* What a scheduler or shell has left open is not the job's. */
    syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    int rc = run(s, err);
    if (rc == 0)
        *ret = s->outcome;
    sigprocmask(SIG_SETMASK, &s->command.mask, NULL);
    release(s);
    free(s);
    return rc;
}
