/* SPDX-License-Identifier: Apache-2.0 */
/* Real capsules. */
#include "capsule_fixture.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

static void a_job_has_pid_1000_and_leads_its_session(void **state)
{
    struct capsule_fixture *f = *state;
    assert_prints(f, "echo $$; cut -d' ' -f 4-6 /proc/$$/stat; true", "1000\n1 1000 1000\n");
}

static void a_job_sees_its_own_processes_and_nothing_else(void **state)
{
    struct capsule_fixture *f = *state;
    /* The sentinel names itself, and may come to it a little later than the job to this. */
    assert_prints(f,
                  "cd /proc; echo [0-9]*; for i in $(seq 200); do grep -q stop 2/comm && break; sleep 0.05; done; "
                  "cat 1/comm 2/comm",
                  "1 1000 2\nbivouac-init\nbivouac-stop\n");
}

static void a_job_stays_who_it_was_and_has_no_capability(void **state)
{
    struct capsule_fixture *f = *state;
    char expected[256];
    snprintf(expected, sizeof(expected), "%u %u\n %u %u 1\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n",
             (unsigned)geteuid(), (unsigned)getegid(), (unsigned)geteuid(), (unsigned)geteuid());
    if (geteuid() == 0)
        skip();
    assert_prints(f, "echo $(id -u) $(id -g); tr -s ' ' </proc/self/uid_map; grep -E '^Cap(Eff|Amb)' /proc/self/status",
                  expected);
}

static void a_job_has_a_shared_memory_directory_of_its_own(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *name = bv_asprintf("/dev/shm/bivouac-test-%d", (int)getpid());
    autofree char *script =
        bv_asprintf("ls -A /dev/shm; echo x >%s && ls -A /dev/shm | wc -l; stat -c %%a /dev/shm", name);
    autoclose int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    int status = run_script(f, script);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    unlink(name);
    assert_int_equal(status, 0);
    assert_text(f->dir->fd, "out", "1\n1777\n");
    assert_int_equal(st.st_size, 0); /* the job wrote to another file of that name */
}

static void a_job_has_no_descriptor_but_the_standard_three(void **state)
{
    struct capsule_fixture *f = *state;
    int ours = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            fcntl(fd, F_SETFD, FD_CLOEXEC); /* as the supervisor does */
    /* 3 is ls's own. */
    assert_prints(f, "ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0", "0 1 2 3 /dev/null\n");
    close(ours);
}

