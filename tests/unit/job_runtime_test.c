/* SPDX-License-Identifier: Apache-2.0 */
/* The directory for sockets, and CPU affinity. */
#include "tmpdir.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "job/affinity.h"
#include "job/runtime.h"

static int runtime_setup(void **state)
{
    if (tmpdir_setup(state) < 0)
        return -1;
    const struct tmpdir *d = *state;
    autofree char *path = path_in(d, "run");
    unsetenv("XDG_RUNTIME_DIR");
    return setenv("BIVOUAC_RUNTIME_DIR", path, 1);
}

#define runtime_test(function) cmocka_unit_test_setup_teardown(function, runtime_setup, tmpdir_teardown)

static void the_directory_is_made_for_its_owner_alone(void **state)
{
    const struct tmpdir *d = *state;
    autofree char *got = NULL, *again = NULL;
    struct stat st;
    mode_t old = umask(0);
    assert_ok(bv_runtime_dir(&got, &err));
    umask(old);
    assert_string_equal(got, getenv("BIVOUAC_RUNTIME_DIR"));
    assert_int_equal(fstatat(d->fd, "run", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_ok(bv_runtime_dir(&again, &err));
}

static void a_directory_that_others_may_enter_is_refused(void **state)
{
    const struct tmpdir *d = *state;
    static const mode_t bad[] = {0701, 0710, 0704, 0777, 01777};
    char *got = NULL;
    assert_int_equal(mkdirat(d->fd, "run", 0700), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(fchmodat(d->fd, "run", bad[i], 0), 0);
        assert_fails_saying(BV_EDENIED, "yours alone", bv_runtime_dir(&got, &err));
    }
    assert_null(got);
}

static void a_link_is_refused_even_to_a_good_directory(void **state)
{
    const struct tmpdir *d = *state;
    char *got = NULL;
    assert_int_equal(mkdirat(d->fd, "good", 0700), 0);
    assert_int_equal(symlinkat("good", d->fd, "run"), 0);
    assert_fails_saying(BV_EDENIED, "/run is not a directory", bv_runtime_dir(&got, &err));
}

static void what_is_no_directory_or_somebody_else_s_is_refused(void **state)
{
    const struct tmpdir *d = *state;
    char *got = NULL;
    put_text(d->fd, "run", "");
    assert_int_equal(fchmodat(d->fd, "run", 0600, 0), 0);
    assert_fails(BV_EDENIED, bv_runtime_dir(&got, &err));
    if (geteuid() == 0)
        return;
    setenv("BIVOUAC_RUNTIME_DIR", "/root", 1);
    assert_fails_saying(BV_EDENIED, "/root", bv_runtime_dir(&got, &err));
}

static void the_login_s_directory_is_used_where_it_is_real(void **state)
{
    const struct tmpdir *d = *state;
    autofree char *xdg = path_in(d, "xdg"), *below = path_in(d, "xdg/bivouac");
    autofree char *fallback = bv_asprintf("/tmp/bivouac-%u", (unsigned)geteuid());
    autofree char *got = NULL, *without = NULL;
    unsetenv("BIVOUAC_RUNTIME_DIR");
    setenv("XDG_RUNTIME_DIR", xdg, 1);
    assert_ok(bv_runtime_dir(&without, &err)); /* of a login that has ended */
    assert_string_equal(without, fallback);
    assert_int_equal(mkdirat(d->fd, "xdg", 0700), 0);
    assert_ok(bv_runtime_dir(&got, &err));
    assert_string_equal(got, below);
}

static void a_socket_s_path_tells_jobs_stores_and_supervisors_apart(void **state)
{
    (void)state;
    char a[108], b[108];
    static const struct {
        const char *store, *job;
        unsigned long long salt;
    } others[] = {{"/other", "job", 1}, {"/store", "job2", 1}, {"/store", "job", 2}, {"/store\njob", "", 1}};
    assert_ok(bv_runtime_socket("/store", "job", 1, a, &err));
    assert_int_equal(strncmp(a, getenv("BIVOUAC_RUNTIME_DIR"), strlen(getenv("BIVOUAC_RUNTIME_DIR"))), 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_ok(bv_runtime_socket(others[i].store, others[i].job, others[i].salt, b, &err));
        assert_string_not_equal(a, b);
    }
    assert_ok(bv_runtime_socket("/store", "job", 1, b, &err));
    assert_string_equal(a, b);
}

static void a_directory_too_long_for_a_socket_is_refused_and_not_cut(void **state)
{
    const struct tmpdir *d = *state;
    char path[108] = "";
    autofree char *dir = bv_asprintf("%s/%0100d", d->path, 0);
    setenv("BIVOUAC_RUNTIME_DIR", dir, 1);
    assert_fails_saying(BV_EINTERNAL, "BIVOUAC_RUNTIME_DIR", bv_runtime_socket("/store", "job", 1, path, &err));
}

static int make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void a_dead_supervisor_s_socket_is_removed_and_nothing_else(void **state)
{
    const struct tmpdir *d = *state;
    autofree char *dir = NULL, *outside = path_in(d, "outside.sock"), *plain = path_in(d, "run/plain.sock");
    autofree char *around = path_in(d, "run/../outside.sock");
    char path[108];
    struct stat st;
    assert_ok(bv_runtime_dir(&dir, &err));
    assert_ok(bv_runtime_socket("/store", "job", 1, path, &err));
    autoclose int inside_fd = make_socket(path);
    autoclose int outside_fd = make_socket(outside);
    put_text(d->fd, "run/plain.sock", "a file");
    bv_runtime_forget(outside);
    bv_runtime_forget(around);
    bv_runtime_forget(plain);
    bv_runtime_forget("");
    bv_runtime_forget("no slash");
    bv_runtime_forget(dir);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(lstat(outside, &st), 0);
    assert_int_equal(lstat(plain, &st), 0);
    bv_runtime_forget(path);
    assert_int_equal(lstat(path, &st), -1);
    bv_runtime_forget(path);
}

/* --- affinity --- */

static pid_t start_child(const cpu_set_t *mask)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        for (;;)
            pause();
    }
    if (mask)
        assert_int_equal(sched_setaffinity(pid, sizeof(*mask), mask), 0);
    return pid;
}

