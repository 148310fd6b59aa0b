/* SPDX-License-Identifier: Apache-2.0 */
/* Preflight against the real things: each test has a child make one, and asks what preflight says of the child. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "job/preflight.h"
#include "proc/tree.h"

/* What a child makes. Returns 0, or the errno with which the kernel refused it. */
typedef int make(void *arg);

struct child {
    pid_t pid;
    int refused; /* errno, 0 if the thing was made */
};

static void be_child(int ready, make *it, void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    int refused = it ? it(arg) : 0;
    if (write(ready, &refused, sizeof(refused)) < 0)
        _exit(1);
    close(ready);
    for (;;)
        pause();
}

static struct child start(make *it, void *arg)
{
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    struct child c = {.pid = fork()};
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        close(ready[0]);
        be_child(ready[1], it, arg);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c.refused, sizeof(c.refused)), sizeof(c.refused));
    close(ready[0]);
    return c;
}

static void stop(struct child *c)
{
    kill(c->pid, SIGKILL);
    assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
}

static struct bv_findings inspect_with(struct bv_preflight p)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_findings f = {0};
    struct bv_error err = {0};
    p.procfd = procfd;
    if (bv_preflight_run(&p, &f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static struct bv_findings inspect(pid_t pid)
{
    return inspect_with((struct bv_preflight){.root = pid});
}

static const struct bv_finding *find(const struct bv_findings *f, const char *topic)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->finding[i].topic, topic) == 0)
            return &f->finding[i];
    return NULL;
}

static void skip_if_refused(struct child *c, const char *what)
{
    if (!c->refused)
        return;
    print_message("# the kernel refuses %s here: %s\n", what, strerror(c->refused));
    stop(c);
    skip();
}

/* A child that makes `it` has exactly this finding. */
static void expect(make *it, void *arg, const char *topic, enum bv_finding_weight weight)
{
    struct child c = start(it, arg);
    skip_if_refused(&c, topic);
    struct bv_findings f = inspect(c.pid);
    stop(&c);

    const struct bv_finding *found = find(&f, topic);
    if (!found)
        fail_msg("no finding '%s'", topic);
    assert_int_equal(found->weight, weight);
    assert_int_equal(found->pid, c.pid);
    assert_true(strlen(found->text) > 10 && found->text[strlen(found->text) - 1] == '.');
    assert_true(strlen(found->remedy) > 10 && found->remedy[strlen(found->remedy) - 1] == '.');
    assert_int_equal(f.count, 1);
    bv_findings_free(&f);
}

/* A child that makes `it` is clean. */
static void expect_nothing(make *it, void *arg)
{
    struct child c = start(it, arg);
    skip_if_refused(&c, "this");
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    for (size_t i = 0; i < f.count; i++)
        print_message("# unexpected: %s: %s\n", f.finding[i].topic, f.finding[i].text);
    assert_int_equal(f.count, 0);
    assert_int_equal(bv_preflight_blocking(&f), 0);
    bv_findings_free(&f);
}

static int result(long rc)
{
    return rc < 0 ? errno : 0;
}

static int make_io_uring(void *arg)
{
    unsigned params[30] = {0}; /* struct io_uring_params: 120 bytes of zero ask for the defaults */
    (void)arg;
    return result(syscall(SYS_io_uring_setup, 4, params));
}

static void an_io_uring_ring_blocks(void **state)
{
    (void)state;
    expect(make_io_uring, NULL, "io_uring", BV_FINDING_BLOCKS);
}

/* The memory outlives the descriptor. */
static int make_closed_io_uring(void *arg)
{
    unsigned params[30] = {0};
    (void)arg;
    int fd = (int)syscall(SYS_io_uring_setup, 4, params);
    if (fd < 0)
        return errno;
    void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? errno : 0;
}

static void an_io_uring_ring_that_is_only_mapped_weakens(void **state)
{
    (void)state;
    expect(make_closed_io_uring, NULL, "io_uring-mapping", BV_FINDING_WEAKENS);
}

static int make_userfaultfd(void *arg)
{
    (void)arg;
    return result(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */));
}

