/* SPDX-License-Identifier: Apache-2.0 */
/* This program stands in for criu too: started as "NAME … swrk FD" it does what NAME says. */
#include "tmpdir.h"

#include <libgen.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine/criu/criu.h"

/* --- the stand-in --- */

static CriuReq *take_request(int sock)
{
    static uint8_t buf[1 << 16];
    ssize_t n = recv(sock, buf, sizeof(buf), 0);
    CriuReq *req = n > 0 ? criu_req__unpack(NULL, (size_t)n, buf) : NULL;
    if (!req)
        _exit(9);
    return req;
}

static void send_resp(int sock, const CriuResp *resp, int fd)
{
    uint8_t buf[4096];
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = buf, .iov_len = criu_resp__pack(resp, buf)};
    struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        mh.msg_control = control;
        mh.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (sendmsg(sock, &mh, MSG_NOSIGNAL) < 0)
        _exit(8);
}

/* Notifies and returns what the caller answers. */
static int notify(int sock, const char *script, int fd)
{
    CriuNotify n = CRIU_NOTIFY__INIT;
    CriuResp resp = CRIU_RESP__INIT;
    n.script = (char *)script;
    resp.type = CRIU_REQ_TYPE__NOTIFY;
    resp.success = 1;
    resp.notify = &n;
    send_resp(sock, &resp, fd);
    CriuReq *answer = take_request(sock);
    int ok = answer->type == CRIU_REQ_TYPE__NOTIFY && answer->has_notify_success && answer->notify_success;
    criu_req__free_unpacked(answer, NULL);
    return ok;
}

static void answer(int sock, int type, int success, const char *why, int pid)
{
    CriuResp resp = CRIU_RESP__INIT;
    CriuRestoreResp restored = CRIU_RESTORE_RESP__INIT;
    restored.pid = pid;
    resp.type = (CriuReqType)type;
    resp.success = success;
    resp.cr_errmsg = (char *)why;
    if (pid)
        resp.restore = &restored;
    send_resp(sock, &resp, -1);
}

/* What a program started by Bivouac as criu finds: its environment and which descriptors. */
static void describe_surroundings(char *text, size_t room)
{
    size_t n = 0;
    for (char **e = environ; *e; e++)
        n += (size_t)snprintf(text + n, room - n, "%s ", *e);
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            n += (size_t)snprintf(text + n, room - n, "%d ", fd);
}

static void save_argv(char **argv)
{
    char path[4096], text[4096] = "";
    size_t n = 0;
    snprintf(path, sizeof(path), "%s", argv[0]);
    for (char **a = argv + 1; *a; a++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", *a);
    autoclose int dir = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int fd = openat(dir, "argv", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || bv_write_full(fd, text, n) < 0)
        _exit(7);
}

static int stand_in(char **argv, int sock)
{
    char name[4096], text[4096] = "";
    snprintf(name, sizeof(name), "%s", argv[0]);
    const char *what = basename(name);
    if (strcmp(what, "dies-at-once") == 0)
        _exit(1);
    save_argv(argv);
    CriuReq *req = take_request(sock);
    int type = (int)req->type;
    if (strcmp(what, "succeeds") == 0) {
        int ok = notify(sock, "pre-dump", -1) && notify(sock, "post-dump", -1) && notify(sock, "post-restore", -1);
        answer(sock, type, ok, NULL, 1000);
    } else if (strcmp(what, "fails") == 0) {
        answer(sock, type, 0, "no luck today", 0);
    } else if (strcmp(what, "restores-another-pid") == 0) {
        answer(sock, type, 1, NULL, 1001);
    } else if (strcmp(what, "has-terminal") == 0) {
        answer(sock, type, notify(sock, "orphan-pts-master", 0), NULL, 1000);
    } else if (strcmp(what, "goes-on-when-refused") == 0) {
        notify(sock, "post-dump", -1);
        answer(sock, type, 1, NULL, 1000);
    } else if (strcmp(what, "dies-when-refused") == 0) {
        notify(sock, "post-dump", -1);
        _exit(1);
    } else if (strcmp(what, "talks-garbage") == 0) {
        send(sock, "\xff\xff\xff", 3, 0);
    } else if (strcmp(what, "talks-too-much") == 0) {
        static char much[70000];
        send(sock, much, sizeof(much), 0);
    } else if (strcmp(what, "notifies-nothing") == 0) {
        answer(sock, CRIU_REQ_TYPE__NOTIFY, 1, NULL, 0);
        criu_req__free_unpacked(take_request(sock), NULL);
        answer(sock, type, 1, NULL, 1000);
    } else if (strcmp(what, "tells-its-surroundings") == 0) {
        describe_surroundings(text, sizeof(text));
        answer(sock, type, 0, text, 0);
    } else if (strcmp(what, "uses-a-pipe") == 0) {
        answer(sock, type, write(req->opts->inherit_fd[1]->fd, req->opts->inherit_fd[1]->key, 8) == 8, NULL, 1000);
    } else if (strcmp(what, "hangs") == 0) {
        for (;;)
            pause();
    }
    criu_req__free_unpacked(req, NULL);
    _exit(0);
}

/* --- the tests --- */

static int rpc_setup(void **state)
{
    static const char *const names[] = {"succeeds",
                                        "fails",
                                        "dies-at-once",
                                        "talks-garbage",
                                        "talks-too-much",
                                        "restores-another-pid",
                                        "has-terminal",
                                        "goes-on-when-refused",
                                        "dies-when-refused",
                                        "tells-its-surroundings",
                                        "notifies-nothing",
                                        "uses-a-pipe",
                                        "hangs"};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0 || tmpdir_setup(state) < 0)
        return -1;
    self[n] = '\0';
    struct tmpdir *d = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (symlinkat(self, d->fd, names[i]) < 0)
            return -1;
    return 0;
}

