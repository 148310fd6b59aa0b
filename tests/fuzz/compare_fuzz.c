/* SPDX-License-Identifier: Apache-2.0 */
/* Images with which a process is compared: two bytes that say how the rest is cut, then the messages of its thread's
 * core image and of its pagemap. The process is real and stopped; the files have their right beginnings. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/criu/criu.h"

#define COMMON_MAGIC 0x54564319u /* criu/include/magic.h */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static pid_t child;
static int dir = -1;

static void need(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

static void put(const char *name, uint32_t magic, const void *bytes, size_t size)
{
    uint32_t head[2] = {COMMON_MAGIC, magic};
    autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && bv_write_full(fd, head, sizeof(head)) == 0 && bv_write_full(fd, bytes, size) == 0, name);
}

/* The child, with one thread: what it says is not hostile here. */
static void put_tree(void)
{
    uint8_t bytes[4 + 64];
    uint32_t tid = (uint32_t)child;
    PstreeEntry e = PSTREE_ENTRY__INIT;
    e.pid = tid;
    e.n_threads = 1;
    e.threads = &tid;
    uint32_t size = (uint32_t)protobuf_c_message_pack(&e.base, bytes + 4);
    memcpy(bytes, &size, sizeof(size));
    put("pstree.img", 0x50273030u, bytes, 4 + size);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[] = "compare-XXXXXX";
    (void)argc;
    (void)argv;
    need(mkdtemp(path) != NULL, "mkdtemp");
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(dir >= 0, path);
    child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    need(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "waitpid");
    put_tree();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char zeros[1 << 16];
    char name[64];
    struct bv_engine_compared sum = {0};
    if (size < 2)
        return 0;
    size_t core = (size_t)data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    if (core > size)
        core = size;
    snprintf(name, sizeof(name), "core-%d.img", (int)child);
    put(name, 0x55053847u, data, core);
    snprintf(name, sizeof(name), "pagemap-%d.img", (int)child);
    put(name, 0x56084025u, data + core, size - core);

    autoclose int pages = openat(dir, "pages-1.img", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    need(pages >= 0 && bv_write_full(pages, zeros, sizeof(zeros)) == 0, "pages-1.img");
    if (criu_compare(dir, &sum, NULL) == 0 && sum.processes != 1)
        abort();
    return 0;
}