static void a_userfaultfd_blocks(void **state)
{
    (void)state;
    expect(make_userfaultfd, NULL, "userfaultfd", BV_FINDING_BLOCKS);
}

static int make_perf_event(void *arg)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1};
    (void)arg;
    return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static void a_perf_event_blocks(void **state)
{
    (void)state;
    expect(make_perf_event, NULL, "perf_event", BV_FINDING_BLOCKS);
}

static int make_mqueue(void *arg)
{
    char name[32];
    (void)arg;
    snprintf(name, sizeof(name), "/bivouac-test-%d", (int)getpid());
    mqd_t q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
    int refused = q < 0 ? errno : 0;
    mq_unlink(name);
    return refused;
}

static void a_message_queue_blocks(void **state)
{
    (void)state;
    expect(make_mqueue, NULL, "mqueue", BV_FINDING_BLOCKS);
}

static int make_sysv_shm(void *arg)
{
    (void)arg;
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    if (id < 0)
        return errno;
    void *p = shmat(id, NULL, 0);
    int refused = p == (void *)-1 ? errno : 0;
    shmctl(id, IPC_RMID, NULL);
    return refused;
}

static void an_attached_sysv_segment_blocks(void **state)
{
    (void)state;
    expect(make_sysv_shm, NULL, "sysv-shm", BV_FINDING_BLOCKS);
}

static int make_deleted_mapping(void *arg)
{
    const char *dir = arg;
    char name[64];
    snprintf(name, sizeof(name), "%s/bivouac-test-XXXXXX", dir);
    int fd = mkstemp(name);
    if (fd < 0 || ftruncate(fd, 4096) < 0)
        return errno;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unlink(name);
    close(fd);
    return p == MAP_FAILED ? errno : 0;
}

static void a_deleted_file_that_is_mapped_blocks(void **state)
{
    (void)state;
    expect(make_deleted_mapping, (char[]){"/tmp"}, "deleted-mapping", BV_FINDING_BLOCKS);
}

static int make_semaphore(void *arg)
{
    char name[32];
    (void)arg;
    snprintf(name, sizeof(name), "/bivouac-test-%d", (int)getpid());
    sem_t *s = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
    int refused = s == SEM_FAILED ? errno : 0;
    sem_unlink(name);
    return refused;
}

static void a_deleted_named_semaphore_blocks(void **state)
{
    (void)state;
    expect(make_semaphore, NULL, "deleted-semaphore", BV_FINDING_BLOCKS);
}

static int make_aio(void *arg)
{
    unsigned long context = 0;
    (void)arg;
    return result(syscall(SYS_io_setup, 8, &context));
}

static void asynchronous_file_access_blocks(void **state)
{
    (void)state;
    expect(make_aio, NULL, "aio", BV_FINDING_BLOCKS);
}

static int make_fanotify(void *arg)
{
    int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, 0);
    if (fd < 0)
        return errno;
    return arg ? result(fanotify_mark(fd, FAN_MARK_ADD, FAN_CREATE | FAN_ONDIR, AT_FDCWD, "/tmp")) : 0;
}

static void a_fanotify_mark_blocks(void **state)
{
    (void)state;
    expect(make_fanotify, (char[]){"mark"}, "fanotify", BV_FINDING_BLOCKS);
}

static void a_fanotify_descriptor_without_a_mark_is_nothing(void **state)
{
    (void)state;
    expect_nothing(make_fanotify, NULL);
}

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

static int make_inotify(void *arg)
{
    int fd = inotify_init1(0);
    if (fd < 0)
        return errno;
    return arg ? result(inotify_add_watch(fd, "/tmp", IN_CREATE)) : 0;
}

static void watching_a_directory_blocks(void **state)
{
    (void)state;
    expect(make_inotify, (char[]){"watch"}, "inotify", BV_FINDING_BLOCKS);
}

static void an_inotify_descriptor_without_a_watch_is_nothing(void **state)
{
    (void)state;
    expect_nothing(make_inotify, NULL);
}

static int make_semaphore_eventfd(void *arg)
{
    (void)arg;
    return result(eventfd(3, EFD_SEMAPHORE));
}

