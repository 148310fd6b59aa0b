/* SPDX-License-Identifier: Apache-2.0 */
#include "store/event.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/event_parse.h"
#include "store/layout.h"

#define EVENTS_FILE    "events.jsonl"
#define LINE_MAX_BYTES (256u << 10)

/* The canonical line with its end, and one byte in front of it for the end of a torn line. */
static char *make_line(const char *event, unsigned attempt, const json_t *fields, size_t *ret_size)
{
    char time[BV_TIME_TEXT];
    struct utsname uts;
    autojson json_t *object = fields ? json_copy((json_t *)fields) : json_object();
    bv_time_text(bv_clock_ns(CLOCK_REALTIME), time);
    uname(&uts);
    bv_json_set(object, "time", json_string(time));
    bv_json_set(object, "event", json_string(event));
    bv_json_set(object, "attempt", json_integer(attempt));
    bv_json_set(object, "host", bv_json_bytes(uts.nodename));

    autofree char *text = bv_json_canonical(object);
    *ret_size = strlen(text) + 2;
    return bv_asprintf("\n%s\n", text);
}

/* Does the file end in the middle of a line? Then whoever wrote it crashed, and the next line must not be joined to the
 * rest. -1 with errno. */
static int is_torn(int fd)
{
    struct stat st;
    char last;
    if (fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    if (st.st_size == 0)
        return 0;
    ssize_t n = bv_pread_full(fd, &last, 1, st.st_size - 1);
    return n < 0 ? -1 : n == 1 && last != '\n';
}

int bv_event_append(const struct bv_job *j, const char *event, unsigned attempt, const json_t *fields,
                    struct bv_error *err)
{
    size_t size;
    autofree char *line = make_line(event, attempt, fields, &size);
    if (size > LINE_MAX_BYTES)
        return bv_fail(err, BV_EINTERNAL, 0, "an event of job %s has %zu bytes, more than the %u allowed", j->id, size,
                       LINE_MAX_BYTES);

    autoclose int fd =
        openat(j->dirfd, EVENTS_FILE, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    int torn = fd < 0 ? -1 : is_torn(fd);
    if (torn < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot open the history of job %s", j->id);

    const char *from = torn ? line : line + 1;
    size -= torn ? 0 : 1;
    ssize_t n = write(fd, from, size);
    if (n >= 0 && (size_t)n < size) {
        n = -1;
        errno = ENOSPC; /* the one cause of a short write to a regular file that is not a signal's */
    }
    if (n < 0 || fdatasync(fd) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot write the history of job %s", j->id);
    return 0;
}

int bv_event_read(const struct bv_job *j, json_t **ret, struct bv_error *err)
{
    autoclose int fd = openat(j->dirfd, EVENTS_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *ret = bv_events_parse("", 0, 0);
        return 0;
    }
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot open the history of job %s", j->id);
    if (!S_ISREG(st.st_mode))
        return bv_fail(err, BV_ECORRUPT, 0, "the history of job %s is no regular file", j->id);

    off_t from = st.st_size > BV_EVENTS_MAX ? st.st_size - BV_EVENTS_MAX : 0;
    autofree char *text = bv_alloc(BV_EVENTS_MAX);
    ssize_t n = bv_pread_full(fd, text, BV_EVENTS_MAX, from);
    if (n < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot read the history of job %s", j->id);
    *ret = bv_events_parse(text, (size_t)n, from > 0);
    return 0;
}