static void exit_status_and_death_by_signal_come_back(void **state)
{
    struct capsule_fixture *f = *state;
    int status = run_script(f, "exit 42");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    status = run_script(f, "kill -9 $$");
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    status = run_script(f, "kill -SEGV $$");
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void assert_does_not_start(struct capsule_fixture *f, const char *command, enum bv_code code, const char *words)
{
    char *argv[] = {(char *)command, NULL};
    start_argv(f, argv);
    struct bv_capsule_event e = next_event(f);
    assert_int_equal(e.kind, BV_CAPSULE_START_FAILED);
    assert_int_equal(e.error.code, code);
    if (!strstr(e.error.text, words))
        fail_msg("\"%s\" does not say \"%s\"", e.error.text, words);
    bv_capsule_destroy(&f->capsule);
}

static void a_command_that_cannot_be_started_is_reported_as_a_shell_does(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *plain = path_in(f->dir, "plain"), *dir = bv_strdup(f->dir->path);
    put_text(f->dir->fd, "plain", "no program");
    assert_int_equal(BV_ENOCMD, 127);
    assert_int_equal(BV_ENOEXEC, 126);
    assert_does_not_start(f, "no-such-command-anywhere", BV_ENOCMD, "cannot run no-such-command-anywhere: No such");
    assert_int_equal(mkdirat(f->dir->fd, "closed", 0), 0); /* a directory on the way that may not be searched */
    autofree char *path = bv_strdup(getenv("PATH")), *closed = bv_asprintf("%s/closed:%s", f->dir->path, path);
    setenv("PATH", closed, 1);
    assert_does_not_start(f, "no-such-command-anywhere", BV_ENOCMD, "No such file");
    setenv("PATH", f->dir->path, 1);
    assert_does_not_start(f, "plain", BV_ENOEXEC, "Permission denied");
    setenv("PATH", path, 1);
    assert_int_equal(fchmodat(f->dir->fd, "closed", 0700, 0), 0);
    assert_does_not_start(f, "/nonexistent/program", BV_ENOCMD, "No such file");
    assert_does_not_start(f, plain, BV_ENOEXEC, "Permission denied");
    assert_does_not_start(f, dir, BV_ENOEXEC, "Permission denied");
}

static void a_working_directory_that_is_gone_is_reported(void **state)
{
    struct capsule_fixture *f = *state;
    free(f->command.cwd);
    f->command.cwd = bv_strdup("/nonexistent/dir");
    assert_int_equal(BV_ENODIR, 111);
    assert_does_not_start(f, "true", BV_ENODIR, "cannot enter /nonexistent/dir");
}

static void a_job_starts_in_its_directory_with_its_environment(void **state)
{
    struct capsule_fixture *f = *state;
    char *envp[] = {(char *)"PATH=/usr/bin:/bin", (char *)"GREETING=hello there", NULL};
    autofree char *expected = bv_asprintf("%s\nhello there\n", f->dir->path);
    free(f->command.cwd);
    f->command.cwd = bv_strdup(f->dir->path);
    f->command.envp = envp;
    assert_prints(f, "pwd; echo \"$GREETING\"", expected);
}

static void nothing(int number)
{
    (void)number;
}

static void ignored_signals_stay_ignored_and_caught_ones_do_not(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *status = NULL;
    char *argv[] = {(char *)"cat", (char *)"/proc/self/status", NULL};
    sigaddset(&f->command.mask, SIGUSR2);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, nothing);
    start_argv(f, argv);
    assert_int_equal(next_event(f).kind, BV_CAPSULE_STARTED);
    assert_int_equal(await_end(f), 0);
    assert_ok(bv_read_file(f->dir->fd, "out", 65536, &status, NULL, &err));
    assert_non_null(strstr(status, "SigBlk:\t0000000000000800\n"));
    /* Signals 32 and 33 are the C library's own: who started us by posix_spawn() may ignore them. */
    const char *ignored = strstr(status, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & 0x7fffffff, 1);
    assert_non_null(strstr(status, "SigCgt:\t0000000000000000\n"));
    signal(SIGHUP, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}

static void a_signal_reaches_the_job_alone_or_all(void **state)
{
    struct capsule_fixture *f = *state;
    start_script(f, "trap 'echo root' USR1; (trap 'echo child; exit' USR1; echo up; while :; do sleep 0.01; done) & "
                    "while :; do wait; done");
    for (int i = 0; i < 500; i++) {
        autofree char *text = NULL;
        assert_ok(bv_read_file(f->dir->fd, "out", 4096, &text, NULL, &err));
        if (strstr(text, "up"))
            break;
        usleep(10000);
    }
    assert_ok(bv_capsule_signal(&f->capsule, SIGUSR1, 0, &err));
    usleep(200000);
    assert_text(f->dir->fd, "out", "up\nroot\n");
    assert_ok(bv_capsule_signal(&f->capsule, SIGTERM, 0, &err));
    assert_int_equal(WTERMSIG(await_end(f)), SIGTERM);
    assert_ok(bv_capsule_signal(&f->capsule, SIGUSR1, 1, &err));
    usleep(200000);
    autofree char *text = NULL;
    assert_ok(bv_read_file(f->dir->fd, "out", 4096, &text, NULL, &err));
    assert_non_null(strstr(text, "\nchild\n"));
}

static double read_uptime(struct capsule_fixture *f)
{
    autofree char *text = NULL;
    assert_int_equal(run_script(f, "cut -d' ' -f 1 /proc/uptime"), 0);
    assert_ok(bv_read_file(f->dir->fd, "out", 4096, &text, NULL, &err));
    return strtod(text, NULL);
}

static int print_monotonic(void *arg, struct bv_msg *m)
{
    (void)m;
    int64_t *wanted = arg;
    int64_t late = bv_clock_ns(CLOCK_MONOTONIC) - *wanted;
    return late >= 0 && late < 20 * BV_NSEC_PER_SEC ? 0 : 1;
}

static int run_operation(struct capsule_fixture *f)
{
    autojson json_t *request = json_object();
    assert_ok(bv_capsule_operate(&f->capsule, request, 0, NULL, 0, &err));
    struct bv_capsule_event e = next_event(f);
    assert_int_equal(e.kind, BV_CAPSULE_OPERATION_ENDED);
    return e.status;
}

static void clocks_go_on_from_where_they_were_told_to(void **state)
{
    struct capsule_fixture *f = *state;
    static const int64_t days[] = {400, 0}; /* later and, most likely, earlier than this host's */
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        f->config.continue_clocks = 1;
        f->config.monotonic_ns = days[i] * 86400 * BV_NSEC_PER_SEC + 999999999;
        f->config.boottime_ns = days[i] * 86400 * BV_NSEC_PER_SEC + 5 * BV_NSEC_PER_SEC;
        double uptime = read_uptime(f);
        assert_true(uptime >= (double)days[i] * 86400 + 5 && uptime < (double)days[i] * 86400 + 25);

        f->config.operation = print_monotonic;
        f->config.arg = &f->config.monotonic_ns;
        assert_ok(bv_capsule_create(&f->config, &f->capsule, &err));
        assert_int_equal(run_operation(f), 0);
        bv_capsule_destroy(&f->capsule);
    }
}

