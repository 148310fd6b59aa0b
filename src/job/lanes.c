/* SPDX-License-Identifier: Apache-2.0 */
#include "job/lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "store/threads.h"

/* Enough for what CRIU hands over at once; more would only use up what a user may have of pipes. */
#define LANES       8u
#define THREADS_MAX 4u /* memory is not faster than that */

struct lane {
    int pipe[2];
    struct bv_slab *slab;
    size_t in; /* bytes in the pipe */
    int sys_errno, done;
};

/* Lanes are used in turn; the counters only grow: collected <= taken <= sent <= collected + LANES. */
struct bv_lanes {
    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    struct lane lane[LANES];
    unsigned sent, taken, collected;
    int ending;
    pthread_t thread[THREADS_MAX];
    unsigned thread_count;
};

/* Read what is in the lane into the slab. All of it is there: this never blocks. */
static int read_lane(struct lane *lane, struct bv_slab *slab)
{
    while (lane->in) {
        ssize_t n = read(lane->pipe[0], (char *)slab->bytes + slab->size, lane->in);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        lane->in -= (size_t)n;
        slab->size += (size_t)n;
    }
    return 0;
}

static void *thread_main(void *arg)
{
    struct bv_lanes *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->ending) {
        if (l->taken == l->sent) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        struct lane *lane = &l->lane[l->taken++ % LANES];
        pthread_mutex_unlock(&l->lock);
        lane->sys_errno = read_lane(lane, lane->slab);
        pthread_mutex_lock(&l->lock);
        lane->done = 1;
        pthread_cond_signal(&l->progress);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static int open_lane(struct lane *lane)
{
    return pipe2(lane->pipe, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(lane->pipe[0], F_SETPIPE_SZ, BV_SLAB) < 0 ? -1 : 0;
}

/* Signals are for the thread that uses the lanes. */
static void start_threads(struct bv_lanes *l)
{
    sigset_t all, before;
    unsigned want = bv_thread_count(0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (l->thread_count < want && l->thread_count < THREADS_MAX &&
           pthread_create(&l->thread[l->thread_count], NULL, thread_main, l) == 0)
        l->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct bv_lanes *bv_lanes_new(void)
{
    struct bv_lanes *l = bv_alloc(sizeof(*l));
    int rc = 0;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->progress, NULL);
    for (unsigned i = 0; i < LANES; i++)
        l->lane[i].pipe[0] = l->lane[i].pipe[1] = -1;
    for (unsigned i = 0; rc == 0 && i < LANES; i++)
        rc = open_lane(&l->lane[i]);
    if (rc == 0)
        start_threads(l);
    if (l->thread_count)
        return l;
    bv_lanes_free(l);
    return NULL;
}

void bv_lanes_free(struct bv_lanes *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->ending = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    while (l->thread_count)
        pthread_join(l->thread[--l->thread_count], NULL);
    for (unsigned i = 0; i < LANES; i++) {
        struct bv_slab *slab = l->lane[i].slab;
        if (slab)
            slab->release(slab->arg, slab);
        close_fd(&l->lane[i].pipe[0]);
        close_fd(&l->lane[i].pipe[1]);
    }
    pthread_cond_destroy(&l->progress);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int bv_lanes_full(const struct bv_lanes *l)
{
    return l->sent - l->collected == LANES;
}

int bv_lanes_empty(const struct bv_lanes *l)
{
    return l->sent == l->collected;
}

static void send_off(struct bv_lanes *l, struct lane *lane, struct bv_slab **slab)
{
    lane->slab = steal_ptr(slab);
    lane->done = 0;
    pthread_mutex_lock(&l->lock);
    l->sent++;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->lock);
}

/* Nothing more can be moved on. Is it `fd` that is empty, or is the lane full? It holds fewer bytes than a slab if they
 * do not come as whole pages. */
static int make_room(struct lane *lane, int fd, struct bv_slab *slab)
{
    int available = 0;
    if (ioctl(fd, FIONREAD, &available) < 0)
        return -1;
    errno = available && lane->in ? read_lane(lane, slab) : EAGAIN;
    return errno ? -1 : 0;
}

ssize_t bv_lanes_fill(struct bv_lanes *l, int fd, struct bv_slab **slab)
{
    struct lane *lane = &l->lane[l->sent % LANES];
    ssize_t n;
    do
        n = splice(fd, NULL, lane->pipe[1], NULL, BV_SLAB - (*slab)->size - lane->in, SPLICE_F_NONBLOCK);
    while (n < 0 && (errno == EINTR || (errno == EAGAIN && make_room(lane, fd, *slab) == 0)));
    if (n < 0)
        return -1;
    lane->in += (size_t)n;
    if (n == 0 || (*slab)->size + lane->in == BV_SLAB)
        send_off(l, lane, slab);
    return n;
}

int bv_lanes_collect(struct bv_lanes *l, struct bv_slab **ret)
{
    struct lane *lane = &l->lane[l->collected % LANES];
    pthread_mutex_lock(&l->lock);
    while (!lane->done)
        pthread_cond_wait(&l->progress, &l->lock);
    pthread_mutex_unlock(&l->lock);
    l->collected++;
    *ret = steal_ptr(&lane->slab);
    return lane->sys_errno;
}