static void a_semaphore_eventfd_weakens(void **state)
{
    (void)state;
    expect(make_semaphore_eventfd, NULL, "eventfd-semaphore", BV_FINDING_WEAKENS);
}

static int keep_descriptor(void *arg)
{
    return fcntl(*(int *)arg, F_GETFD) < 0 ? errno : 0;
}

static void a_unix_socket_of_which_the_tree_has_both_ends_is_nothing(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    expect_nothing(keep_descriptor, pair);
    close(pair[0]);
    close(pair[1]);
}

static int close_one(void *arg)
{
    int *pair = arg;
    return close(pair[1]) < 0 ? errno : 0;
}

static void a_unix_socket_whose_other_end_only_we_have_blocks(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    expect(close_one, pair, "unix-outside", BV_FINDING_BLOCKS);
    close(pair[0]);
    close(pair[1]);
}

static int pair_between_two_processes(void *arg)
{
    int pair[2];
    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return errno;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        for (;;)
            pause();
    }
    close(pair[1]);
    return child < 0 ? errno : 0;
}

static void a_unix_socket_within_the_tree_is_nothing(void **state)
{
    (void)state;
    expect_nothing(pair_between_two_processes, NULL);
}

static int listen_on_loopback(struct sockaddr_in *ret)
{
    socklen_t size = sizeof(*ret);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &size), 0);
    return fd;
}

static int make_connection(void *arg)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? errno : result(connect(fd, arg, sizeof(struct sockaddr_in)));
}

struct listener {
    struct sockaddr_in to;
    int fd;
};

static int close_and_connect(void *arg)
{
    const struct listener *a = arg;
    close(a->fd);
    return make_connection((void *)&a->to);
}

static void a_tcp_connection_to_outside_blocks(void **state)
{
    struct listener a;
    (void)state;
    a.fd = listen_on_loopback(&a.to);
    expect(close_and_connect, &a, "tcp-outside", BV_FINDING_BLOCKS);
    close(a.fd);
}

static int make_own_connection(void *arg)
{
    struct sockaddr_in to;
    int listener = listen_on_loopback(&to);
    int refused = make_connection(&to);
    if (refused || arg)
        return refused;
    int fd = accept(listener, NULL, NULL);
    close(listener);
    return fd < 0 ? errno : 0;
}

static void a_tcp_connection_within_the_job_asks_for_a_private_network(void **state)
{
    (void)state;
    expect(make_own_connection, NULL, "tcp-inside", BV_FINDING_BLOCKS);
}

static void a_tcp_connection_within_a_private_network_is_nothing(void **state)
{
    (void)state;
    struct child c = start(make_own_connection, NULL);
    skip_if_refused(&c, "TCP");
    struct bv_findings f = inspect_with((struct bv_preflight){.root = c.pid, .private_network = 1});
    stop(&c);
    assert_int_equal(f.count, 0);
    bv_findings_free(&f);
}

static void a_connection_nobody_accepted_blocks(void **state)
{
    (void)state;
    struct child c = start(make_own_connection, (char[]){"leave it"});
    skip_if_refused(&c, "TCP");
    struct bv_findings f = inspect_with((struct bv_preflight){.root = c.pid, .private_network = 1});
    stop(&c);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, "tcp-backlog");
    assert_int_equal(bv_preflight_blocking(&f), 1);
    bv_findings_free(&f);
}

static int make_listener(void *arg)
{
    struct sockaddr_in at;
    (void)arg;
    return listen_on_loopback(&at) < 0 ? errno : 0;
}

static void a_listener_on_the_hosts_network_is_noted(void **state)
{
    (void)state;
    expect(make_listener, NULL, "tcp-listen", BV_FINDING_NOTE);
}

static int make_queued_datagram(void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    (void)arg;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return errno;
    return result(sendto(fd, "hello", 5, 0, (struct sockaddr *)&at, size));
}

static void a_queued_datagram_weakens(void **state)
{
    (void)state;
    expect(make_queued_datagram, NULL, "udp-queue", BV_FINDING_WEAKENS);
}

