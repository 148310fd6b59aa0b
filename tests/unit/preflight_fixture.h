/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "unit.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "job/preflight.h"
#include "proc/tree.h"

/* Preflight against the real things: each test has a child make one, and asks what preflight says of the child. */

/* What a child makes. Returns 0, or the errno with which the kernel refused it. */
typedef int make(void *arg);

struct child {
    pid_t pid;
    int refused; /* errno, 0 if the thing was made */
};

static inline void be_child(int ready, make *it, void *arg)
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

static inline struct child start(make *it, void *arg)
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

static inline void stop(struct child *c)
{
    kill(c->pid, SIGKILL);
    assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
}

static inline struct bv_findings inspect_with(struct bv_preflight p)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_findings f = {0};
    struct bv_error err = {0};
    p.procfd = procfd;
    if (bv_preflight_run(&p, &f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static inline struct bv_findings inspect(pid_t pid)
{
    return inspect_with((struct bv_preflight){.root = pid});
}

static inline const struct bv_finding *find(const struct bv_findings *f, const char *topic)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->finding[i].topic, topic) == 0)
            return &f->finding[i];
    return NULL;
}

static inline void skip_if_refused(struct child *c, const char *what)
{
    if (!c->refused)
        return;
    print_message("# the kernel refuses %s here: %s\n", what, strerror(c->refused));
    stop(c);
    skip();
}

/* A child that makes `it` has exactly this finding. */
static inline void expect(make *it, void *arg, const char *topic, enum bv_finding_weight weight)
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
static inline void expect_nothing(make *it, void *arg)
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

static inline int result(long rc)
{
    return rc < 0 ? errno : 0;
}

/* A container that filters system calls gives every process the finding "seccomp"; nothing else can be told then. */
static inline int are_we_filtered(void)
{
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bv_task self = {0};
    return bv_task_read(procfd, getpid(), &self, NULL) == 0 && self.seccomp;
}

static inline int skip_all(void)
{
    puts("1..0 # SKIP a seccomp filter is in force here: preflight would see it in every child");
    return 0;
}
