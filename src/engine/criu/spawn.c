/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/criu.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/fork.h"
#include "base/io.h"

/* Numbers of our descriptors in the criu process: below its service descriptors, above what it opens on its way up. */
#define FIRST_INHERITED 64
#define SOCKET_NUMBER   (FIRST_INHERITED + CRIU_PIPES_MAX)
#define IMAGES_NUMBER   (SOCKET_NUMBER + 1)
#define ARGUMENTS_MAX   48

#define MOUNTS_MAX (4 << 20) /* bytes of mountinfo that are read */

/* Everything we have in the capsule's user namespace, except the power to change ids: uid 0 is not mapped there, and
 * criu gives up when it tries ("Unable to initialize id-s"). */
static int raise_ambient(void)
{
    cap_t caps = cap_get_proc();
    if (!caps)
        return -1;

    int rc = 0;
    for (cap_value_t c = 0; c < CAP_LAST_CAP + 1 && rc == 0; c++) {
        cap_flag_value_t permitted = CAP_CLEAR;
        if (cap_get_flag(caps, c, CAP_PERMITTED, &permitted) < 0)
            break; /* the library knows more capabilities than the kernel */
        if (c == CAP_SETUID || c == CAP_SETGID)
            permitted = CAP_CLEAR;
        rc = cap_set_flag(caps, CAP_INHERITABLE, 1, &c, permitted);
    }
    if (rc == 0)
        rc = cap_set_proc(caps);
    for (cap_value_t c = 0; c < CAP_LAST_CAP + 1 && rc == 0; c++) {
        cap_flag_value_t inheritable = CAP_CLEAR;
        if (cap_get_flag(caps, c, CAP_INHERITABLE, &inheritable) == 0 && inheritable == CAP_SET)
            rc = cap_set_ambient(c, CAP_SET);
    }
    cap_free(caps);
    return rc;
}

/* Give the process its descriptors and nothing else: all others close with execve. */
static int set_descriptors(const struct criu_spawn *how, int sock)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return -1;
    for (size_t i = 0; i < how->pipe_count; i++)
        if (dup2(how->pipes[i].fd, FIRST_INHERITED + (int)i) < 0)
            return -1;
    if (how->images_fd >= 0 && dup2(how->images_fd, IMAGES_NUMBER) < 0)
        return -1;
    return dup2(sock, SOCKET_NUMBER) < 0 ? -1 : 0;
}

/* An overlay's files may be on another device for stat(2) than for /proc/PID/maps: see src/preload/overlay.c. */
static const char *preload(void)
{
    autofree char *mounts = bv_read_proc(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX);
    return mounts && strstr(mounts, " - overlay ") ? "LD_PRELOAD=" BV_LIBEXECDIR "/libbivouac-overlay.so" : NULL;
}

static void exec_criu(const struct criu_spawn *how, int sock)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    if (set_descriptors(how, sock) < 0 || raise_ambient() < 0)
        _exit(127);

    const char *argv[ARGUMENTS_MAX + 1] = {how->path};
    int n = 1;
    for (int i = 0; how->options[i] && n < ARGUMENTS_MAX; i++)
        argv[n++] = how->options[i];
    for (int i = 0; how->command[i] && n < ARGUMENTS_MAX; i++)
        argv[n++] = how->command[i];
    /* No XDG_RUNTIME_DIR: criu would cache what it knows of the kernel there, a few ms, but only if that is a tmpfs,
     * and leave rubbish else. */
    const char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                "HOME=/nonexistent",
                                "LC_ALL=C",
                                CRIU_HOOK_VARIABLE "=1",
                                preload(),
                                NULL};
    execve(how->path, (char *const *)argv, (char *const *)envp);
    _exit(127);
}

static int spawn(struct criu_spawn *how, struct criu *ret, struct bv_error *err)
{
    if (how->pipe_count > CRIU_PIPES_MAX)
        return bv_fail(err, BV_EINTERNAL, 0, "more than %d outside pipes", CRIU_PIPES_MAX);
    for (size_t i = 0; i < how->pipe_count; i++)
        how->inherited[i] = FIRST_INHERITED + (int)i;

    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket pair");

    pid_t pid = bv_fork();
    if (pid == 0)
        exec_criu(how, pair[1]);
    int saved = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return bv_fail(err, BV_EINTERNAL, saved, "cannot start criu");
    }
    *ret = (struct criu){.pid = pid, .sock = pair[0]};
    return 0;
}

int criu_spawn(struct criu_spawn *how, struct criu *ret, struct bv_error *err)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", SOCKET_NUMBER);
    const char *command[] = {"swrk", number, NULL};
    how->command = command;
    how->images_fd = -1; /* named in the request */
    return spawn(how, ret, err);
}

int criu_spawn_streaming(struct criu_spawn *how, const struct bv_engine_dump *d, struct criu *ret, struct bv_error *err)
{
    static const char *const leave[] = {
        [BV_LEAVE_RUNNING] = "--leave-running",
        [BV_LEAVE_STOPPED] = "--leave-stopped",
        [BV_LEAVE_DEAD] = NULL,
    };
    char pid[16], images[32];
    snprintf(pid, sizeof(pid), "%d", (int)d->root);
    snprintf(images, sizeof(images), "/proc/self/fd/%d", IMAGES_NUMBER);
    /* Of the capsule's init the executable is ours, wherever it is installed and whatever is mounted over it. */
    const char *command[] = {"dump",        "--tree",        pid,   "--images-dir", images,
                             "--log-file",  CRIU_LOG,        "-v2", "--stream",     "--action-script",
                             "/proc/1/exe", leave[d->leave], NULL};
    how->command = command;
    how->images_fd = d->images_fd;
    return spawn(how, ret, err);
}

void criu_end(struct criu *c)
{
    close_fd(&c->sock);
    if (c->pid <= 0)
        return;
    /* After its response criu ends by itself; give it the time to, since killing it earlier could lose its log. */
    for (int i = 0; i < 200; i++) {
        pid_t done = waitpid(c->pid, NULL, WNOHANG);
        if (done == c->pid || (done < 0 && errno == ECHILD)) {
            c->pid = 0;
            return;
        }
        usleep(5000);
    }
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    c->pid = 0;
}