static int make_mptcp(void *arg)
{
    (void)arg;
    return result(socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */));
}

static void a_multipath_tcp_socket_blocks(void **state)
{
    (void)state;
    expect(make_mptcp, NULL, "mptcp", BV_FINDING_BLOCKS);
}

static int make_vsock(void *arg)
{
    (void)arg;
    return result(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static void a_socket_of_another_family_blocks(void **state)
{
    (void)state;
    expect(make_vsock, NULL, "socket-family", BV_FINDING_BLOCKS);
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

static int make_device(void *arg)
{
    return result(open(arg, O_RDWR));
}

static void an_open_device_blocks(void **state)
{
    (void)state;
    expect(make_device, (char[]){"/dev/fuse"}, "device", BV_FINDING_BLOCKS);
}

static int make_deleted_directory(void *arg)
{
    char dir[] = "/tmp/bivouac-test-XXXXXX", file[64];
    (void)arg;
    if (!mkdtemp(dir))
        return errno;
    snprintf(file, sizeof(file), "%s/file", dir);
    int refused = open(dir, O_RDONLY | O_DIRECTORY) < 0 || open(file, O_RDWR | O_CREAT, 0600) < 0 ? errno : 0;
    unlink(file);
    rmdir(dir);
    return refused;
}

static void a_deleted_directory_with_a_deleted_file_blocks(void **state)
{
    (void)state;
    expect(make_deleted_directory, NULL, "deleted-directory", BV_FINDING_BLOCKS);
}

/* Everything that is known to be kept. */
static int make_harmless_things(void *arg)
{
    int pipes[2], pair[2];
    (void)arg;
    int memory = (int)syscall(SYS_memfd_create, "m", 0);
    if (memory < 0 || ftruncate(memory, 4096) < 0 || pipe(pipes) < 0 || eventfd(1, 0) < 0 || epoll_create1(0) < 0)
        return errno;
    if (timerfd_create(CLOCK_MONOTONIC, 0) < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
        return errno;
    if (open("/dev/null", O_RDWR) < 0 || open("/dev/urandom", O_RDONLY) < 0 || open("/dev/ptmx", O_RDWR | O_NOCTTY) < 0)
        return errno;
    if (open("/tmp", O_RDONLY | O_DIRECTORY) < 0 || open("/proc/self/stat", O_RDONLY) < 0 ||
        socket(AF_INET6, SOCK_DGRAM, 0) < 0)
        return errno;
    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mmap(NULL, 4096, PROT_READ, MAP_SHARED, memory, 0);
    char name[] = "/tmp/bivouac-test-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    return fd < 0 ? errno : 0;
}

static void what_is_kept_is_no_finding(void **state)
{
    (void)state;
    expect_nothing(make_harmless_things, NULL);
}

static int make_zombie_and_descendants(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child < 0 ? errno : pair_between_two_processes(NULL);
}

static void a_zombie_is_no_finding(void **state)
{
    (void)state;
    expect_nothing(make_zombie_and_descendants, NULL);
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
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, "stuck");
    assert_int_equal(f.finding[0].weight, BV_FINDING_NOTE);
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

static int make_many_rings(void *arg)
{
    int refused = make_io_uring(arg);
    make_io_uring(arg);
    make_semaphore_eventfd(arg);
    for (int i = 0; i < 20 && !refused; i++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
    }
    return refused;
}

static void a_topic_is_told_once_per_process_and_eight_times_in_all(void **state)
{
    (void)state;
    struct child c = start(make_many_rings, NULL);
    skip_if_refused(&c, "io_uring");
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    assert_int_equal(f.count, 16);
    assert_int_equal(bv_preflight_blocking(&f), 8);
    for (size_t i = 1; i < f.count; i++) {
        assert_true(f.finding[i - 1].weight >= f.finding[i].weight);
        if (f.finding[i - 1].weight == f.finding[i].weight)
            assert_true(f.finding[i - 1].pid < f.finding[i].pid);
    }
    bv_findings_free(&f);
}

static void findings_become_json(void **state)
{
    (void)state;
    struct child c = start(make_semaphore_eventfd, NULL);
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    autojson json_t *j = bv_findings_json(&f);
    const json_t *first = json_array_get(j, 0);
    assert_int_equal(json_array_size(j), 1);
    assert_string_equal(json_string_value(json_object_get(first, "weight")), "weakens");
    assert_string_equal(json_string_value(json_object_get(first, "topic")), "eventfd-semaphore");
    assert_int_equal(json_integer_value(json_object_get(first, "pid")), c.pid);
    assert_non_null(json_string_value(json_object_get(first, "command")));
    assert_non_null(json_string_value(json_object_get(first, "text")));
    assert_non_null(json_string_value(json_object_get(first, "remedy")));
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

/* A container that filters system calls gives every process the finding "seccomp"; nothing else can be told then. */
static int are_we_filtered(void)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_task self = {0};
    return bv_task_read(procfd, getpid(), &self, NULL) == 0 && self.seccomp;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_io_uring_ring_blocks),
        cmocka_unit_test(an_io_uring_ring_that_is_only_mapped_weakens),
        cmocka_unit_test(a_userfaultfd_blocks),
        cmocka_unit_test(a_perf_event_blocks),
        cmocka_unit_test(a_message_queue_blocks),
        cmocka_unit_test(an_attached_sysv_segment_blocks),
        cmocka_unit_test(a_deleted_file_that_is_mapped_blocks),
        cmocka_unit_test(a_deleted_named_semaphore_blocks),
        cmocka_unit_test(asynchronous_file_access_blocks),
        cmocka_unit_test(watching_a_directory_blocks),
        cmocka_unit_test(a_fanotify_mark_blocks),
        cmocka_unit_test(a_fanotify_descriptor_without_a_mark_is_nothing),
        cmocka_unit_test(a_pidfd_of_an_outside_process_blocks),
        cmocka_unit_test(a_process_that_hides_blocks),
        cmocka_unit_test(a_root_that_hides_blocks),
        cmocka_unit_test(a_process_of_somebody_else_is_an_error),
        cmocka_unit_test(an_inotify_descriptor_without_a_watch_is_nothing),
        cmocka_unit_test(a_semaphore_eventfd_weakens),
        cmocka_unit_test(a_unix_socket_of_which_the_tree_has_both_ends_is_nothing),
        cmocka_unit_test(a_unix_socket_whose_other_end_only_we_have_blocks),
        cmocka_unit_test(a_unix_socket_within_the_tree_is_nothing),
        cmocka_unit_test(a_tcp_connection_to_outside_blocks),
        cmocka_unit_test(a_tcp_connection_within_the_job_asks_for_a_private_network),
        cmocka_unit_test(a_tcp_connection_within_a_private_network_is_nothing),
        cmocka_unit_test(a_connection_nobody_accepted_blocks),
        cmocka_unit_test(a_listener_on_the_hosts_network_is_noted),
        cmocka_unit_test(a_queued_datagram_weakens),
        cmocka_unit_test(a_multipath_tcp_socket_blocks),
        cmocka_unit_test(a_socket_of_another_family_blocks),
        cmocka_unit_test(a_seccomp_filter_blocks),
        cmocka_unit_test(a_traced_process_blocks),
        cmocka_unit_test(a_descendant_in_namespaces_of_its_own_blocks),
        cmocka_unit_test(an_open_device_blocks),
        cmocka_unit_test(a_deleted_directory_with_a_deleted_file_blocks),
        cmocka_unit_test(what_is_kept_is_no_finding),
        cmocka_unit_test(a_zombie_is_no_finding),
        cmocka_unit_test(a_process_that_waits_in_the_kernel_is_noted),
        cmocka_unit_test(a_daemon_and_objects_without_owner_in_a_capsule_are_lost),
        cmocka_unit_test(a_topic_is_told_once_per_process_and_eight_times_in_all),
        cmocka_unit_test(findings_become_json),
        cmocka_unit_test(a_process_that_is_not_there_is_an_error),
    };
    if (are_we_filtered()) {
        puts("1..0 # SKIP a seccomp filter is in force here: preflight would see it in every child");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
