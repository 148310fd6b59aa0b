/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "proc/container.h"
#include "proc/fds.h"
#include "proc/field.h"
#include "proc/cpu.h"
#include "proc/host.h"
#include "proc/inside.h"
#include "proc/tree.h"

static int procfd;

static int open_proc(void **state)
{
    (void)state;
    procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return procfd < 0 ? -1 : 0;
}

/* A child that does nothing until it is killed. */
static pid_t idle_child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_tree_has_parents_before_their_children(void **state)
{
    int ready[2];
    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t root = fork();
    assert_true(root >= 0);
    if (root == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pid_t a = idle_child(), b = idle_child(), zombie = fork();
        if (zombie == 0)
            _exit(0);
        pid_t all[3] = {a, b, zombie};
        if (write(ready[1], all, sizeof(all)) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    pid_t child[3];
    assert_int_equal(read(ready[0], child, sizeof(child)), sizeof(child));
    close(ready[0]);
    close(ready[1]);

    struct bv_pids tree;
    assert_int_equal(bv_tree_scan(procfd, root, &tree, NULL), 0);
    assert_int_equal(tree.count, 4);
    assert_int_equal(tree.pid[0], root);
    for (size_t i = 0; i < 3; i++)
        assert_true(tree.pid[1 + i] == child[0] || tree.pid[1 + i] == child[1] || tree.pid[1 + i] == child[2]);
    bv_pids_free(&tree);

    struct bv_pids ours;
    assert_int_equal(bv_tree_scan(procfd, getpid(), &ours, NULL), 0);
    assert_int_equal(ours.count, 5);
    assert_int_equal(ours.pid[0], getpid());
    assert_int_equal(ours.pid[1], root);
    bv_pids_free(&ours);
    end(root);
}

static void a_process_that_is_gone_has_no_tree(void **state)
{
    struct bv_error err = {0};
    struct bv_pids tree = {.count = 7};
    struct bv_task t = {.pid = 7};
    struct bv_fds fds = {.count = 7};
    (void)state;
    pid_t pid = idle_child();
    end(pid);
    assert_int_equal(bv_tree_scan(procfd, pid, &tree, &err), -1);
    assert_int_equal(err.code, BV_ENOTRUNNING);
    assert_int_equal(bv_task_read(procfd, pid, &t, &err), -1);
    assert_int_equal(err.code, BV_ENOTRUNNING);
    assert_int_equal(bv_fds_scan(procfd, pid, &fds, &err), -1);
    assert_int_equal(err.code, BV_ENOTRUNNING);
    assert_int_equal(tree.count, 7);
    assert_int_equal(t.pid, 7);
    assert_int_equal(fds.count, 7);
}

static void a_name_with_blanks_and_parentheses_is_read(void **state)
{
    (void)state;
    assert_int_equal(prctl(PR_SET_NAME, ") S 1 (x y"), 0);
    struct bv_task t;
    assert_int_equal(bv_task_read(procfd, getpid(), &t, NULL), 0);
    assert_string_equal(t.comm, ") S 1 (x y");
    assert_int_equal(t.pid, getpid());
    assert_int_equal(t.ppid, getppid());
    assert_int_equal(t.pgid, getpgrp());
    assert_int_equal(t.sid, getsid(0));
    assert_int_equal(t.threads, 1);
    assert_true(t.rss > 100000 && t.rss < (1ULL << 40));
    assert_true(t.start_time > 0);
    assert_true(t.state == 'R' || t.state == 'S');
}

static void *wait_for_ever(void *arg)
{
    (void)arg;
    pause();
    return NULL;
}

static void threads_are_found(void **state)
{
    pthread_t thread;
    struct bv_pids threads;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
    assert_int_equal(bv_tree_threads(procfd, getpid(), &threads, NULL), 0);
    assert_int_equal(threads.count, 2);
    bv_pids_free(&threads);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void a_process_is_known_by_its_start_time(void **state)
{
    struct bv_task t;
    (void)state;
    pid_t pid = idle_child();
    assert_int_equal(bv_task_read(procfd, pid, &t, NULL), 0);
    assert_true(bv_process_is(pid, t.start_time));
    assert_false(bv_process_is(pid, t.start_time + 1));
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(bv_process_is(pid, t.start_time)); /* a zombie runs nothing */
    end(pid);
    assert_false(bv_process_is(pid, t.start_time));
}

static const struct bv_fd *find(const struct bv_fds *f, int fd)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->fd[i].fd == fd)
            return &f->fd[i];
    fail_msg("descriptor %d is missing", fd);
    return NULL;
}

static void descriptors_are_told_apart(void **state)
{
    int pipes[2];
    char name[] = "/tmp/bivouac-test-XXXXXX";
    (void)state;
    autoclose int file = mkstemp(name), dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC), memory = (int)memfd_create("m", MFD_CLOEXEC);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(write(file, "abc", 3), 3);
    assert_int_equal(fcntl(file, F_SETFL, O_APPEND), 0);

    autofds struct bv_fds f = {0};
    assert_int_equal(bv_fds_scan(procfd, getpid(), &f, NULL), 0);
    for (size_t i = 1; i < f.count; i++)
        assert_true(f.fd[i - 1].fd < f.fd[i].fd);

    const struct bv_fd *it = find(&f, file);
    assert_int_equal(it->kind, BV_FD_FILE);
    assert_string_equal(it->target, name);
    assert_int_equal(it->pos, 3);
    assert_int_equal(it->st.st_size, 3);
    assert_true(it->flags & O_APPEND);
    assert_false(it->deleted);
    assert_int_equal(find(&f, dir)->kind, BV_FD_DIR);
    assert_int_equal(find(&f, null)->kind, BV_FD_CHAR);
    assert_int_equal(find(&f, pipes[0])->kind, BV_FD_PIPE);
    assert_int_equal(find(&f, memory)->kind, BV_FD_FILE);
    assert_string_equal(find(&f, memory)->target, "/memfd:m");
    assert_true(find(&f, memory)->deleted);
    close(pipes[0]);
    close(pipes[1]);
    unlink(name);
}

