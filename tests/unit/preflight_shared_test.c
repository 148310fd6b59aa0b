/* SPDX-License-Identifier: Apache-2.0 */
/* What preflight says of what processes share, and of what the engine would lose without a word. */
#include "preflight_fixture.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

static int sleep_in_child(void *arg)
{
    (void)arg;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
    return 0;
}

static int make_clone(void *arg)
{
    static char stack[65536] __attribute__((aligned(16)));
    return result(clone(sleep_in_child, stack + sizeof(stack), *(int *)arg | SIGCHLD, NULL));
}

/* The finding is about a child of what was made. */
static void expect_of_child(make *it, void *arg, const char *topic)
{
    struct child c = start(it, arg);
    skip_if_refused(&c, topic);
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, topic);
    assert_int_not_equal(f.finding[0].pid, c.pid);
    assert_int_equal(f.finding[0].weight, BV_FINDING_BLOCKS);
    bv_findings_free(&f);
}

static void a_child_that_shares_memory_blocks(void **state)
{
    int flags = CLONE_VM;
    (void)state;
    expect_of_child(make_clone, &flags, "clone");
}

static void a_child_that_shares_its_place_blocks(void **state)
{
    int flags = CLONE_FS;
    (void)state;
    expect_of_child(make_clone, &flags, "clone");
}

static void a_child_that_shares_descriptors_is_nothing(void **state)
{
    int flags = CLONE_FILES;
    (void)state;
    expect_nothing(make_clone, &flags);
}

struct apart {
    int flags, refused;
    pthread_barrier_t done;
};

static void *be_apart(void *arg)
{
    struct apart *a = arg;
    a->refused = a->flags ? result(unshare(a->flags)) : 0;
    pthread_barrier_wait(&a->done);
    for (;;)
        pause();
    return NULL;
}

static int make_thread(void *arg)
{
    pthread_t t;
    static struct apart a;
    a.flags = *(int *)arg;
    pthread_barrier_init(&a.done, NULL, 2);
    if (pthread_create(&t, NULL, be_apart, &a) != 0)
        return EAGAIN;
    pthread_barrier_wait(&a.done);
    return a.refused;
}

static void a_thread_with_things_of_its_own_weakens(void **state)
{
    int files = CLONE_FILES, place = CLONE_FS, nothing = 0;
    (void)state;
    expect(make_thread, &files, "thread-apart", BV_FINDING_WEAKENS);
    expect(make_thread, &place, "thread-apart", BV_FINDING_WEAKENS);
    expect_nothing(make_thread, &nothing);
}

struct mapping {
    int flags, keep_open;
};

static int make_memfd(void *arg)
{
    const struct mapping *m = arg;
    int fd = memfd_create("test", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 4096) < 0)
        return errno;
    if (m->flags && mmap(NULL, 4096, PROT_READ | PROT_WRITE, m->flags, fd, 0) == MAP_FAILED)
        return errno;
    if (!m->keep_open)
        close(fd);
    return 0;
}

static void a_memfd_that_is_open_and_mapped_blocks_unnoticed(void **state)
{
    struct mapping both = {MAP_SHARED, 1};
    (void)state;
    expect(make_memfd, &both, "memfd-mapping", BV_FINDING_BLOCKS);

    struct child c = start(make_memfd, &both);
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    const struct bv_finding *first = bv_preflight_unnoticed(&f);
    assert_non_null(first);
    assert_string_equal(first->topic, "memfd-mapping");
    bv_findings_free(&f);
}

static void a_memfd_that_is_mapped_for_one_process_blocks(void **state)
{
    struct mapping alone = {MAP_PRIVATE, 0};
    (void)state;
    expect(make_memfd, &alone, "memfd-mapping", BV_FINDING_BLOCKS);
}

static void a_memfd_that_is_either_open_or_mapped_is_nothing(void **state)
{
    struct mapping only_open = {0, 1}, only_mapped = {MAP_SHARED, 0};
    (void)state;
    expect_nothing(make_memfd, &only_open);
    expect_nothing(make_memfd, &only_mapped);
}

