/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/criu.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/mem.h"

/* The oldest version that dumps sockets on kernels since 6.16 (SO_PASSCRED is refused there on other than unix
 * sockets; CRIU commit 4b7398595), and the first whose unprivileged mode passed our tests. */
#define CRIU_MAJOR 4
#define CRIU_MINOR 2

static int is_program(const char *path)
{
    return path[0] == '/' && access(path, X_OK) == 0;
}

/* $BIVOUAC_CRIU, else $PATH, else where distributions put it: batch jobs often run with a PATH without sbin. */
static int find(char path[4096], struct bv_error *err)
{
    const char *given = getenv("BIVOUAC_CRIU");
    if (given) {
        snprintf(path, 4096, "%s", given);
        if (!is_program(path))
            return bv_fail(err, BV_ENOENGINE, 0, "BIVOUAC_CRIU=%s is not an executable file with an absolute path",
                           given);
        return 0;
    }

    const char *search = getenv("PATH");
    autofree char *dirs = bv_asprintf("%s:/usr/local/sbin:/usr/sbin:/sbin", search ? search : "/usr/bin:/bin");
    char *save = NULL;
    for (char *dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        snprintf(path, 4096, "%s/criu", dir);
        if (is_program(path))
            return 0;
    }
    return bv_fail(err, BV_ENOENGINE, 0, "criu is not installed: install criu %d.%d or newer, or set BIVOUAC_CRIU",
                   CRIU_MAJOR, CRIU_MINOR);
}

/* First bytes of what `PATH --version` prints. */
static int ask_version(const char *path, char *out, size_t room, struct bv_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(ends[1], STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
            _exit(127);
        execl(path, path, "--version", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    autoclose int in = ends[0];
    if (pid < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot start %s", path);

    size_t used = 0;
    struct bv_deadline deadline = bv_deadline_in(20);
    struct pollfd p = {.fd = in, .events = POLLIN};
    while (used + 1 < room && poll(&p, 1, bv_deadline_ms(deadline)) > 0) {
        ssize_t n = read(in, out + used, room - 1 - used);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    out[used] = '\0';
    kill(pid, SIGKILL); /* it has nothing more to say */
    waitpid(pid, NULL, 0);
    return 0;
}

int criu_probe(struct bv_engine_info *ret, struct bv_error *err)
{
    struct bv_engine_info info = {0};
    char text[512];
    if (find(info.path, err) < 0 || ask_version(info.path, text, sizeof(text), err) < 0)
        return -1;

    int major = 0, minor = 0;
    const char *v = strstr(text, "Version: ");
    if (!v || sscanf(v, "Version: %d.%d", &major, &minor) != 2)
        return bv_fail(err, BV_ENOENGINE, 0, "%s does not tell its version", info.path);
    snprintf(info.version, sizeof(info.version), "%.*s", (int)strcspn(v + 9, "\n"), v + 9);
    if (major < CRIU_MAJOR || (major == CRIU_MAJOR && minor < CRIU_MINOR))
        return bv_fail(err, BV_ENOENGINE, 0,
                       "%s is version %s; Bivouac needs criu %d.%d or newer (or set BIVOUAC_CRIU)", info.path,
                       info.version, CRIU_MAJOR, CRIU_MINOR);
    *ret = info;
    return 0;
}

const struct bv_engine bv_engine_criu = {
    .struct_size = sizeof(struct bv_engine),
    .api = BV_ENGINE_API,
    .name = "criu",
    .capabilities = BV_ENGINE_LEAVE_RUNNING | BV_ENGINE_ROOTLESS | BV_ENGINE_FROZEN_HOOK | BV_ENGINE_TCP |
                    BV_ENGINE_TTY | BV_ENGINE_STREAM,
    .probe = criu_probe,
    .dump = criu_dump,
    .stream_open = criu_stream_open,
    .stream_fd = criu_stream_fd,
    .stream_next = criu_stream_next,
    .stream_close = criu_stream_close,
    .is_bulk = criu_is_bulk,
    .leave_zeros = criu_leave_zeros,
    .restore = criu_restore,
    .compare = criu_compare,
};