static void stop_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int first_cpu(void)
{
    cpu_set_t own;
    assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &own))
            return i;
    return -1;
}

static void a_job_that_never_cared_has_no_affinity_to_keep(void **state)
{
    (void)state;
    autojson json_t *list = NULL;
    pid_t pid = start_child(NULL);
    assert_ok(bv_affinity_take(pid, &list, &err));
    stop_child(pid);
    assert_int_equal(json_array_size(list), 0);
    assert_int_equal(bv_affinity_restore(list, NULL), 0);
}

static void a_thread_s_own_affinity_is_taken_and_given_back(void **state)
{
    (void)state;
    char text[16];
    cpu_set_t one, own, now;
    autojson json_t *list = NULL;
    assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
    if (CPU_COUNT(&own) < 2)
        skip();
    CPU_ZERO(&one);
    CPU_SET((size_t)first_cpu(), &one);
    pid_t pid = start_child(&one);
    assert_ok(bv_affinity_take(pid, &list, &err));
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "tid")), pid);
    snprintf(text, sizeof(text), "%d", first_cpu());
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "cpus")), text);

    assert_int_equal(sched_setaffinity(pid, sizeof(own), &own), 0);
    assert_int_equal(bv_affinity_restore(list, NULL), 0);
    assert_int_equal(sched_getaffinity(pid, sizeof(now), &now), 0);
    assert_true(CPU_EQUAL(&now, &one));
    stop_child(pid);
}

static void a_mask_that_this_host_does_not_have_is_counted_and_left_alone(void **state)
{
    (void)state;
    cpu_set_t before, after;
    pid_t pid = start_child(NULL);
    assert_int_equal(sched_getaffinity(pid, sizeof(before), &before), 0);
    autojson json_t *list = json_pack("[{s:i, s:s}, {s:i, s:s}, {s:i, s:s}]", "tid", (int)pid, "cpus", "1023", "tid",
                                      (int)pid, "cpus", "", "tid", (int)pid, "cpus", "1024-2147483647");
    assert_int_equal(bv_affinity_restore(list, NULL), 3);
    assert_int_equal(sched_getaffinity(pid, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    stop_child(pid);
}

static void an_affinity_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"{}",
                                      "[1]",
                                      "[{}]",
                                      "[{\"tid\":-1,\"cpus\":\"\"}]",
                                      "[{\"tid\":1,\"cpus\":\"0-\"}]",
                                      "[{\"tid\":1,\"cpus\":\"-1\"}]",
                                      "[{\"tid\":1,\"cpus\":\"0 1\"}]",
                                      "[{\"tid\":1,\"cpus\":\"99999999999\"}]",
                                      "[{\"tid\":1,\"cpus\":[0]}]",
                                      "[{\"tid\":1}]",
                                      "[{\"tid\":1,\"cpus\":3}]",
                                      "[{\"tid\":9999999999,\"cpus\":\"\"}]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autojson json_t *j = json_loads(bad[i], 0, NULL);
        assert_fails(BV_ECORRUPT, bv_affinity_restore(j, &err));
    }
    assert_fails(BV_ECORRUPT, bv_affinity_restore(NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        runtime_test(the_directory_is_made_for_its_owner_alone),
        runtime_test(a_directory_that_others_may_enter_is_refused),
        runtime_test(a_link_is_refused_even_to_a_good_directory),
        runtime_test(what_is_no_directory_or_somebody_else_s_is_refused),
        runtime_test(the_login_s_directory_is_used_where_it_is_real),
        runtime_test(a_socket_s_path_tells_jobs_stores_and_supervisors_apart),
        runtime_test(a_directory_too_long_for_a_socket_is_refused_and_not_cut),
        runtime_test(a_dead_supervisor_s_socket_is_removed_and_nothing_else),
        cmocka_unit_test(a_job_that_never_cared_has_no_affinity_to_keep),
        cmocka_unit_test(a_thread_s_own_affinity_is_taken_and_given_back),
        cmocka_unit_test(a_mask_that_this_host_does_not_have_is_counted_and_left_alone),
        cmocka_unit_test(an_affinity_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
