/* SPDX-License-Identifier: Apache-2.0 */
/* The link of a job that has an address of its own. Whatever is sent to the job while its sockets are dumped, or before
 * they are there again, would be answered by a reset, or lost: so the link is up only while the tree can run. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"
#include "base/command.h"
#include "base/log.h"
#include "job/supervisor_private.h"
#include "proc/socket.h"
#include "proc/tree.h"

#define PROGRAM    BV_LIBEXECDIR "/bivouac-link"
#define LEAVE_TIME 0.5 /* s that what the program has sent and closed gets to arrive; nobody is served meanwhile */
#define END_TIME   30  /* s of the same when the job is over, and nobody has to be served */
#define TIMEOUT    20  /* s; it takes milliseconds, and 1.5 s where an address is in use */

/* Run it with these words, and with descriptor `fd` if there is one. Its last word says why not. */
static int run(const char *const *words, int fd, struct bv_error *err)
{
    autocommand struct bv_command_result r = {0};
    char why[1024];
    if (fd >= 0 && fcntl(fd, F_SETFD, 0) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot hand on a descriptor");
    int rc = bv_command_run(PROGRAM, (char *const *)words, TIMEOUT, &r, err);
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (rc < 0)
        return err->code == BV_ENOCMD
                   ? bv_fail(err, BV_EHOST, 0,
                             "the job asks for an address of its own, which takes the program " PROGRAM
                             ", and that is not installed here")
                   : -1;
    if (r.status == 0)
        return 0;
    bv_command_complaint(&r, why, sizeof(why));
    int is_ours = r.status == BV_EDENIED || r.status == BV_EUSAGE || r.status == BV_EINTERNAL;
    return bv_fail(err, is_ours ? (enum bv_code)r.status : BV_EHOST, 0, "%s", *why ? why : "bivouac-link was killed");
}

static int parse(struct supervisor *s, struct bv_error *err)
{
    const struct bv_network *n = &s->spec.network;
    struct link *l = &s->link;
    l->address = (struct bv_capsule_address){0};
    if (bv_ip_parse(n->address, &l->address.address) < 0 || !n->bridge || !n->mac ||
        bv_mac_parse(n->mac, l->address.mac) < 0 || (n->gateway && bv_ip_parse(n->gateway, &l->address.gateway) < 0))
        return bv_fail(err, BV_ECORRUPT, 0, "the record of job %s has no proper address", s->job.id);
    return 0;
}

int link_check(struct supervisor *s, struct bv_error *err)
{
    const struct bv_network *n = &s->spec.network;
    if (!n->address)
        return 0;
    if (parse(s, err) < 0)
        return -1;
    s->link.wanted = 1;
    return run((const char *const[]){"bivouac-link", "check", n->bridge, n->address, NULL}, -1, err);
}

int link_probe(struct supervisor *s, struct bv_error *err)
{
    const struct bv_network *n = &s->spec.network;
    if (!s->link.wanted)
        return 0;
    return run((const char *const[]){"bivouac-link", "probe", n->bridge, n->address, NULL}, -1, err);
}

int link_make(struct supervisor *s, struct bv_error *err)
{
    const struct bv_network *n = &s->spec.network;
    if (!s->link.wanted)
        return 0;
    autoclose int fd = bv_capsule_open_network(&s->capsule, err);
    if (fd < 0)
        return -1;
    char text[16];
    snprintf(text, sizeof(text), "%d", fd);
    const char *const words[] = {"bivouac-link", "make", n->bridge, n->address, n->mac, text, NULL};
    if (run(words, fd, err) < 0)
        return -1;
    return bv_capsule_set_address(&s->capsule, &s->link.address, err);
}

static int turn(struct supervisor *s, const char *way, struct bv_error *err)
{
    autoclose int fd = bv_capsule_open_network(&s->capsule, err);
    if (fd < 0)
        return -1;
    char text[16];
    snprintf(text, sizeof(text), "%d", fd);
    return run((const char *const[]){"bivouac-link", way, text, NULL}, fd, err);
}

int link_up(struct supervisor *s, struct bv_error *err)
{
    if (!s->link.wanted || s->link.is_up)
        return 0;
    if (turn(s, "up", err) < 0)
        return -1;
    if (bv_capsule_announce(&s->capsule, &s->link.address, err) < 0) {
        turn(s, "down", NULL); /* before the other side hears that its connections end */
        return -1;
    }
    s->link.is_up = s->link.was_up = 1;
    return 0;
}

size_t link_leaving(const struct supervisor *s)
{
    autoclose int procfd = s->link.wanted ? open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return procfd < 0 ? 0 : bv_inet_leaving(procfd, s->capsule.init);
}

int link_down(struct supervisor *s, struct bv_error *err)
{
    struct bv_deadline end = bv_deadline_in(LEAVE_TIME);
    if (!s->link.wanted)
        return 0;
    while (s->link.is_up && link_leaving(s) && !bv_deadline_passed(end))
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    s->link.is_up = 0; /* also if that fails: nobody knows then, and it can be brought up twice */
    return turn(s, "down", err);
}

void link_remove(struct supervisor *s)
{
    if (s->link.wanted && s->capsule.init > 0)
        turn(s, "remove", NULL);
}

/* Do processes live that could still send? Their sockets are closed when they are gone. */
static int has_processes(const struct supervisor *s, int procfd)
{
    autopids struct bv_pids pids = {0};
    return bv_tree_scan(procfd, s->capsule.init, &pids, NULL) == 0 && pids.count > 1;
}

/* All that is left in the capsule ends, and what it has sent gets to arrive, as it would from a host that stays. */
static void let_leave(struct supervisor *s)
{
    static const struct itimerspec often = {.it_value = {.tv_nsec = 5000000}, .it_interval = {.tv_nsec = 5000000}};
    struct bv_deadline end = bv_deadline_in(END_TIME);
    autoclose int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autoclose int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t ticks;
    if (procfd < 0 || timer < 0 || timerfd_settime(timer, 0, &often, NULL) < 0)
        return;
    bv_capsule_signal(&s->capsule, SIGKILL, 1, NULL);
    while ((has_processes(s, procfd) || link_leaving(s)) && !bv_deadline_passed(end)) {
        struct pollfd p = {.fd = timer, .events = POLLIN};
        if (supervisor_linger(s, &p) < 0 || read(timer, &ticks, sizeof(ticks)) < 0)
            break;
    }
    size_t n = link_leaving(s);
    if (n)
        bv_warn("%zu TCP connection%s that job %s had closed had not delivered everything when it ended", n,
                n == 1 ? "" : "s", s->job.id);
}

void link_end(struct supervisor *s)
{
    if (!s->link.wanted || s->capsule.init <= 0)
        return;
    if (s->link.is_up && s->failure.code != BV_EFENCED)
        let_leave(s);
    link_remove(s);
}

void link_go_on(struct supervisor *s)
{
    struct bv_error err = {0};
    if (s->link.was_up && !s->ended && s->capsule.init > 0 && link_up(s, &err) < 0)
        bv_warn("job %s runs without its address: %s", s->job.id, err.text);
}
