/* SPDX-License-Identifier: Apache-2.0 */
/* What criu says. The first byte: 0 its log, 1 its statistics, 2 its messages, each a byte of length
 * and as many bytes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/criu/criu.h"

#define MESSAGES_MAX 64 /* more would wait for room for the answers */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int images = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char dir[] = "/tmp/criu-fuzz.XXXXXX";
    (void)argc;
    (void)argv;
    images = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return images < 0 ? -1 : 0;
}

static void put_file(const char *name, const uint8_t *data, size_t size)
{
    autoclose int fd = openat(images, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || bv_write_full(fd, data, size) < 0)
        abort();
}

static int notify(void *arg, const char *script, int fd, struct bv_error *err)
{
    int *refuse = arg;
    if (fd >= 0)
        close(fd);
    return (*refuse)++ % 8 == 7 ? bv_fail(err, BV_ENOSPACE, 0, "refused at %s", script) : 0;
}

static void talk(const uint8_t *data, size_t size)
{
    int pair[2], refuse = size ? data[0] : 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    for (int i = 0; size > 0 && i < MESSAGES_MAX; i++) {
        size_t n = data[0] < size - 1 ? data[0] : size - 1;
        if (send(pair[1], data + 1, n, MSG_DONTWAIT) < 0)
            break;
        data += 1 + n;
        size -= 1 + n;
    }
    shutdown(pair[1], SHUT_WR);

    struct criu c = {.sock = pair[0]};
    struct bv_error err = {0};
    CriuReq req = CRIU_REQ__INIT;
    CriuResp *resp = NULL;
    req.type = CRIU_REQ_TYPE__DUMP;
    int rc = criu_call(&c, &req, notify, &refuse, &resp, &err);
    if ((rc == 0) != (resp != NULL) || (rc < 0 && err.code != BV_EENGINE && err.code != BV_ENOSPACE))
        abort();
    if (resp) {
        criu_log_error(images, BV_EENGINE, "dump", resp, &err);
        criu_resp__free_unpacked(resp, NULL);
    }
    close(pair[0]);
    close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bv_error err = {0};
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        put_file(CRIU_LOG, data + 1, size - 1);
        if (criu_log_error(images, BV_EENGINE, "dump", NULL, &err) != -1 || !err.text[0])
            abort();
        break;
    case 1:
        put_file("stats-dump", data + 1, size - 1);
        if (criu_frozen_ns(images) < 0)
            abort();
        break;
    default:
        talk(data + 1, size - 1);
    }
    return 0;
}
