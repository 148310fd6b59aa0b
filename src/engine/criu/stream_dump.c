/* SPDX-License-Identifier: Apache-2.0 */
/* A dump that streams. CRIU refuses to stream when it is driven by RPC ("unclear how to do that with RPC, so we punt",
 * cr-service.c), so here it is a command, and "frozen" reaches us through its action script. */
#include "engine/criu/criu.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"

#define SAY_FROZEN 'f'
#define SAY_GO     'g'
#define SAY_NO     'n'

int criu_hook_main(void)
{
    const char *number = getenv(CRIU_HOOK_VARIABLE), *action = getenv("CRTOOLS_SCRIPT_ACTION");
    if (!number || !action)
        return -1;
    if (strcmp(action, "post-dump") != 0)
        return 0;

    int sock = atoi(number);
    char say = SAY_FROZEN;
    if (send(sock, &say, 1, MSG_NOSIGNAL) != 1)
        return 1;
    /* No deadline here: whoever is at the other end has one, and kills criu and us. */
    while (recv(sock, &say, 1, 0) < 0)
        if (errno != EINTR)
            return 1;
    return say != SAY_GO;
}

/* 1 = criu says that the tree is frozen, 0 = it has ended. */
static int await_word(const struct criu *c, struct bv_error *err)
{
    char say;
    ssize_t n;
    do
        n = recv(c->sock, &say, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return bv_fail(err, BV_EENGINE, errno, "no answer from criu");
    return n == 1 && say == SAY_FROZEN;
}

static int serve(const struct criu *c, struct bv_engine_dump *d, struct bv_error *err)
{
    int word, refused = 0;
    while ((word = await_word(c, refused ? NULL : err)) > 0) {
        if (d->frozen && !refused)
            refused = d->frozen(d->arg, err) < 0;
        char say = refused ? SAY_NO : SAY_GO;
        if (send(c->sock, &say, 1, MSG_NOSIGNAL) != 1)
            break;
    }
    return refused || word < 0 ? -1 : 0;
}

int criu_dump_streaming(struct bv_engine_dump *d, struct criu_spawn *how, struct bv_error *err)
{
    struct criu c;
    struct bv_error why = {0};
    if (criu_spawn_streaming(how, d, &c, err) < 0)
        return -1;

    int rc = serve(&c, d, &why);
    int status = 0;
    while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
        ;
    c.pid = 0;
    criu_end(&c);
    if (rc < 0 && why.code != BV_EENGINE)
        return bv_fail(err, why.code, 0, "%s", why.text);
    if (rc < 0 || status != 0)
        return criu_log_error(d->images_fd, BV_EENGINE, "dump", NULL, err);
    d->frozen_ns = criu_frozen_ns(d->images_fd);
    return 0;
}