/* One process has it open, another mapped. */
static int make_memfd_apart(void *arg)
{
    int ready[2];
    char c;
    (void)arg;
    int fd = memfd_create("test", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 4096) < 0 || pipe2(ready, O_CLOEXEC) < 0)
        return errno;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
            _exit(1);
        close(fd);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    return read(ready[0], &c, 1) == 1 ? 0 : EIO;
}

static void a_memfd_that_one_has_open_and_another_mapped_blocks(void **state)
{
    (void)state;
    expect_of_child(make_memfd_apart, NULL, "memfd-mapping");
}

/* --- deleted directories --- */

/* A child opens a file in the directory; the parent has that open, or is there. */
static int make_deleted(void *arg)
{
    char path[] = "/tmp/bivouac-preflight-XXXXXX", c;
    int ready[2];
    if (!mkdtemp(path) || pipe2(ready, O_CLOEXEC) < 0 || chdir(path) < 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || unlink("file") < 0 || chdir("/") < 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    if (read(ready[0], &c, 1) != 1)
        return EIO;
    if (arg && (open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 || chdir("/") < 0))
        return errno;
    return result(rmdir(path));
}

static void a_deleted_directory_of_one_and_a_file_of_another_block(void **state)
{
    (void)state;
    expect(make_deleted, (char[]){"open"}, "deleted-directory", BV_FINDING_BLOCKS);
    expect(make_deleted, NULL, "deleted-directory", BV_FINDING_BLOCKS);
}

/* It is where it has the file open. */
static int make_deleted_place(void *arg)
{
    (void)arg;
    char path[] = "/tmp/bivouac-preflight-XXXXXX";
    if (!mkdtemp(path) || chdir(path) < 0)
        return errno;
    int fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 || unlink("file") < 0 ? errno : result(rmdir(path));
}

static void a_deleted_place_with_a_file_of_its_own_is_nothing(void **state)
{
    (void)state;
    expect_nothing(make_deleted_place, NULL);
}

static int make_packet_pipe(void *arg)
{
    int ends[2];
    (void)arg;
    return result(pipe2(ends, O_CLOEXEC | O_DIRECT));
}

static void a_pipe_of_packets_blocks(void **state)
{
    (void)state;
    expect(make_packet_pipe, NULL, "pipe-packets", BV_FINDING_BLOCKS);
}

/* What was watched is gone; the descriptor has an event and no watch. */
static int make_queued_event(void *arg)
{
    (void)arg;
    char path[] = "/tmp/bivouac-preflight-XXXXXX";
    int file = mkstemp(path), fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (file < 0 || fd < 0 || inotify_add_watch(fd, path, IN_DELETE_SELF) < 0)
        return errno;
    close(file);
    return result(unlink(path));
}

static void an_event_that_waits_weakens(void **state)
{
    (void)state;
    expect(make_queued_event, NULL, "inotify-queue", BV_FINDING_WEAKENS);
}

static int make_personality(void *arg)
{
    return result(personality(*(unsigned long *)arg));
}

static void a_personality_that_would_be_lost_weakens(void **state)
{
    unsigned long old = UNAME26, kept = ADDR_NO_RANDOMIZE;
    (void)state;
    expect(make_personality, &old, "personality", BV_FINDING_WEAKENS);
    expect_nothing(make_personality, &kept);
}

static int bind_memory(void *arg)
{
    unsigned long node = 1;
    (void)arg;
    return result(syscall(SYS_set_mempolicy, MPOL_BIND, &node, 64));
}

static int bind_mapping(void *arg)
{
    unsigned long node = 1;
    (void)arg;
    void *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return m == MAP_FAILED ? errno : result(syscall(SYS_mbind, m, 1 << 20, MPOL_BIND, &node, 64, 0));
}

static void a_memory_policy_of_its_own_weakens(void **state)
{
    (void)state;
    expect(bind_memory, NULL, "memory-policy", BV_FINDING_WEAKENS);
    expect(bind_mapping, NULL, "memory-policy", BV_FINDING_WEAKENS);
}

/* --- unix sockets that nobody has accepted --- */

static int unix_socket(struct sockaddr_un *a, socklen_t *n)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                     (size_t)snprintf(a->sun_path + 1, 60, "bivouac-preflight-%d", (int)getpid()));
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int make_backlog(void *arg)
{
    struct sockaddr_un a;
    socklen_t n;
    int here = unix_socket(&a, &n), there = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (here < 0 || there < 0 || bind(here, (struct sockaddr *)&a, n) < 0 || listen(here, 4) < 0 ||
        connect(there, (struct sockaddr *)&a, n) < 0)
        return errno;
    return arg ? result(send(there, "x", 1, 0)) : 0;
}

