/* SPDX-License-Identifier: Apache-2.0 */
/* What preflight says of processes: of what they are rather than of what they have. */
#include "preflight_fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

static int make_outside_pidfd(void *arg)
{
    return result(syscall(SYS_pidfd_open, *(pid_t *)arg, 0));
}

static void a_pidfd_of_an_outside_process_blocks(void **state)
{
    pid_t outside = getpid();
    (void)state;
    expect(make_outside_pidfd, &outside, "pidfd-outside", BV_FINDING_BLOCKS);
}

static int make_private_process(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_DUMPABLE, 0);
        for (;;)
            pause();
    }
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return child < 0 ? errno : 0;
}

static void a_process_that_hides_blocks(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip(); /* root sees everything */
    struct child c = start(make_private_process, NULL);
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, "hidden");
    assert_int_equal(f.finding[0].weight, BV_FINDING_BLOCKS);
    bv_findings_free(&f);
}

static int hide(void *arg)
{
    (void)arg;
    return result(prctl(PR_SET_DUMPABLE, 0));
}

static void a_root_that_hides_blocks(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip();
    expect(hide, NULL, "hidden", BV_FINDING_BLOCKS);
}

static void a_process_of_somebody_else_is_an_error(void **state)
{
    autoclose int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_preflight p = {.procfd = proc, .root = 1};
    struct bv_findings f = {.count = 42};
    struct bv_error err = {0};
    (void)state;
    if (geteuid() == 0)
        skip();
    assert_int_equal(bv_preflight_run(&p, &f, &err), -1);
    assert_int_equal(err.code, BV_EDENIED);
    assert_int_equal(f.count, 42);
}

static int make_filter(void *arg)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = 1, .filter = &allow};
    (void)arg;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return result(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void a_seccomp_filter_blocks(void **state)
{
    (void)state;
    expect(make_filter, NULL, "seccomp", BV_FINDING_BLOCKS);
}

static void a_traced_process_blocks(void **state)
{
    (void)state;
    struct child c = start(NULL, NULL);
    if (ptrace(PTRACE_SEIZE, c.pid, 0, 0) < 0)
        c.refused = errno;
    skip_if_refused(&c, "tracing");
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, "traced");
    assert_int_equal(f.finding[0].weight, BV_FINDING_BLOCKS);
    bv_findings_free(&f);
}

static int make_namespace(void *arg)
{
    (void)arg;
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0)
        return errno;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int refused = result(unshare(CLONE_NEWUSER));
        if (write(ready[1], &refused, sizeof(refused)) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    int refused = 0;
    if (child < 0 || read(ready[0], &refused, sizeof(refused)) != sizeof(refused))
        return EIO;
    close(ready[0]);
    close(ready[1]);
    return refused;
}

static void a_descendant_in_namespaces_of_its_own_blocks(void **state)
{
    (void)state;
    struct child c = start(make_namespace, NULL);
    skip_if_refused(&c, "a user namespace");
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, "namespace");
    assert_int_not_equal(f.finding[0].pid, c.pid);
    bv_findings_free(&f);
}

static int make_zombie(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child < 0 ? errno : 0;
}

static void a_zombie_is_no_finding(void **state)
{
    (void)state;
    expect_nothing(make_zombie, NULL);
}

static int make_vfork(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pid_t grandchild = vfork();
        if (grandchild == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
        _exit(0);
    }
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return child < 0 ? errno : 0;
}

static void a_process_that_waits_in_the_kernel_is_noted(void **state)
{
    (void)state;
    struct child c = start(make_vfork, NULL);
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    assert_int_equal(f.count, 2);
    assert_string_equal(f.finding[0].topic, "clone"); /* of the child, which has its parent's memory */
    assert_string_equal(f.finding[1].topic, "stuck");
    assert_int_equal(f.finding[1].weight, BV_FINDING_NOTE);
    bv_findings_free(&f);
}

static void report(int fd, int value)
{
    if (write(fd, &value, sizeof(value)) < 0)
        _exit(1);
}

/* Like a capsule: an init, the job's root below it, a daemon that the root has lost, and a semaphore of nobody. */
static int make_capsule(void *arg)
{
    int ready[2];
    close(STDIN_FILENO); /* opened outside of the capsule */
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC) < 0)
        return errno;
    prctl(PR_SET_DUMPABLE, 1); /* the new user namespace took it away */
    if (pipe2(ready, O_CLOEXEC) < 0 || fork() > 0) {
        int refused = 0;
        close(ready[1]);
        return read(ready[0], &refused, sizeof(refused)) == sizeof(refused) ? refused : EIO;
    }
    if (fork() > 0) /* the init */
        for (;;)
            pause();
    int refused = semget(IPC_PRIVATE, 1, 0600) < 0 ? errno : 0;
    if (fork() == 0) {
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
    while (wait(NULL) < 0 && errno == EINTR)
        ;
    (void)arg;
    report(ready[1], refused);
    for (;;)
        pause();
}

static void a_daemon_and_objects_without_owner_in_a_capsule_are_lost(void **state)
{
    (void)state;
    struct child c = start(make_capsule, NULL);
    skip_if_refused(&c, "namespaces");
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_pids tree;
    assert_int_equal(bv_tree_scan(procfd, c.pid, &tree, NULL), 0);
    assert_int_equal(tree.count, 4); /* the builder, the init, the root, the daemon */

    struct bv_findings f = inspect_with((struct bv_preflight){.root = tree.pid[2], .in_capsule = 1});
    pid_t init = tree.pid[1], daemon = tree.pid[3];
    bv_pids_free(&tree);
    kill(init, SIGKILL);
    stop(&c);
    assert_int_equal(f.count, 2);
    assert_string_equal(f.finding[0].topic, "orphan");
    assert_int_equal(f.finding[0].weight, BV_FINDING_WEAKENS);
    assert_int_equal(f.finding[0].pid, daemon);
    assert_string_equal(f.finding[1].topic, "sysv-sem");
    assert_int_equal(f.finding[1].weight, BV_FINDING_WEAKENS);
    bv_findings_free(&f);
}

static void a_process_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct child c = start(NULL, NULL);
    stop(&c);
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_preflight p = {.procfd = procfd, .root = c.pid};
    struct bv_findings f = {.count = 42};
    struct bv_error err = {0};
    assert_int_equal(bv_preflight_run(&p, &f, &err), -1);
    assert_int_equal(err.code, BV_ENOTRUNNING);
    assert_int_equal(f.count, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pidfd_of_an_outside_process_blocks),
        cmocka_unit_test(a_process_that_hides_blocks),
        cmocka_unit_test(a_root_that_hides_blocks),
        cmocka_unit_test(a_process_of_somebody_else_is_an_error),
        cmocka_unit_test(a_seccomp_filter_blocks),
        cmocka_unit_test(a_traced_process_blocks),
        cmocka_unit_test(a_descendant_in_namespaces_of_its_own_blocks),
        cmocka_unit_test(a_zombie_is_no_finding),
        cmocka_unit_test(a_process_that_waits_in_the_kernel_is_noted),
        cmocka_unit_test(a_daemon_and_objects_without_owner_in_a_capsule_are_lost),
        cmocka_unit_test(a_process_that_is_not_there_is_an_error),
    };
    return are_we_filtered() ? skip_all() : cmocka_run_group_tests(tests, NULL, NULL);
}