static void a_deleted_file_is_still_found(void **state)
{
    char name[] = "/tmp/bivouac-test-XXXXXX";
    (void)state;
    autoclose int file = mkstemp(name);
    assert_int_equal(write(file, "abc", 3), 3);
    unlink(name);

    autofds struct bv_fds f = {0};
    assert_int_equal(bv_fds_scan(procfd, getpid(), &f, NULL), 0);
    assert_string_equal(find(&f, file)->target, name);
    assert_true(find(&f, file)->deleted);

    char text[4] = "";
    autoclose int again = bv_fd_reopen(procfd, getpid(), file, O_RDONLY);
    assert_int_equal(read(again, text, 3), 3);
    assert_string_equal(text, "abc");
}

static void a_file_called_deleted_is_not_deleted(void **state)
{
    static const char name[] = "/tmp/bivouac-test (deleted)";
    (void)state;
    autoclose int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    autofds struct bv_fds f = {0};
    assert_int_equal(bv_fds_scan(procfd, getpid(), &f, NULL), 0);
    unlink(name);
    assert_string_equal(find(&f, file)->target, name);
    assert_false(find(&f, file)->deleted);
}

/* As on network file systems: the kernel has forgotten the name, under which the file is. */
static void a_file_that_is_there_is_not_deleted_whatever_the_kernel_says(void **state)
{
    char name[] = "/tmp/bivouac-test-XXXXXX", other[] = "/tmp/bivouac-test-other-XXXXXX", link_text[64], target[256];
    (void)state;
    autoclose int file = mkstemp(name);
    autoclose int another = mkstemp(other);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(link(name, other), 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(link(other, name), 0);
    snprintf(link_text, sizeof(link_text), "/proc/self/fd/%d", file);
    ssize_t n = readlink(link_text, target, sizeof(target) - 1);
    assert_true(n > 0);
    target[n] = '\0';
    assert_non_null(strstr(target, " (deleted)"));

    autofds struct bv_fds f = {0};
    assert_int_equal(bv_fds_scan(procfd, getpid(), &f, NULL), 0);
    unlink(name);
    unlink(other);
    assert_string_equal(find(&f, file)->target, name);
    assert_false(find(&f, file)->deleted);
    assert_true(find(&f, another)->deleted);
}

static void fields_are_found_by_their_whole_key(void **state)
{
    static const char text[] = "pos:\t12\nflags:\t0100002\nempty:\nafter:\t3\nPid:\t-1";
    (void)state;
    assert_int_equal(bv_field_number(text, "flags", 8, 0), 0100002);
    assert_int_equal(bv_field_number(text, "Pid", 10, 0), -1);
    assert_int_equal(bv_field_number(text, "flag", 10, 42), 42);
    assert_int_equal(bv_field_number(text, "empty", 10, 42), 42);
    assert_null(bv_field(text, "os"));
    assert_null(bv_field("", "pos"));
}

static void a_filter_of_system_calls_is_noticed(void **state)
{
    int before = bv_is_filtered(), status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog program = {.len = 1, .filter = &allow};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 && bv_is_filtered() ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(bv_is_filtered(), before);
}

static void numbers_of_the_kernel_are_read(void **state)
{
    (void)state;
    assert_true(bv_sysctl("/proc/sys/kernel/pid_max") > 300);
    assert_int_equal(bv_sysctl("/proc/sys/kernel/no-such-number"), -1);
    assert_int_equal(bv_sysctl("/proc/sys/kernel/ostype"), -1);
}

static void the_host_is_known(void **state)
{
    struct bv_host h;
    (void)state;
    assert_int_equal(bv_host_read(&h, NULL), 0);
    assert_int_equal(strlen(h.boot_id), 36);
    assert_true(h.name[0] && h.kernel[0] && h.machine[0] && h.pid_ns);
}

static void a_level_leaves_what_belongs_to_it(void **state)
{
    (void)state;
    autofree char *all = bv_cpu_limited("avx avx2 avx512f fpu newest", BV_CPU_NO_BASELINE);
    autofree char *v2 = bv_cpu_limited("avx avx2 avx512f fpu newest pni ssse3 xsave", BV_CPU_X86_64_V2);
    autofree char *v3 = bv_cpu_limited("avx avx2 avx512f fpu newest pni ssse3 xsave", BV_CPU_X86_64_V3);
    autofree char *rest = bv_cpu_without("a b c", "c a");
    assert_string_equal(all, "avx avx2 avx512f fpu newest");
    assert_string_equal(v2, "fpu pni ssse3 xsave");
    assert_string_equal(v3, "avx avx2 fpu pni ssse3 xsave");
    assert_string_equal(rest, "b");
    assert_null(bv_cpu_without("a b", "b a"));
    for (int b = 0; b < BV_CPU_BASELINES; b++) {
        autofree char *missing = bv_cpu_missing(bv_cpu_baseline_flags((enum bv_cpu_baseline)b), "");
        assert_int_equal(bv_cpu_baseline_parse(bv_cpu_baseline_name((enum bv_cpu_baseline)b)), b);
        assert_int_equal(missing != NULL, b != BV_CPU_NO_BASELINE);
    }
    assert_int_equal(bv_cpu_baseline_parse("x86-64-v4"), -1);
}

static void missing_cpu_features_are_named(void **state)
{
    autofree char *flags = NULL, *missing = NULL;
    (void)state;
    assert_int_equal(bv_cpu_flags(&flags, NULL), 0);
    assert_null(strstr(flags, "  "));
    assert_null(bv_cpu_missing(flags, flags));
    missing = bv_cpu_missing("avx avx2 sse", "avx512 sse");
    assert_string_equal(missing, "avx avx2");
    assert_null(bv_cpu_missing("", "x"));
    assert_null(bv_cpu_missing("hypervisor ibrs smep", "x"));
}

static void features_of_nodes_are_what_programs_may_use(void **state)
{
    autofree char *none = bv_cpu_features("ppc64le", "");
    autofree char *some = bv_cpu_features("x86_64", "a aes avx2 fpu hyper hypervisor zzz");
    (void)state;
    assert_string_equal(none, "bv-ppc64le");
    assert_string_equal(some, "bv-x86_64,bv-a,bv-aes,bv-avx2,bv-hyper,bv-zzz");
}

static int open_shm_table(const void *arg)
{
    return open(arg, O_RDONLY | O_CLOEXEC);
}

static void things_of_another_namespace_are_opened_there(void **state)
{
    int ready[2];
    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char failed = unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0;
        prctl(PR_SET_DUMPABLE, 1); /* the new user namespace took it away */
        if (write(ready[1], &failed, 1) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    char failed = 1;
    assert_int_equal(read(ready[0], &failed, 1), 1);
    close(ready[0]);
    close(ready[1]);
    if (failed) {
        end(child);
        skip();
    }
    autoclose int fd = bv_open_inside(procfd, child, "net", open_shm_table, "/proc/thread-self/net/dev");
    end(child);
    assert_true(fd >= 0);
    char text[4096];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 3); /* two of heading, and lo */
}

/* Which of the tree's sockets this is; -1 = none of them. */
static ssize_t find_socket(const struct bv_fd_sockets *all, int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (size_t i = 0; i < all->count; i++)
        if (all->socket[i].inode == st.st_ino)
            return (ssize_t)i;
    return -1;
}

static void sockets_of_a_tree_are_found_once_each(void **state)
{
    (void)state;
    struct bv_error err = {0};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    autoclose int first = pair[0], second = pair[1], again = dup(pair[0]);
    autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t child = idle_child(); /* has them too */
    pid_t zombie = fork();
    if (zombie == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)zombie, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);

    autofdsockets struct bv_fd_sockets all = {0};
    assert_int_equal(bv_fd_sockets_scan(procfd, getpid(), &all, &err), 0);
    ssize_t one = find_socket(&all, first), other = find_socket(&all, second);
    assert_true(one >= 0 && other >= 0 && one != other);
    assert_true(find_socket(&all, null) < 0);
    assert_int_equal(all.socket[one].pid, getpid());
    assert_int_equal(all.socket[one].fd, first);
    for (size_t i = 1; i < all.count; i++)
        assert_true(all.socket[i - 1].inode < all.socket[i].inode);
    assert_int_equal(waitpid(zombie, NULL, 0), zombie);

    autofdsockets struct bv_fd_sockets of_child = {0};
    assert_int_equal(bv_fd_sockets_scan(procfd, child, &of_child, &err), 0);
    assert_true(find_socket(&of_child, first) >= 0);
    end(child);
    assert_int_equal(bv_fd_sockets_scan(procfd, child, &of_child, &err), -1);
    assert_int_equal(err.code, BV_ENOTRUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_has_parents_before_their_children),
        cmocka_unit_test(a_process_that_is_gone_has_no_tree),
        cmocka_unit_test(a_name_with_blanks_and_parentheses_is_read),
        cmocka_unit_test(threads_are_found),
        cmocka_unit_test(a_process_is_known_by_its_start_time),
        cmocka_unit_test(descriptors_are_told_apart),
        cmocka_unit_test(a_deleted_file_is_still_found),
        cmocka_unit_test(a_file_called_deleted_is_not_deleted),
        cmocka_unit_test(a_file_that_is_there_is_not_deleted_whatever_the_kernel_says),
        cmocka_unit_test(sockets_of_a_tree_are_found_once_each),
        cmocka_unit_test(fields_are_found_by_their_whole_key),
        cmocka_unit_test(a_filter_of_system_calls_is_noticed),
        cmocka_unit_test(numbers_of_the_kernel_are_read),
        cmocka_unit_test(the_host_is_known),
        cmocka_unit_test(missing_cpu_features_are_named),
        cmocka_unit_test(a_level_leaves_what_belongs_to_it),
        cmocka_unit_test(features_of_nodes_are_what_programs_may_use),
        cmocka_unit_test(things_of_another_namespace_are_opened_there),
    };
    return cmocka_run_group_tests(tests, open_proc, NULL);
}