static int rpc_teardown(void **state)
{
    unsetenv("BIVOUAC_CRIU");
    return tmpdir_teardown(state);
}

#define rpc_test(function) cmocka_unit_test_setup_teardown(function, rpc_setup, rpc_teardown)

static void criu_that(const struct tmpdir *d, const char *name)
{
    autofree char *path = path_in(d, name);
    setenv("BIVOUAC_CRIU", path, 1);
}

struct seen {
    int frozen, restored, terminal;
    enum bv_code refuse; /* 0 = agree */
};

static int on_frozen(void *arg, struct bv_error *err)
{
    struct seen *s = arg;
    s->frozen++;
    return s->refuse ? bv_fail(err, s->refuse, 0, "refused for a reason") : 0;
}

static int on_restored(void *arg, struct bv_error *err)
{
    struct seen *s = arg;
    s->restored++;
    return s->refuse ? bv_fail(err, s->refuse, 0, "refused for a reason") : 0;
}

static void on_terminal(void *arg, int master)
{
    struct seen *s = arg;
    s->terminal = master;
}

static int dump(const struct tmpdir *d, struct seen *s, struct bv_error *err)
{
    struct bv_engine_dump how = {.root = 1000, .images_fd = d->fd, .frozen = on_frozen, .arg = s};
    return criu_dump(&how, err);
}

static int restore(const struct tmpdir *d, struct seen *s, struct bv_error *err)
{
    struct bv_engine_restore how = {.root = 1000, .images_fd = d->fd, .restored = on_restored, .arg = s};
    return criu_restore(&how, err);
}

static void a_dump_calls_back_once_while_frozen(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    criu_that(d, "succeeds");
    assert_ok(dump(d, &s, &err));
    assert_int_equal(s.frozen, 1);
    assert_int_equal(s.restored, 0);
}

static void a_restore_calls_back_once_when_all_is_restored(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    criu_that(d, "succeeds");
    assert_ok(restore(d, &s, &err));
    assert_int_equal(s.restored, 1);
    assert_int_equal(s.frozen, 0);
}

static void a_failure_carries_criu_s_own_reason(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    criu_that(d, "fails");
    assert_fails_saying(BV_EENGINE, "could not dump the job: no luck today", dump(d, &s, &err));
    assert_fails_saying(BV_ERESTORE, "could not restore the job: no luck today", restore(d, &s, &err));
    put_text(d->fd, CRIU_LOG, "(0) Error (criu/x.c:1): the log says more\n");
    assert_fails_saying(BV_EENGINE, "the log says more", dump(d, &s, &err));
    put_text(d->fd, CRIU_LOG, "(0) Error (criu/x.c:1): write: No space left on device\n");
    assert_fails_saying(BV_ENOSPACE, "No space left", dump(d, &s, &err));
}

