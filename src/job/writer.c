/* SPDX-License-Identifier: Apache-2.0 */
#include "job/writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/msg.h"

/* The engine's logs and statistics are not part of a job's state. */
static int is_image(const char *name)
{
    return strstr(name, ".img") != NULL;
}

/* Every file of directory `dir`/`sub` as stream "sub/name"; each raw file goes as soon as it is in the pack. */
static int add_all(struct bv_gen_writer *w, int staging, const char *sub, int (*wanted)(const char *),
                   struct bv_error *err)
{
    int fd = openat(staging, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return bv_fail(err, BV_ESTORE, errno, "cannot list the staging directory");
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        struct stat st;
        if (e->d_name[0] == '.' || (wanted && !wanted(e->d_name)))
            continue;
        autoclose int in = openat(fd, e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (in < 0 || fstat(in, &st) < 0)
            return bv_fail(err, BV_ESTORE, errno, "cannot open the staged %s", e->d_name);
        autofree char *name = bv_asprintf("%s/%s", sub, e->d_name);
        if (bv_gen_writer_add(w, name, in, (uint64_t)st.st_size, err) < 0)
            return -1;
        unlinkat(fd, e->d_name, 0);
    }
    return 0;
}

static int add_one(struct bv_gen_writer *w, int staging, const char *name, struct bv_error *err)
{
    struct stat st;
    autoclose int in = openat(staging, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the staged %s", name);
    return bv_gen_writer_add(w, name, in, (uint64_t)st.st_size, err);
}

/* Only for the message when space runs out. */
static uint64_t staged_bytes(int staging, const char *sub)
{
    uint64_t sum = 0;
    struct stat st;
    int fd = openat(staging, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    return sum;
}

static int write_generation(const struct bv_job *job, unsigned generation, unsigned attempt, int staging,
                            const json_t *content, struct bv_gen_stats *stats, struct bv_error *err)
{
    struct bv_gen_writer *w;
    struct bv_gen_options options = {
        .expected_bytes = staged_bytes(staging, "images") + staged_bytes(staging, "files"),
    };
    if (bv_gen_writer_open(job, generation, attempt, &options, &w, err) < 0)
        return -1;
    int rc = add_all(w, staging, "images", is_image, err);
    if (rc == 0)
        rc = add_all(w, staging, "files", NULL, err);
    if (rc == 0)
        rc = add_one(w, staging, "capture.json", err);
    if (rc == 0)
        rc = bv_gen_writer_finish(w, content, stats, err);
    bv_gen_writer_close(w);
    return rc;
}

static void writer_main(const struct bv_job *job, unsigned generation, unsigned attempt, int staging,
                        const json_t *content, int sock)
{
    struct bv_error err = {0};
    struct bv_gen_stats s = {0};
    prctl(PR_SET_NAME, "bivouac-writer");
    json_t *answer;
    if (write_generation(job, generation, attempt, staging, content, &s, &err) < 0)
        answer = json_pack("{s:s, s:i, s:o}", "is", "failed", "code", (int)err.code, "text", bv_json_bytes(err.text));
    else
        answer = json_pack("{s:s, s:I, s:I, s:I, s:I}", "is", "written", "raw_bytes", (json_int_t)s.raw_bytes,
                           "stored_bytes", (json_int_t)s.stored_bytes, "write_ns", (json_int_t)s.write_ns, "sync_ns",
                           (json_int_t)s.sync_ns);
    _exit(bv_msg_send(sock, answer, NULL, 0, bv_deadline_in(60), NULL) < 0);
}

int bv_writer_start(const struct bv_job *job, unsigned generation, unsigned attempt, int staging, const json_t *content,
                    struct bv_writer *ret, struct bv_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a socket pair");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(pair[0]);
        writer_main(job, generation, attempt, staging, content, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return bv_fail(err, BV_EINTERNAL, errno, "cannot fork");
    }
    *ret = (struct bv_writer){.pid = pid, .sock = pair[0]};
    return 0;
}

void bv_writer_end(struct bv_writer *w)
{
    if (w->pid > 0) {
        kill(w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    w->pid = 0;
    close_fd(&w->sock);
}
