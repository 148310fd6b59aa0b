/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tmpdir.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "capsule/capsule.h"

/* A capsule in which shell scripts run, their output in a file of the test's own directory. */

struct capsule_fixture {
    struct tmpdir *dir;
    struct bv_capsule_config config;
    struct bv_command command;
    struct bv_stdio stdio;
    struct bv_bind binds[8];
    struct bv_capsule capsule;
    int operation_status; /* what the last operation ended with */
};

static inline int capsule_setup(void **state)
{
    void *dir = NULL;
    if (tmpdir_setup(&dir) < 0)
        return -1;
    struct capsule_fixture *f = bv_alloc(sizeof(*f));
    f->dir = dir;
    f->stdio.end[0] = (struct bv_stdio_end){.kind = BV_STDIO_NULL, .same_as = -1, .job_fd = -1, .our_fd = -1};
    f->stdio.end[1] = (struct bv_stdio_end){.kind = BV_STDIO_FILE, .same_as = -1, .job_fd = -1, .our_fd = -1};
    f->stdio.end[1].path = path_in(f->dir, "out");
    f->stdio.end[1].flags = O_WRONLY;
    f->stdio.end[1].pos = -1;
    f->stdio.end[2] = (struct bv_stdio_end){.kind = BV_STDIO_FILE, .same_as = 1, .job_fd = -1, .our_fd = -1};
    f->command.envp = environ;
    f->command.cwd = bv_strdup("/");
    f->config.command = &f->command;
    f->config.stdio = &f->stdio;
    f->config.binds = f->binds;
    f->capsule.sock = -1;
    put_text(f->dir->fd, "out", "");
    *state = f;
    return 0;
}

static inline int capsule_teardown(void **state)
{
    struct capsule_fixture *f = *state;
    bv_capsule_destroy(&f->capsule);
    bv_stdio_free(&f->stdio);
    for (size_t i = 0; i < f->config.bind_count; i++) {
        free(f->binds[i].host);
        free(f->binds[i].job);
    }
    free(f->command.cwd);
    void *dir = f->dir;
    free(f);
    return tmpdir_teardown(&dir);
}

#define capsule_test(function) cmocka_unit_test_setup_teardown(function, capsule_setup, capsule_teardown)

static inline void bind_in(struct capsule_fixture *f, const char *host, const char *job)
{
    f->binds[f->config.bind_count++] = (struct bv_bind){.host = bv_strdup(host), .job = bv_strdup(job)};
}

/* The next event that comes within 20 s. */
static inline struct bv_capsule_event next_event(struct capsule_fixture *f)
{
    struct bv_capsule_event e = {.fd = -1};
    struct pollfd p = {.fd = f->capsule.sock, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 20000), 1);
    assert_ok(bv_capsule_event(&f->capsule, &e, &err));
    return e;
}

/* Have `argv` run in a new capsule. */
static inline void start_argv(struct capsule_fixture *f, char **argv)
{
    f->command.argv = argv;
    assert_ok(bv_capsule_create(&f->config, &f->capsule, &err));
    assert_ok(bv_capsule_start(&f->capsule, &err));
}

static inline void start_script(struct capsule_fixture *f, const char *script)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    start_argv(f, argv);
    assert_int_equal(next_event(f).kind, BV_CAPSULE_STARTED);
}

static inline int await_end(struct capsule_fixture *f)
{
    struct bv_capsule_event e = next_event(f);
    assert_int_equal(e.kind, BV_CAPSULE_ROOT_ENDED);
    return e.status;
}

/* Run a script to its end; what it prints is in the file "out". */
static inline int run_script(struct capsule_fixture *f, const char *script)
{
    start_script(f, script);
    int status = await_end(f);
    bv_capsule_destroy(&f->capsule);
    return status;
}

#define assert_prints(f, script, text)                                                                                 \
    do {                                                                                                               \
        int status_ = run_script(f, script);                                                                           \
        assert_text((f)->dir->fd, "out", text);                                                                        \
        assert_int_equal(status_, 0);                                                                                  \
    } while (0)
