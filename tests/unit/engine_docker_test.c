/* SPDX-License-Identifier: Apache-2.0 */
/* What a container of docker has written when it is frozen. */
#include "tmpdir.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/runtime/docker.h"

/* A container's first process, and its parent, which stands for the shim. */
struct container {
    pid_t shim, root;
};

#define OTHERS 70 /* pipes that a shim has besides */

/* It has nothing open but `output`. */
static void become_root(int output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (output >= 0)
        dup2(output, 0);
    close_range(output >= 0 ? 1 : 0, ~0u, 0);
    for (;;)
        pause();
}

static void become_shim(int is_hidden, int output, int out)
{
    pid_t root = fork();
    if (root == 0)
        become_root(output);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (is_hidden && prctl(PR_SET_DUMPABLE, 0) < 0)
        _exit(1);
    if (write(out, &root, sizeof(root)) != sizeof(root))
        _exit(1);
    for (;;)
        pause();
}

static void start(struct container *c, int is_hidden, int output)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    autoclose int in = ends[0];
    autoclose int out = ends[1];
    c->shim = fork();
    if (c->shim == 0)
        become_shim(is_hidden, output, out);
    close_fd(&out);
    assert_int_equal(read(in, &c->root, sizeof(c->root)), sizeof(c->root));
}

static void stop(const struct container *c)
{
    kill(c->shim, SIGKILL);
    waitpid(c->shim, NULL, 0);
}

static void put_files(const struct tmpdir *d)
{
    put_text(d->fd, "mark", "0123456789abcdef0123456789abcdef");
    put_text(d->fd, "seen", "");
}

static void a_shim_that_cannot_be_looked_at_is_no_shim_without_output(void **state)
{
    const struct tmpdir *d = *state;
    struct container c;
    if (geteuid() == 0) /* who may look at all */
        skip();
    put_files(d);
    start(&c, 1, -1);
    assert_fails_saying(BV_EENGINE, "in the descriptors of its shim", docker_output_flush(c.root, d->path, &err));
    stop(&c);
}

static void a_container_that_is_gone_is_not_one_without_output(void **state)
{
    const struct tmpdir *d = *state;
    struct container c;
    put_files(d);
    start(&c, 0, -1);
    stop(&c);
    assert_fails_saying(BV_EENGINE, "cannot be looked at", docker_output_flush(c.shim, d->path, &err));
}

/* What copies the output: it takes one mark, "\036bv" NONCE ROUND "\036", and tells the round. */
static pid_t start_copier(const struct tmpdir *d, int from)
{
    char mark[44];
    pid_t pid = fork();
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    autoclose int seen = openat(d->fd, "seen", O_WRONLY | O_APPEND | O_CLOEXEC);
    if (bv_read_full(from, mark, sizeof(mark)) != sizeof(mark) || mark[0] != '\036' || mark[43] != '\036')
        _exit(1);
    _exit(bv_write_full(seen, mark + 35, 8) < 0 ? 1 : 0);
}

static void a_mark_goes_into_the_container_s_pipe_among_all_those_of_the_shim(void **state)
{
    const struct tmpdir *d = *state;
    struct container c;
    int others[OTHERS][2], output[2], status;
    put_files(d);
    for (size_t i = 0; i < OTHERS; i++)
        assert_int_equal(pipe2(others[i], O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    start(&c, 0, output[1]);
    pid_t copier = start_copier(d, output[0]);
    assert_ok(docker_output_flush(c.root, d->path, &err));
    assert_int_equal(waitpid(copier, &status, 0), copier);
    assert_int_equal(status, 0);
    stop(&c);
    for (size_t i = 0; i < OTHERS; i++) {
        close(others[i][0]);
        close(others[i][1]);
    }
    close(output[0]);
    close(output[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tmpdir_test(a_shim_that_cannot_be_looked_at_is_no_shim_without_output),
        tmpdir_test(a_container_that_is_gone_is_not_one_without_output),
        tmpdir_test(a_mark_goes_into_the_container_s_pipe_among_all_those_of_the_shim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
