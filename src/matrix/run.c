/* SPDX-License-Identifier: Apache-2.0 */
/* Several rows at a time, each in a process of its own. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/fork.h"
#include "base/io.h"
#include "base/mem.h"
#include "matrix/matrix.h"

#define REAP_SECONDS 30.0

/* A row's result is written at once, so that no writer waits for us. */
_Static_assert(sizeof(struct matrix_result) <= 4096, "a result fits into a pipe");

struct running {
    size_t row;
    pid_t pid; /* 0 = none */
    int report;
};

static int start(const struct matrix *m, struct running *slot, size_t i, struct bv_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    pid_t pid = bv_fork();
    if (pid == 0) {
        struct matrix_result result;
        setsid();
        matrix_row_run(m, matrix_row(i), &result);
        _exit(bv_write_full(ends[1], &result, sizeof(result)) < 0);
    }
    int saved = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return bv_fail(err, BV_EINTERNAL, saved, "cannot fork");
    }
    *slot = (struct running){.row = i, .pid = pid, .report = ends[0]};
    return 0;
}

static void finish(struct matrix *m, struct running *slot)
{
    struct matrix_result *ret = &m->result[slot->row], got;
    if (bv_read_full(slot->report, &got, sizeof(got)) == sizeof(got)) {
        *ret = got;
    } else {
        *ret = (struct matrix_result){.outcome = MATRIX_FAILS, .frozen = -1};
        snprintf(ret->text, sizeof(ret->text), "what ran the row has died");
    }
    close_fd(&slot->report);
    slot->pid = 0;
}

/* Take the end of every process that has ended. Returns the number of rows among them. */
static size_t reap(struct matrix *m, struct running *slots)
{
    size_t rows = 0;
    pid_t got;
    while ((got = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t k = 0; k < m->jobs; k++)
            if (slots[k].pid == got) {
                finish(m, &slots[k]);
                rows++;
            }
    return rows;
}

/* Fill the free places. Returns the number of rows that run. */
static size_t fill(struct matrix *m, struct running *slots, size_t *next, size_t *running, struct bv_error *err)
{
    size_t count = 0;
    for (size_t k = 0; k < m->jobs; k++) {
        while (slots[k].pid == 0 && matrix_row(*next)) {
            size_t i = (*next)++;
            if (m->chosen[i] && start(m, &slots[k], i, err) < 0)
                return SIZE_MAX;
        }
        if (slots[k].pid)
            running[count++] = slots[k].row;
    }
    return count;
}

static int run_all(struct matrix *m, struct running *slots, size_t *running, struct bv_error *err)
{
    for (size_t next = 0, done = 0;;) {
        size_t count = fill(m, slots, &next, running, err);
        if (count == SIZE_MAX)
            return -1;
        if (m->tell(m->arg, done, running, count) < 0)
            return bv_fail(err, BV_EINTERNAL, 0, "interrupted");
        if (count == 0)
            return 0;
        done += reap(m, slots);
    }
}

int matrix_run(struct matrix *m, struct bv_error *err)
{
    autofree struct running *slots = bv_alloc(m->jobs * sizeof(*slots));
    autofree size_t *running = bv_alloc(m->jobs * sizeof(*running));
    int rc = run_all(m, slots, running, err);
    for (size_t k = 0; k < m->jobs; k++)
        if (slots[k].pid) {
            kill(slots[k].pid, SIGKILL); /* what it has started dies with it */
            close_fd(&slots[k].report);
        }
    bv_child_wait_all(REAP_SECONDS);
    return rc;
}
