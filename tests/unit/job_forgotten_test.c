/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine forgets of threads and sockets, and what is put back. */
#include "unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "engine/injected.h"
#include "job/forgotten.h"
#include "proc/maps.h"

#define IDLE (3 << 13) /* a class of ioprio_set(2) */

/* A child that does `f` and sleeps. */
static pid_t start_child(void (*f)(void))
{
    int ready[2];
    char c;
    pid_t parent = getpid();
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        f();
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void stop_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void do_nothing(void)
{
}

static void be_idle(void)
{
    syscall(SYS_ioprio_set, 1, 0, IDLE);
    prctl(PR_SET_TIMERSLACK, 123456);
    personality(ADDR_NO_RANDOMIZE | UNAME26);
}

static int make_socket(int timeout)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (timeout)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
    return fd;
}

static int own_socket;

static void have_sockets(void)
{
    make_socket(0);
    own_socket = dup(make_socket(4711)); /* one socket is told once */
}

static json_t *take(pid_t pid)
{
    json_t *all = NULL;
    assert_int_equal(bv_forgotten_take(pid, &all, NULL), 0);
    return all;
}

static void a_job_that_has_set_nothing_has_nothing_to_keep(void **state)
{
    (void)state;
    pid_t pid = start_child(do_nothing);
    autojson json_t *all = take(pid);
    stop_child(pid);
    autojson json_t *wanted = json_pack("{s:[], s:[]}", "threads", "sockets");
    assert_true(json_equal(all, wanted));
    assert_int_equal(bv_forgotten_restore(all, NULL), 0);
    assert_int_equal(bv_forgotten_restore(NULL, NULL), 0);
}

static void what_a_thread_has_set_is_taken_and_given_back(void **state)
{
    (void)state;
    pid_t pid = start_child(be_idle);
    autojson json_t *all = take(pid);
    stop_child(pid);
    const json_t *thread = json_array_get(json_object_get(all, "threads"), 0);
    assert_int_equal(json_integer_value(json_object_get(thread, "tid")), pid);
    assert_int_equal(json_integer_value(json_object_get(thread, "ioprio")), IDLE);
    assert_int_equal(json_integer_value(json_object_get(all, "personality")), ADDR_NO_RANDOMIZE);

    pid = start_child(do_nothing);
    autojson json_t *other = json_pack("{s:[{s:i, s:i}], s:[]}", "threads", "tid", (int)pid, "ioprio", IDLE, "sockets");
    assert_int_equal(bv_forgotten_restore(other, NULL), 0);
    assert_int_equal(syscall(SYS_ioprio_get, 1, pid), IDLE);
    stop_child(pid);
}

static void options_of_a_socket_are_taken_and_given_back(void **state)
{
    (void)state;
    pid_t pid = start_child(have_sockets);
    autojson json_t *all = take(pid);
    stop_child(pid);
    const json_t *sockets = json_object_get(all, "sockets"), *one = json_array_get(sockets, 0);
    assert_int_equal(json_array_size(sockets), 1);
    assert_int_equal(json_integer_value(json_object_get(one, "pid")), pid);
    const json_t *options = json_object_get(one, "options");
    assert_int_equal(json_object_size(options), 1);
    assert_int_equal(json_integer_value(json_object_get(options, "TCP_USER_TIMEOUT")), 4711);

    int fd = make_socket(0), value = 0;
    socklen_t n = sizeof(value);
    autojson json_t *ours = json_pack("[{s:i, s:i, s:{s:i, s:i, s:i}}]", "pid", (int)getpid(), "fd", fd, "options",
                                      "TCP_USER_TIMEOUT", 4711, "NO_SUCH_OPTION", 1, "TCP_SYNCNT", 100000);
    assert_int_equal(bv_forgotten_sockets_restore(ours, NULL), 1); /* the last one is too much */
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &n), 0);
    assert_int_equal(value, 4711);
    close(fd);
}

static void have_many(void)
{
    for (int i = 0; i < BV_FORGOTTEN_OPTIONS + 10; i++)
        make_socket(i + 1);
}

static void what_does_not_fit_is_left_out_and_counted(void **state)
{
    (void)state;
    pid_t pid = start_child(have_many);
    autojson json_t *all = NULL;
    assert_int_equal(bv_forgotten_take(pid, &all, NULL), 10);
    stop_child(pid);
    assert_int_equal(json_array_size(json_object_get(all, "sockets")), BV_FORGOTTEN_OPTIONS);
}

