/* SPDX-License-Identifier: Apache-2.0 */
/* What preflight says of open files, mappings and other things that processes have; and how findings are told. */
#include "preflight_fixture.h"

#include <linux/perf_event.h>
#include <mqueue.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

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
        cmocka_unit_test(a_fanotify_mark_blocks),
        cmocka_unit_test(a_fanotify_descriptor_without_a_mark_is_nothing),
        cmocka_unit_test(watching_a_directory_blocks),
        cmocka_unit_test(an_inotify_descriptor_without_a_watch_is_nothing),
        cmocka_unit_test(a_semaphore_eventfd_weakens),
        cmocka_unit_test(an_open_device_blocks),
        cmocka_unit_test(a_deleted_directory_with_a_deleted_file_blocks),
        cmocka_unit_test(what_is_kept_is_no_finding),
        cmocka_unit_test(a_topic_is_told_once_per_process_and_eight_times_in_all),
        cmocka_unit_test(findings_become_json),
    };
    return are_we_filtered() ? skip_all() : cmocka_run_group_tests(tests, NULL, NULL);
}