static void without_that_the_clocks_are_the_host_s(void **state)
{
    struct capsule_fixture *f = *state;
    double before = (double)bv_clock_ns(CLOCK_BOOTTIME) / 1e9;
    double uptime = read_uptime(f);
    assert_true(uptime >= before - 0.02 && uptime < before + 20);
}

static void a_private_network_has_nothing_but_a_working_loopback(void **state)
{
    struct capsule_fixture *f = *state;
    f->config.private_network = 1;
    assert_prints(f,
                  "tail -n +3 /proc/net/dev | cut -d: -f 1 | tr -d ' '; cat /sys/class/net/lo/flags 2>/dev/null | "
                  "grep -v x || true; grep -c 'LOCAL' /proc/net/fib_trie",
                  "lo\n4\n");
}

static void a_private_tmp_is_empty_writable_and_gone_afterwards(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *name = bv_asprintf("/tmp/bivouac-private-%d", (int)getpid());
    autofree char *script =
        bv_asprintf("exec 3>&1; ls -A /tmp >&3; echo x >%s; ls -A /tmp | wc -l; stat -c %%a /tmp", name);
    f->config.private_tmp = 1;
    /* The output is below /tmp: it must be the job's before /tmp is covered. */
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    f->stdio.end[1] = (struct bv_stdio_end){
        .kind = BV_STDIO_PIPE, .same_as = -1, .job_fd = ends[1], .our_fd = -1, .path = f->stdio.end[1].path};
    start_script(f, script);
    assert_int_equal(await_end(f), 0);
    close_fd(&f->stdio.end[1].job_fd);
    bv_capsule_destroy(&f->capsule);
    char got[64] = "";
    assert_true(read(ends[0], got, sizeof(got) - 1) > 0);
    close(ends[0]);
    assert_string_equal(got, "1\n1777\n");
    assert_missing(AT_FDCWD, name);
}

static int count_processes_called(const char *name)
{
    char path[64];
    int n = 0;
    for (int pid = 1; pid < 4194304 && n >= 0; pid++) {
        if (pid % 65536 == 0 && kill(pid, 0) < 0 && errno == ESRCH && pid > 100000)
            break;
        if (kill(pid, 0) < 0 && errno == ESRCH)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
        autofree char *cmdline = bv_read_proc(AT_FDCWD, path, 1 << 20);
        n += cmdline && strcmp(cmdline, name) == 0;
    }
    return n;
}

/* A script that leaves processes in every way there is, each called `name`. */
static void start_stragglers(struct capsule_fixture *f, const char *name)
{
    autofree char *script =
        bv_asprintf("for i in 1 2 3; do (exec -a %s sleep 1000) & done; "
                    "(setsid bash -c 'trap \"\" TERM HUP INT; exec -a %s sleep 1000' &); echo up; wait",
                    name, name);
    char *argv[] = {(char *)"bash", (char *)"-c", script, NULL};
    start_argv(f, argv);
    assert_int_equal(next_event(f).kind, BV_CAPSULE_STARTED);
    for (int i = 0; i < 1000 && count_processes_called(name) < 4; i++)
        usleep(10000);
    assert_int_equal(count_processes_called(name), 4);
}

static void nothing_survives_the_end_of_a_capsule(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *name = bv_asprintf("straggler-%d", (int)getpid());
    start_stragglers(f, name);
    bv_capsule_destroy(&f->capsule);
    assert_int_equal(count_processes_called(name), 0);
    assert_int_equal(f->capsule.init, 0);
    assert_int_equal(f->capsule.sock, -1);
    bv_capsule_destroy(&f->capsule);
}

