/* SPDX-License-Identifier: Apache-2.0 */
/* A dump that streams. CRIU refuses to stream when it is driven by RPC ("unclear how to do that with RPC, so we punt",
 * cr-service.c), so here it is a command, and "frozen" reaches us through its action script. */
#include "engine/criu/criu.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"

#define HOOK_SOCKET "bivouac-hook.sock" /* in the images directory; criu closes all descriptors of its scripts */
#define SAY_GO      'g'
#define SAY_NO      'n'

static struct sockaddr_un address_in(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.64s/" HOOK_SOCKET, dir);
    return address;
}

int criu_hook_main(void)
{
    const char *action = getenv("CRTOOLS_SCRIPT_ACTION"), *images = getenv("CRTOOLS_IMAGE_DIR");
    if (!getenv(CRIU_HOOK_VARIABLE) || !action || !images)
        return -1;
    if (strcmp(action, "post-dump") != 0)
        return 0;

    struct sockaddr_un address = address_in(images);
    char say = SAY_NO;
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
        return 1;
    /* No deadline here: whoever is at the other end has one, and kills criu and us. */
    while (recv(sock, &say, 1, 0) < 0)
        if (errno != EINTR)
            return 1;
    return say != SAY_GO;
}

static int listen_for_hook(int images_fd, struct bv_error *err)
{
    char dir[32];
    snprintf(dir, sizeof(dir), "/proc/self/fd/%d", images_fd);
    struct sockaddr_un address = address_in(dir);
    autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot listen in the staging directory");
    return steal_fd(&fd);
}

/* Wait for criu's hook or its end. 1 = the hook has connected: the tree is frozen; 0 = criu has ended. */
static int await(int listener, int pidfd, int *ret_hook, struct bv_error *err)
{
    for (;;) {
        struct pollfd p[2] = {{.fd = listener, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        if (poll(p, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return bv_fail(err, BV_EENGINE, errno, "poll");
        }
        if (p[0].revents) {
            *ret_hook = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            return *ret_hook < 0 ? bv_fail(err, BV_EENGINE, errno, "cannot hear criu") : 1;
        }
        if (p[1].revents)
            return 0;
    }
}

static int serve(int listener, int pidfd, struct bv_engine_dump *d, struct bv_error *err)
{
    for (;;) {
        autoclose int hook = -1;
        int word = await(listener, pidfd, &hook, err);
        if (word <= 0)
            return word;
        int rc = d->frozen ? d->frozen(d->arg, err) : 0;
        char say = rc < 0 ? SAY_NO : SAY_GO;
        if (send(hook, &say, 1, MSG_NOSIGNAL) != 1 && rc == 0)
            return bv_fail(err, BV_EENGINE, errno, "criu does not take the verdict");
        if (rc < 0)
            return -1;
    }
}

int criu_dump_streaming(struct bv_engine_dump *d, struct criu_spawn *how, struct bv_error *err)
{
    struct criu c;
    struct bv_error why = {0};
    autoclose int listener = listen_for_hook(d->images_fd, err);
    if (listener < 0 || criu_spawn_streaming(how, d, &c, err) < 0)
        return -1;

    autoclose int pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
    int rc = pidfd < 0 ? bv_fail(&why, BV_EENGINE, errno, "cannot watch criu") : serve(listener, pidfd, d, &why);
    int status = 0;
    if (pidfd < 0)
        kill(c.pid, SIGKILL);
    while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
        ;
    c.pid = 0;
    criu_end(&c);
    d->died = WIFSIGNALED(status);
    if (rc < 0 && why.code != BV_EENGINE)
        return bv_fail(err, why.code, 0, "%s", why.text);
    if (rc == 0 && WIFSIGNALED(status))
        rc = bv_fail(&why, BV_EENGINE, 0, "it was killed by signal %d", WTERMSIG(status));
    else if (rc == 0 && status != 0)
        rc = bv_fail(&why, BV_EENGINE, 0, "it ended with status %d", WEXITSTATUS(status));
    if (rc < 0) {
        criu_log_error(d->images_fd, BV_EENGINE, "dump", NULL, &why);
        return bv_fail(err, why.code, 0, "%s", why.text);
    }
    d->frozen_ns = criu_frozen_ns(d->images_fd);
    return 0;
}
