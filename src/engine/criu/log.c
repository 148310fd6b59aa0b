/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/criu/criu.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define LOG_TAIL      (64 << 10)
#define MESSAGES_MAX  3
#define STATS_MAGIC_1 0x55105940u /* criu/include/magic.h: IMG_SERVICE_MAGIC, STATS_MAGIC */
#define STATS_MAGIC_2 0x57093306u

/* What criu says, and what it means for the user. The first that occurs in the log counts. */
static const struct {
    const char *says;
    enum bv_code code;
} meanings[] = {
    {"No space left on device", BV_ENOSPACE},
    {"Disk quota exceeded", BV_ENOSPACE},
    {"has bad build-ID", BV_ECHANGED},
    {"has bad size", BV_ECHANGED},
    {"has bad mode", BV_ECHANGED},
    {"on restore: No such file or directory", BV_ECHANGED},
    {"CPU instruction capabilities do not match", BV_EHOST},
    {"cpu: ", BV_EHOST},
};

/* The end of the log, NUL-terminated, or NULL. */
static char *log_tail(int dir_fd, const char *name)
{
    autoclose int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return NULL;
    off_t from = st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
    autofree char *text = bv_alloc(LOG_TAIL + 1);
    ssize_t n = bv_pread_full(fd, text, LOG_TAIL, from);
    if (n < 0)
        return NULL;
    text[n] = '\0';
    return steal_ptr(&text);
}

/* "(00.010203)   1000: Error (criu/files-reg.c:123): Can't open …" -> "Can't open …" */
static const char *message_of(char *line)
{
    char *error = strstr(line, "Error (");
    char *text = error ? strstr(error, "): ") : NULL;
    return text ? text + 3 : NULL;
}

/* What comes always, for want of a capability that nobody needs, and means nothing. */
static int is_noise(const char *message)
{
    static const char *const noise[] = {"RLIMIT_NOFILE", "Unexpected error: -1(Operation not permitted)"};
    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
        if (strstr(message, noise[i]))
            return 1;
    return 0;
}

/* The first messages of the log: later ones are consequences. */
static void collect(char *log, char *out, size_t room)
{
    int found = 0;
    size_t used = 0;
    char *save = NULL;
    out[0] = '\0';
    for (char *line = strtok_r(log, "\n", &save); line && found < MESSAGES_MAX; line = strtok_r(NULL, "\n", &save)) {
        const char *m = message_of(line);
        if (!m || is_noise(m))
            continue;
        int n = snprintf(out + used, room - used, "%s%.200s", found ? "; " : "", m);
        if (n < 0 || (size_t)n >= room - used)
            break;
        used += (size_t)n;
        found++;
    }
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

/* Runtimes have CRIU say much more than that, and what means something in an error means nothing in the rest. */
static void keep_errors(char *log)
{
    char *to = log;
    for (char *line = log; *line;) {
        size_t n = strcspn(line, "\n");
        n += line[n] == '\n';
        if (memmem(line, n, "Error (", 7)) {
            memmove(to, line, n);
            to += n;
        }
        line += n;
    }
    *to = '\0';
}

int criu_log_file_error(int dir_fd, const char *name, enum bv_code otherwise, const char *what, const char *said,
                        struct bv_error *err)
{
    autofree char *log = log_tail(dir_fd, name);
    enum bv_code code = otherwise;
    if (log && strcmp(name, CRIU_LOG) != 0)
        keep_errors(log);
    for (size_t i = 0; log && i < sizeof(meanings) / sizeof(meanings[0]) && code == otherwise; i++)
        if (strstr(log, meanings[i].says))
            code = meanings[i].code;

    char text[1024] = "";
    if (log)
        collect(log, text, sizeof(text));
    if (!text[0])
        snprintf(text, sizeof(text), "%.1000s", said ? said : "no reason in its log");
    return bv_fail(err, code, 0, "criu could not %s the job: %s", what, text);
}

int criu_log_error(int images_fd, enum bv_code otherwise, const char *what, const CriuResp *resp, struct bv_error *err)
{
    const char *said = resp && resp->cr_errmsg && resp->cr_errmsg[0] ? resp->cr_errmsg : NULL;
    if (!said && err && err->code)
        said = err->text;
    return criu_log_file_error(images_fd, CRIU_LOG, otherwise, what, said, err);
}

int64_t criu_frozen_ns(int images_fd)
{
    autoclose int fd = openat(images_fd, "stats-dump", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint8_t buf[4096];
    ssize_t n = fd < 0 ? -1 : bv_read_full(fd, buf, sizeof(buf));
    uint32_t head[3];
    if (n < (ssize_t)sizeof(head))
        return 0;
    memcpy(head, buf, sizeof(head));
    if (head[0] != STATS_MAGIC_1 || head[1] != STATS_MAGIC_2 || head[2] > (size_t)n - sizeof(head))
        return 0;

    Stats *stats = stats__unpack(NULL, head[2], buf + sizeof(head));
    int64_t ns = stats && stats->dump ? (int64_t)stats->dump->frozen_time * 1000 : 0;
    if (stats)
        stats__free_unpacked(stats, NULL);
    return ns;
}