static void the_death_of_the_supervisor_is_the_death_of_the_capsule(void **state)
{
    struct capsule_fixture *f = *state;
    autofree char *name = bv_asprintf("orphan-%d", (int)getpid());
    int ready[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        start_stragglers(f, name);
        _exit(write(ready[1], "x", 1) == 1 && pause() == 0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(count_processes_called(name), 4);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
    for (int i = 0; i < 1000 && count_processes_called(name) > 0; i++)
        usleep(10000);
    assert_int_equal(count_processes_called(name), 0);
}

static void when_the_init_is_killed_the_supervisor_learns_it(void **state)
{
    struct capsule_fixture *f = *state;
    start_script(f, "sleep 1000");
    assert_int_equal(kill(f->capsule.init, SIGKILL), 0);
    assert_int_equal(next_event(f).kind, BV_CAPSULE_GONE);
}

static int operate(void *arg, struct bv_msg *m)
{
    (void)arg;
    const json_t *request = json_object_get(m->body, "request");
    const char *what = json_string_value(json_object_get(request, "what"));
    int fd = bv_msg_take_fd(m, 0);
    if (what && strcmp(what, "hang") == 0)
        for (;;)
            pause();
    return fd >= 0 && write(fd, what, strlen(what)) > 0 ? 7 : 8;
}

static void an_operation_runs_inside_with_its_request_and_descriptors(void **state)
{
    struct capsule_fixture *f = *state;
    int ends[2];
    char got[16] = "";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    f->config.operation = operate;
    start_script(f, "sleep 1000");
    autojson json_t *request = json_pack("{s:s}", "what", "greet");
    assert_ok(bv_capsule_operate(&f->capsule, request, 0, &ends[1], 1, &err));
    struct bv_capsule_event e = next_event(f);
    assert_int_equal(e.kind, BV_CAPSULE_OPERATION_ENDED);
    assert_int_equal(WEXITSTATUS(e.status), 7);
    assert_int_equal(read(ends[0], got, sizeof(got) - 1), 5);
    assert_string_equal(got, "greet");
    close(ends[0]);
    close(ends[1]);
}

static void an_operation_is_killed_when_it_is_aborted_and_a_second_one_is_refused(void **state)
{
    struct capsule_fixture *f = *state;
    f->config.operation = operate;
    start_script(f, "sleep 1000");
    autojson json_t *request = json_pack("{s:s}", "what", "hang");
    assert_ok(bv_capsule_operate(&f->capsule, request, 0, NULL, 0, &err));
    assert_ok(bv_capsule_operate(&f->capsule, request, 0, NULL, 0, &err));
    struct bv_capsule_event e = next_event(f);
    assert_int_equal(e.kind, BV_CAPSULE_OPERATION_ENDED);
    assert_int_equal(WEXITSTATUS(e.status), 255);
    assert_ok(bv_capsule_abort(&f->capsule, &err));
    e = next_event(f);
    assert_int_equal(e.kind, BV_CAPSULE_OPERATION_ENDED);
    assert_true(WIFSIGNALED(e.status));
    assert_int_equal(WTERMSIG(e.status), SIGKILL);
}

static void a_job_with_a_terminal_gets_one_whose_master_is_ours(void **state)
{
    struct capsule_fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        free(f->stdio.end[i].path);
        f->stdio.end[i] = (struct bv_stdio_end){.kind = BV_STDIO_TTY, .same_as = -1, .job_fd = -1, .our_fd = -1};
    }
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"read x </dev/tty; echo \"got $x on $(tty)\"", NULL};
    start_argv(f, argv);
    struct bv_capsule_event e = next_event(f);
    assert_int_equal(e.kind, BV_CAPSULE_TERMINAL);
    assert_true(e.fd >= 0);
    assert_int_equal(next_event(f).kind, BV_CAPSULE_STARTED);
    assert_int_equal(write(e.fd, "this\n", 5), 5);
    assert_int_equal(await_end(f), 0);
    char got[256] = "";
    assert_true(bv_read_full(e.fd, got, sizeof(got) - 1) != 0);
    assert_non_null(strstr(got, "got this on /dev/pts/0"));
    close(e.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        capsule_test(a_job_has_pid_1000_and_leads_its_session),
        capsule_test(a_job_sees_its_own_processes_and_nothing_else),
        capsule_test(a_job_stays_who_it_was_and_has_no_capability),
        capsule_test(a_job_has_a_shared_memory_directory_of_its_own),
        capsule_test(a_job_has_no_descriptor_but_the_standard_three),
        capsule_test(exit_status_and_death_by_signal_come_back),
        capsule_test(a_command_that_cannot_be_started_is_reported_as_a_shell_does),
        capsule_test(a_working_directory_that_is_gone_is_reported),
        capsule_test(a_job_starts_in_its_directory_with_its_environment),
        capsule_test(ignored_signals_stay_ignored_and_caught_ones_do_not),
        capsule_test(a_signal_reaches_the_job_alone_or_all),
        capsule_test(clocks_go_on_from_where_they_were_told_to),
        capsule_test(without_that_the_clocks_are_the_host_s),
        capsule_test(a_private_network_has_nothing_but_a_working_loopback),
        capsule_test(a_private_tmp_is_empty_writable_and_gone_afterwards),
        capsule_test(nothing_survives_the_end_of_a_capsule),
        capsule_test(the_death_of_the_supervisor_is_the_death_of_the_capsule),
        capsule_test(when_the_init_is_killed_the_supervisor_learns_it),
        capsule_test(an_operation_runs_inside_with_its_request_and_descriptors),
        capsule_test(an_operation_is_killed_when_it_is_aborted_and_a_second_one_is_refused),
        capsule_test(a_job_with_a_terminal_gets_one_whose_master_is_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