static void what_is_gone_is_counted(void **state)
{
    (void)state;
    pid_t pid = start_child(do_nothing);
    stop_child(pid);
    autojson json_t *all =
        json_pack("{s:[{s:i, s:i, s:i}], s:[{s:i, s:i, s:{}}]}", "threads", "tid", (int)pid, "ioprio", IDLE,
                  "timer_slack_ns", 1, "sockets", "pid", (int)pid, "fd", 3, "options");
    assert_int_equal(bv_forgotten_restore(all, NULL), 3);
}

static void what_is_inherited_is_one_flag_only(void **state)
{
    (void)state;
    autojson json_t *all = json_pack("{s:I}", "personality", (json_int_t)(ADDR_NO_RANDOMIZE | UNAME26 | 0x0400000));
    pid_t pid = fork();
    if (pid == 0) {
        int before = personality(0xffffffff);
        bv_forgotten_inherit(NULL);
        int none = personality(0xffffffff);
        bv_forgotten_inherit(all);
        _exit(none == before && personality(0xffffffff) == (before | ADDR_NO_RANDOMIZE) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* As after a restore: off, but with a period and a tick that nobody has read. */
static int make_timer(int period_s, uint64_t ticks)
{
    struct itimerspec t = {.it_interval.tv_sec = period_s};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    assert_int_equal(timerfd_settime(fd, 0, &t, NULL), 0);
    if (ticks)
        assert_int_equal(ioctl(fd, _IOW('T', 0, uint64_t), &ticks), 0);
    return fd;
}

static void a_timer_that_was_due_ticks_on(void **state)
{
    (void)state;
    uint64_t ticks = 0;
    struct itimerspec t;
    int due = make_timer(1000, 3), once = make_timer(0, 1), off = make_timer(1000, 0);
    bv_forgotten_timers_wind(getpid());
    assert_int_equal(timerfd_gettime(due, &t), 0);
    assert_in_range(t.it_value.tv_sec, 900, 1000);
    assert_int_equal(t.it_interval.tv_sec, 1000);
    assert_int_equal(read(due, &ticks, sizeof(ticks)), sizeof(ticks));
    assert_int_equal(ticks, 3);
    assert_int_equal(timerfd_gettime(once, &t), 0);
    assert_int_equal(t.it_value.tv_sec + t.it_value.tv_nsec, 0); /* has no period */
    assert_int_equal(timerfd_gettime(off, &t), 0);
    assert_int_equal(t.it_value.tv_sec + t.it_value.tv_nsec, 0); /* was switched off */
    close(due);
    close(once);
    close(off);
}

/* --- code --- */

static const unsigned char pattern[BV_INJECTED_SIZE] = {
#if defined(__x86_64__)
    0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
#else
    0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4,
#endif
};

static const unsigned char own_code[BV_INJECTED_SIZE] = {1, 2, 3, 4, 0xfc, 0xfd, 0xfe, 0xff};

#define OWN_PLACE 0x10000 /* below all else: the first code of the process */

/* Code that is in no file, as that of a compiler at run time. */
static void map_code(void)
{
    void *at = mmap((void *)OWN_PLACE, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, /* NOLINT */
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at == MAP_FAILED)
        _exit(1);
    memcpy(at, own_code, sizeof(own_code));
}

static uint64_t first_code_of(pid_t pid)
{
    automaps struct bv_maps maps = {0};
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(bv_maps_scan(procfd, pid, &maps, NULL), 0);
    for (size_t i = 0; i < maps.count; i++)
        if (maps.map[i].executable)
            return maps.map[i].start;
    fail();
    return 0;
}

static int open_memory(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void put_code(pid_t pid, const unsigned char bytes[BV_INJECTED_SIZE])
{
    autoclose int mem = open_memory(pid);
    assert_int_equal(pwrite(mem, bytes, BV_INJECTED_SIZE, (off_t)first_code_of(pid)), BV_INJECTED_SIZE);
}

/* As an image has it, in which CRIU was seen at work. */
static void inject(pid_t pid, unsigned char was[BV_INJECTED_SIZE])
{
    autoclose int mem = open_memory(pid);
    assert_int_equal(pread(mem, was, BV_INJECTED_SIZE, (off_t)first_code_of(pid)), BV_INJECTED_SIZE);
    put_code(pid, pattern);
}

static void assert_code(pid_t pid, const unsigned char wanted[BV_INJECTED_SIZE])
{
    unsigned char now[BV_INJECTED_SIZE];
    autoclose int mem = open_memory(pid);
    assert_int_equal(pread(mem, now, sizeof(now), (off_t)first_code_of(pid)), sizeof(now));
    assert_memory_equal(now, wanted, sizeof(now));
}

static void code_that_was_injected_is_put_right_from_its_file(void **state)
{
    (void)state;
    unsigned char was[BV_INJECTED_SIZE];
    pid_t pid = start_child(do_nothing);
    autojson json_t *all = take(pid);
    assert_null(json_object_get(all, "code"));
    inject(pid, was);
    assert_int_equal(bv_forgotten_code_restore(NULL, pid, NULL), 0);
    assert_code(pid, was);
    stop_child(pid);
}

static void code_that_is_in_no_file_is_kept(void **state)
{
    (void)state;
    unsigned char was[BV_INJECTED_SIZE];
    pid_t pid = start_child(map_code);
    autojson json_t *all = take(pid);
    autojson json_t *wanted =
        json_pack("[{s:i, s:i, s:s}]", "pid", (int)pid, "at", OWN_PLACE, "bytes", "01020304fcfdfeff");
    assert_true(json_equal(json_object_get(all, "code"), wanted));
    inject(pid, was);
    assert_memory_equal(was, own_code, sizeof(own_code));

    /* Nothing else is known to be right. */
    assert_int_equal(bv_forgotten_code_restore(NULL, pid, NULL), 0);
    assert_code(pid, pattern);
    json_t *entry = json_array_get(json_object_get(all, "code"), 0);
    static const char *const bad[] = {"01", "zz020304fcfdfeff", "01020304fcfdfeff00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_object_set_new(entry, "bytes", json_string(bad[i]));
        assert_fails(BV_ECORRUPT, bv_forgotten_code_restore(json_object_get(all, "code"), pid, &err));
    }
    json_object_set_new(entry, "bytes", json_string("01020304fcfdfeff"));
    assert_int_equal(bv_forgotten_code_restore(json_object_get(all, "code"), pid, NULL), 0);
    assert_code(pid, own_code);

    /* As it is seen while it is written. */
    unsigned char half[BV_INJECTED_SIZE];
    memcpy(half, own_code, sizeof(half));
    memcpy(half + 3, pattern + 3, 2);
    put_code(pid, half);
    assert_int_equal(bv_forgotten_code_restore(json_object_get(all, "code"), pid, NULL), 0);
    assert_code(pid, own_code);

    /* What does not look like CRIU's is not touched, whatever a checkpoint says. */
    json_object_set_new(entry, "bytes", json_string("0000000000000000"));
    assert_int_equal(bv_forgotten_code_restore(json_object_get(all, "code"), pid, NULL), 0);
    assert_code(pid, own_code);
    stop_child(pid);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"threads\":[]}",
        "{\"threads\":{},\"sockets\":[]}",
        "{\"threads\":[1],\"sockets\":[]}",
        "{\"threads\":[{\"tid\":-1}],\"sockets\":[]}",
        "{\"threads\":[{\"tid\":1,\"ioprio\":70000}],\"sockets\":[]}",
        "{\"threads\":[{\"tid\":1,\"timer_slack_ns\":\"1\"}],\"sockets\":[]}",
        "{\"threads\":[],\"sockets\":[{}]}",
        "{\"threads\":[],\"sockets\":[{\"pid\":1,\"fd\":-1,\"options\":{}}]}",
        "{\"threads\":[],\"sockets\":[{\"pid\":1,\"fd\":1,\"options\":[]}]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autojson json_t *j = json_loads(bad[i], 0, NULL);
        assert_fails(BV_ECORRUPT, bv_forgotten_restore(j, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_has_set_nothing_has_nothing_to_keep),
        cmocka_unit_test(what_a_thread_has_set_is_taken_and_given_back),
        cmocka_unit_test(options_of_a_socket_are_taken_and_given_back),
        cmocka_unit_test(what_does_not_fit_is_left_out_and_counted),
        cmocka_unit_test(what_is_gone_is_counted),
        cmocka_unit_test(what_is_inherited_is_one_flag_only),
        cmocka_unit_test(a_timer_that_was_due_ticks_on),
        cmocka_unit_test(code_that_was_injected_is_put_right_from_its_file),
        cmocka_unit_test(code_that_is_in_no_file_is_kept),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