static void what_the_caller_refuses_is_what_it_gets_back(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {.refuse = BV_ENOSPACE};
    static const char *const names[] = {"succeeds", "goes-on-when-refused", "dies-when-refused"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        criu_that(d, names[i]);
        assert_fails_saying(BV_ENOSPACE, "refused for a reason", dump(d, &s, &err));
        assert_int_equal(s.frozen, (int)i + 1);
    }
    criu_that(d, "succeeds");
    s.refuse = BV_ECHANGED;
    assert_fails_saying(BV_ECHANGED, "refused for a reason", restore(d, &s, &err));
}

static void a_criu_that_dies_or_talks_nonsense_has_failed(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    static const char *const names[] = {"dies-at-once", "talks-garbage", "talks-too-much"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        criu_that(d, names[i]);
        assert_fails_saying(BV_EENGINE, "criu could not dump", dump(d, &s, &err));
        assert_fails_saying(BV_ERESTORE, "criu could not restore", restore(d, &s, &err));
    }
    assert_int_equal(s.frozen + s.restored, 0);
}

static void a_tree_with_another_root_is_not_the_job(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    criu_that(d, "restores-another-pid");
    assert_fails_saying(BV_ERESTORE, "restored pid 1001 where 1000", restore(d, &s, &err));
}

static void the_terminal_of_a_restored_tree_is_handed_over(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {.terminal = -1};
    struct bv_engine_restore how = {.root = 1000, .images_fd = d->fd, .terminal = on_terminal, .arg = &s};
    struct stat st;
    criu_that(d, "has-terminal");
    assert_ok(criu_restore(&how, &err));
    assert_true(s.terminal > 2);
    assert_int_equal(fstat(s.terminal, &st), 0);
    assert_true(S_ISCHR(st.st_mode)); /* the stand-in sends its /dev/null */
    assert_int_equal(fcntl(s.terminal, F_GETFD), FD_CLOEXEC);
    close(s.terminal);
}

static void a_terminal_that_nobody_wants_is_closed(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    autoclose int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    criu_that(d, "has-terminal");
    assert_ok(restore(d, &s, &err));
    assert_ok(dump(d, &s, &err));
    autoclose int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(after, before + 1);
}

static void a_notification_without_a_name_is_passed_over(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    criu_that(d, "notifies-nothing");
    assert_ok(dump(d, &s, &err));
    assert_int_equal(s.frozen, 0);
}

static void criu_starts_with_a_clean_environment_and_no_descriptor_of_ours(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    autoclose int ours = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int high = fcntl(ours, F_DUPFD_CLOEXEC, 200);
    assert_true(high >= 200);
    /* What this test was started with is not ours; the supervisor does the same. */
    assert_int_equal(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), 0);
    setenv("LD_PRELOAD_OF_THE_USER", "evil.so", 1);
    criu_that(d, "tells-its-surroundings");
    assert_fails_saying(BV_EENGINE,
                        "PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LC_ALL=C BIVOUAC_CRIU_HOOK=1 "
                        "0 1 2 80 ",
                        dump(d, &s, &err));
    close(high);
}

static void an_outside_pipe_reaches_criu_under_the_number_it_is_told(void **state)
{
    const struct tmpdir *d = *state;
    struct seen s = {0};
    int first[2], second[2];
    char got[9] = "";
    assert_int_equal(pipe2(first, O_CLOEXEC), 0);
    assert_int_equal(pipe2(second, O_CLOEXEC), 0);
    const struct bv_engine_pipe pipes[] = {{.ino = 1, .fd = first[1]}, {.ino = 4711, .fd = second[1]}};
    struct bv_engine_restore how = {.root = 1000, .images_fd = d->fd, .pipes = pipes, .pipe_count = 2, .arg = &s};
    criu_that(d, "uses-a-pipe");
    assert_ok(criu_restore(&how, &err));
    assert_int_equal(read(second[0], got, 8), 8);
    assert_string_equal(got, "pipe:[47");
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
}

