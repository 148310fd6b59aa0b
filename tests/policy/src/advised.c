/* SPDX-License-Identifier: Apache-2.0 */
/* advised STORE JOB FIFO COMMAND…: like "bivouac run", with a watcher that sends each line of FIFO to the supervisor as
 * it is, and ends with it. Ends with the outcome's status, 85 for a checkpoint, 86 for a stop without one. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "job/supervisor.h"

static void watch(const char *fifo, int sock)
{
    char *line = NULL;
    size_t room = 0;
    FILE *in = fopen(fifo, "re");
    for (ssize_t n = in ? getline(&line, &room, in) : -1; n > 0; n = getline(&line, &room, in))
        if (send(sock, line, (size_t)n - 1, MSG_NOSIGNAL) < 0)
            break;
    _exit(0);
}

static int status_of(const struct bv_outcome *o)
{
    switch (o->how) {
    case BV_ENDED_EXIT:
        return o->number;
    case BV_ENDED_SIGNAL:
        return 128 + o->number;
    case BV_ENDED_CHECKPOINTED:
        return 85;
    case BV_ENDED_STOPPED:
        return 86;
    }
    return 1;
}

static char **copy_of(char **list)
{
    size_t n = 0;
    while (list[n])
        n++;
    char **copy = bv_alloc((n + 1) * sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = bv_strdup(list[i]);
    return copy;
}

int main(int argc, char **argv)
{
    int hook = bv_engine_hook_main(argv);
    if (hook >= 0)
        return hook;
    struct bv_error err = {0};
    struct bv_outcome outcome;
    autosettings struct bv_settings settings;
    autospec struct bv_spec spec = {0};
    char cwd[PATH_MAX];
    int pair[2];
    if (argc < 5 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || !getcwd(cwd, sizeof(cwd)))
        return BV_EUSAGE;
    if (fork() == 0)
        watch(argv[3], pair[1]);
    close(pair[1]);
    bv_settings_init(&settings);
    settings.store = bv_strdup(argv[1]);
    if (bv_settings_load(&settings, NULL, &err) < 0)
        return err.code;
    spec.capture_limit = settings.capture_limit;
    spec.cwd = bv_strdup(cwd);
    spec.argv = copy_of(argv + 4);
    struct bv_supervise_options o = {.settings = &settings, .job_id = argv[2], .spec = &spec, .advice_fd = pair[0]};
    if (bv_supervise(&o, &outcome, &err) < 0) {
        fprintf(stderr, "advised: %s\n", err.text);
        return err.code;
    }
    return status_of(&outcome);
}
