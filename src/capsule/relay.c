/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

struct bv_relay *bv_relay_new(int from, int to, uint64_t *delivered)
{
    struct bv_relay *r = bv_alloc(sizeof(*r));
    r->from = from;
    r->to = to;
    r->delivered = delivered ? delivered : &r->own_count;
    return r;
}

void bv_relay_free(struct bv_relay *r)
{
    free(r);
}

int bv_relay_done(const struct bv_relay *r)
{
    return r->from < 0 && r->begin == r->end;
}

struct pollfd bv_relay_poll(const struct bv_relay *r)
{
    if (r->begin < r->end)
        return (struct pollfd){.fd = r->to, .events = POLLOUT};
    return (struct pollfd){.fd = r->from, .events = POLLIN};
}

static void end_output(struct bv_relay *r)
{
    if (r->close_to)
        close_fd(&r->to);
}

/* Nobody reads any more. A job that writes into a pipe is to learn it as it would from a pipe of its own; one that
 * writes to a terminal is told by a signal, and must not be stopped by a terminal that is full. */
static void broken(struct bv_relay *r)
{
    r->begin = r->end = 0;
    if (r->keep_reading) {
        r->skip = UINT64_MAX;
        return;
    }
    if (r->close_from)
        close_fd(&r->from);
    r->from = -1;
    end_output(r);
}

static void fill(struct bv_relay *r)
{
    ssize_t n = read(r->from, r->buffer, sizeof(r->buffer));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* end of file; EIO on a terminal's master means that no slave is open */
        r->from = -1;
        end_output(r);
        return;
    }
    r->begin = 0;
    r->end = (size_t)n;
    r->position += (uint64_t)n;
    size_t drop = r->skip < r->end ? (size_t)r->skip : r->end;
    r->skip -= drop;
    r->begin = drop;
}

static void drain(struct bv_relay *r)
{
    /* The other side may be blocking, and shared with others, so that we must not make it non-blocking. POLLOUT on a
     * pipe promises room for PIPE_BUF bytes: no more is written at once. */
    size_t n = r->end - r->begin < PIPE_BUF ? r->end - r->begin : PIPE_BUF;
    ssize_t done = write(r->to, r->buffer + r->begin, n);
    if (done < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (done < 0) {
        broken(r);
        return;
    }
    r->begin += (size_t)done;
    *r->delivered += (uint64_t)done;
}

void bv_relay_step(struct bv_relay *r, short revents)
{
    if (!revents)
        return;
    if (r->begin < r->end)
        drain(r);
    else if (r->from >= 0)
        fill(r);
}

/* Copy the contents of a pipe without taking them out. */
static ssize_t peek_pipe(int pipe_fd, char *out, size_t room)
{
    char link[32];
    int copy[2], waiting = 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", pipe_fd);
    autoclose int in = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (in < 0 || ioctl(in, FIONREAD, &waiting) < 0)
        return -1;
    if (waiting == 0)
        return 0;
    if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    autoclose int read_end = copy[0];
    autoclose int write_end = copy[1];
    fcntl(write_end, F_SETPIPE_SZ, fcntl(in, F_GETPIPE_SZ));
    ssize_t n = tee(in, write_end, room, SPLICE_F_NONBLOCK);
    return n <= 0 ? n : bv_read_full(read_end, out, (size_t)n);
}

int bv_relay_in_flight(const struct bv_relay *r, int pipe_fd, char *out, size_t room, size_t *ret_size,
                       struct bv_error *err)
{
    size_t own = r->end - r->begin;
    if (own > room)
        return bv_fail(err, BV_EINTERNAL, 0, "more bytes in flight than there is room for");
    ssize_t n = peek_pipe(pipe_fd, out + own, room - own);
    if (n < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot look into a pipe of the job");
    memcpy(out, r->buffer + r->begin, own);
    *ret_size = own + (size_t)n;
    return 0;
}
