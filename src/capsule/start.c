/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/private.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/pidfile.h"

/* How the child tells that it could not become the job. */
struct failure {
    int code;
    int sys_errno;
    char text[512];
};

/* Let the next process get BV_FIRST_JOB_PID: below it there is room for the init and for an engine's own helpers in
 * the fresh pid namespace of a restore. */
static int set_next_pid(struct bv_error *err)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", BV_FIRST_JOB_PID - 1);
    autoclose int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || bv_write_full(fd, text, (size_t)n) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot set the job's first pid (/proc/sys/kernel/ns_last_pid)");
    return 0;
}

static int open_terminal(int *ret_master, int *ret_slave, struct bv_error *err)
{
    char name[64];
    autoclose int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0)
        return bv_fail(err, BV_EHOST, errno, "cannot create a terminal for the job");
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot open the job's terminal %s", name);
    *ret_master = steal_fd(&master);
    *ret_slave = slave;
    return 0;
}

/* Signals back to what a program started by a shell would find. Ignored ones stay ignored (nohup). */
static void reset_signals(const sigset_t *mask)
{
    for (int n = 1; n < NSIG; n++) {
        struct sigaction sa;
        if (sigaction(n, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN)
            signal(n, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, mask, NULL);
}

/* Is there anything of that name along $PATH? For execvpe(3) a directory that may not be searched is as good as a
 * program that may not be run. */
static int is_on_path(const char *name)
{
    const char *search = getenv("PATH");
    autofree char *dirs = bv_strdup(search ? search : "/bin:/usr/bin");
    char *save = NULL;
    for (char *dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        autofree char *path = bv_asprintf("%s/%s", dir, name);
        if (access(path, F_OK) == 0)
            return 1;
    }
    return 0;
}

/* The container's first process goes to the capsule's init when its runtime ends, and so do we. */
static int start_container(const struct bv_capsule_config *config, struct bv_error *err)
{
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    environ = (char **)config->command->envp;
    reset_signals(&config->command->mask);
    if (config->container->start(config->container->arg, err) < 0)
        return -1;
    _exit(0);
}

static int become_job(const struct bv_capsule_config *config, int slave, struct bv_error *err)
{
    const struct bv_command *cmd = config->command;
    setsid();
    /* A process whose parent ends ("(daemon &)") must stay in the tree that is dumped, not go to the capsule's init. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (slave >= 0 && ioctl(slave, TIOCSCTTY, 0) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot give the job its terminal");
    if (bv_stdio_become(config->stdio, slave, err) < 0)
        return -1;
    if (chdir(cmd->cwd) < 0)
        return bv_fail(err, BV_ENODIR, errno, "cannot enter %s", cmd->cwd);
    if (config->container)
        return start_container(config, err);
    /* Capabilities go with execve: uid is not 0, nothing is inheritable or ambient. Whoever is root stays it. */
    prctl(PR_SET_NAME, "bivouac-job");
    reset_signals(&cmd->mask);
    execvpe(cmd->argv[0], cmd->argv, cmd->envp);
    if (errno == EACCES && !strchr(cmd->argv[0], '/'))
        errno = is_on_path(cmd->argv[0]) ? EACCES : ENOENT;
    return bv_fail(err, errno == ENOENT ? BV_ENOCMD : BV_ENOEXEC, errno, "cannot run %s", cmd->argv[0]);
}

static void child_main(const struct bv_capsule_config *config, int slave, int report)
{
    struct bv_error err = {0};
    /* The report goes above what the job may see; everything else above 2 closes with execve. */
    become_job(config, slave, &err);
    struct failure f = {.code = err.code, .sys_errno = err.sys_errno};
    snprintf(f.text, sizeof(f.text), "%s", err.text);
    bv_write_full(report, &f, sizeof(f));
    _exit(127);
}

/* A runtime may take as long as it likes to start a container, but not longer than there is a supervisor. */
static int is_abandoned(int report, int sock)
{
    struct pollfd p[2] = {{.fd = report, .events = POLLIN}, {.fd = sock, .events = POLLRDHUP}};
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    return !p[0].revents && p[1].revents;
}

int capsule_start_job(const struct bv_capsule_config *config, int sock, pid_t *ret_pid, int *ret_master,
                      struct bv_error *err)
{
    autoclose int master = -1, slave = -1;
    if (bv_stdio_has(config->stdio, BV_STDIO_TTY) && open_terminal(&master, &slave, err) < 0)
        return -1;

    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    autoclose int in = report[0];
    autoclose int out = report[1];
    if (!config->container && set_next_pid(err) < 0)
        return -1;

    pid_t pid = fork();
    if (pid == 0)
        child_main(config, slave, out);
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");

    close_fd(&out);
    if (config->container && is_abandoned(in, sock)) {
        kill(pid, SIGKILL);
        return 1;
    }
    struct failure f;
    if (bv_read_full(in, &f, sizeof(f)) == sizeof(f)) {
        waitpid(pid, NULL, 0);
        f.text[sizeof(f.text) - 1] = '\0';
        return bv_fail(err, (enum bv_code)f.code, 0, "%s", f.text);
    }
    if (config->container) {
        waitpid(pid, NULL, 0);
        pid = bv_pid_file_read(config->container->dir, config->container->pid_name);
        if (pid <= 0) /* it may have ended already */
            pid = bv_pid_file_read(config->container->dir, config->container->wait_name);
        if (pid <= 0)
            return bv_fail(err, BV_ENOEXEC, 0, "the container was not started");
    }
    *ret_pid = pid;
    *ret_master = steal_fd(&master);
    return 0;
}
