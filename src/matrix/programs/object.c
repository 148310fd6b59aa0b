/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/programs/object.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char go[PATH_MAX + 4];

void hold_quietly(void)
{
    row_wait_for(go);
}

void hold(void)
{
    row_say("ready");
    hold_quietly();
}

int have(int rc, const char *what)
{
    if (rc < 0)
        row_not_here("cannot %s: %s", what, strerror(errno));
    return rc;
}

int is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 10000) == 1 && (p.revents & POLLIN);
}

static unsigned char byte_at(size_t i, unsigned seed)
{
    return (unsigned char)((i * 2654435761U + seed) >> 7);
}

void fill(unsigned char *buffer, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        buffer[i] = byte_at(i, seed);
}

int is_filled(const unsigned char *buffer, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        if (buffer[i] != byte_at(i, seed))
            return 0;
    return 1;
}

pid_t child(int (*f)(void *), void *arg)
{
    pid_t pid = have(fork(), "fork");
    if (pid == 0)
        _exit(f(arg));
    return pid;
}

int status_of(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const struct row_case *const families[] = {
    object_event_cases, object_timer_cases, object_ring_cases,   object_pipe_cases,    object_ipc_cases,
    object_unix_cases,  object_inet_cases,  object_file_cases,   object_deleted_cases, object_lock_cases,
    object_task_cases,  object_tree_cases,  object_memory_cases,
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

static int has(const struct row_case *cases, const char *name)
{
    for (; cases->name; cases++)
        if (strcmp(cases->name, name) == 0)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    size_t i = 0;
    row_must(getcwd(go, PATH_MAX));
    strcat(go, "/go");
    while (argc == 2 && i + 1 < FAMILIES && !has(families[i], argv[1]))
        i++;
    return row_main(argc, argv, families[i]);
}