static void connections_are_kept_or_closed_as_asked(void **state)
{
    const struct tmpdir *d = *state;
    criu_that(d, "succeeds");
    for (int i = BV_CONNECTIONS_REFUSE; i <= BV_CONNECTIONS_CLOSE; i++) {
        autofree char *argv = NULL;
        enum bv_connections_fate fate = (enum bv_connections_fate)i;
        struct bv_engine_dump out = {.root = 1000, .images_fd = d->fd, .connections = fate};
        assert_ok(criu_dump(&out, &err));
        assert_ok(bv_read_file(d->fd, "argv", 4096, &argv, NULL, &err));
        assert_int_equal(strstr(argv, "--tcp-established") != NULL, fate == BV_CONNECTIONS_KEEP);
        assert_int_equal(strstr(argv, "--tcp-close") != NULL, fate == BV_CONNECTIONS_CLOSE);
        assert_non_null(strstr(argv, "--no-default-config"));
        assert_non_null(strstr(argv, "--unprivileged"));
        assert_non_null(strstr(argv, "--link-remap"));
        free(steal_ptr(&argv));

        struct bv_engine_restore in = {.root = 1000, .images_fd = d->fd, .connections = fate};
        assert_ok(criu_restore(&in, &err));
        assert_ok(bv_read_file(d->fd, "argv", 4096, &argv, NULL, &err));
        assert_int_equal(strstr(argv, "--tcp-established") != NULL, fate == BV_CONNECTIONS_KEEP);
        assert_int_equal(strstr(argv, "--tcp-close") != NULL, fate == BV_CONNECTIONS_CLOSE);
        assert_non_null(strstr(argv, "--unprivileged"));
    }
}

static void a_criu_that_hangs_is_killed_when_it_is_ended(void **state)
{
    const struct tmpdir *d = *state;
    static const char *const options[] = {NULL};
    autofree char *path = path_in(d, "hangs");
    struct criu_spawn how = {.path = path, .options = options};
    struct criu c;
    assert_ok(criu_spawn(&how, &c, &err));
    pid_t pid = c.pid;
    assert_int_equal(kill(pid, 0), 0);
    criu_end(&c);
    assert_int_equal(c.pid, 0);
    assert_int_equal(c.sock, -1);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    criu_end(&c);
}

static void more_outside_pipes_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    static const char *const options[] = {NULL};
    struct bv_engine_pipe pipes[CRIU_PIPES_MAX + 1] = {0};
    struct criu_spawn how = {.path = "/bin/true", .options = options, .pipes = pipes, .pipe_count = CRIU_PIPES_MAX + 1};
    struct criu c;
    assert_fails_saying(BV_EINTERNAL, "pipes", criu_spawn(&how, &c, &err));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("Version: 4.2");
        return 0;
    }
    if (argc > 2 && strcmp(argv[argc - 2], "swrk") == 0)
        return stand_in(argv, atoi(argv[argc - 1]));

    const struct CMUnitTest tests[] = {
        rpc_test(a_dump_calls_back_once_while_frozen),
        rpc_test(a_restore_calls_back_once_when_all_is_restored),
        rpc_test(a_failure_carries_criu_s_own_reason),
        rpc_test(what_the_caller_refuses_is_what_it_gets_back),
        rpc_test(a_criu_that_dies_or_talks_nonsense_has_failed),
        rpc_test(a_tree_with_another_root_is_not_the_job),
        rpc_test(the_terminal_of_a_restored_tree_is_handed_over),
        rpc_test(a_terminal_that_nobody_wants_is_closed),
        rpc_test(a_notification_without_a_name_is_passed_over),
        rpc_test(criu_starts_with_a_clean_environment_and_no_descriptor_of_ours),
        rpc_test(an_outside_pipe_reaches_criu_under_the_number_it_is_told),
        rpc_test(connections_are_kept_or_closed_as_asked),
        rpc_test(a_criu_that_hangs_is_killed_when_it_is_ended),
        rpc_test(more_outside_pipes_than_there_is_room_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