static void data_for_who_has_not_accepted_blocks(void **state)
{
    (void)state;
    expect(make_backlog, (char[]){"send"}, "unix-backlog", BV_FINDING_BLOCKS);
    expect_nothing(make_backlog, NULL);
}

struct meeting {
    struct sockaddr_un at;
    socklen_t n;
    int listener;
};

/* The listening socket stays with us alone. */
static int connect_there(void *arg)
{
    const struct meeting *m = arg;
    close(m->listener);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : result(connect(fd, (const struct sockaddr *)&m->at, m->n));
}

static void who_waits_for_somebody_outside_blocks(void **state)
{
    struct meeting m;
    (void)state;
    m.listener = unix_socket(&m.at, &m.n);
    assert_true(m.listener >= 0);
    assert_int_equal(bind(m.listener, (struct sockaddr *)&m.at, m.n), 0);
    assert_int_equal(listen(m.listener, 4), 0);
    expect(connect_there, &m, "unix-outside", BV_FINDING_BLOCKS);
    close(m.listener);
}

static int listen_here(void *arg)
{
    const struct meeting *m = arg;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&m->at, m->n) < 0)
        return errno;
    return result(listen(fd, 4));
}

static void somebody_outside_who_waits_blocks(void **state)
{
    struct meeting m;
    (void)state;
    int fd = unix_socket(&m.at, &m.n);
    close(fd);
    struct child c = start(listen_here, &m);
    skip_if_refused(&c, "a socket");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&m.at, m.n), 0);
    struct bv_findings f = inspect(c.pid);
    stop(&c);
    close(fd);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.finding[0].topic, "unix-outside");
    bv_findings_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_shares_memory_blocks),
        cmocka_unit_test(a_child_that_shares_its_place_blocks),
        cmocka_unit_test(a_child_that_shares_descriptors_is_nothing),
        cmocka_unit_test(a_thread_with_things_of_its_own_weakens),
        cmocka_unit_test(a_memfd_that_is_open_and_mapped_blocks_unnoticed),
        cmocka_unit_test(a_memfd_that_is_mapped_for_one_process_blocks),
        cmocka_unit_test(a_memfd_that_is_either_open_or_mapped_is_nothing),
        cmocka_unit_test(a_memfd_that_one_has_open_and_another_mapped_blocks),
        cmocka_unit_test(a_deleted_directory_of_one_and_a_file_of_another_block),
        cmocka_unit_test(a_deleted_place_with_a_file_of_its_own_is_nothing),
        cmocka_unit_test(a_pipe_of_packets_blocks),
        cmocka_unit_test(an_event_that_waits_weakens),
        cmocka_unit_test(a_personality_that_would_be_lost_weakens),
        cmocka_unit_test(a_memory_policy_of_its_own_weakens),
        cmocka_unit_test(data_for_who_has_not_accepted_blocks),
        cmocka_unit_test(who_waits_for_somebody_outside_blocks),
        cmocka_unit_test(somebody_outside_who_waits_blocks),
    };
    if (are_we_filtered())
        return skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
