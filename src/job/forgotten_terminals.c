/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "job/forgotten.h"
#include "proc/fds.h"
#include "proc/tree.h"

#define UNREAD_MAX 65536 /* bytes; the kernel keeps less in a terminal */
#define PATIENCE   1.0   /* s, for them to be taken */

static int is_master(const struct bv_fd *f)
{
    return f->kind == BV_FD_CHAR && f->st.st_rdev == makedev(5, 2);
}

/* Has the other side been closed by all who had it? */
static int is_hung_up(int master)
{
    struct pollfd p = {.fd = master};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

/* The other side of a terminal, that nobody else has, so that it says the bytes as they are. -1 with errno. */
static int open_other_side(int master, struct termios *ret)
{
    int locked = 0;
    if (ioctl(master, TIOCSPTLCK, &locked) < 0)
        return -1;
    autoclose int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, ret) < 0)
        return -1;
    struct termios raw = *ret;
    raw.c_oflag &= ~(tcflag_t)OPOST;
    return tcsetattr(slave, TCSANOW, &raw) < 0 ? -1 : steal_fd(&slave);
}

/* Let the terminal be hung up, with these bytes to be read before its end. One of which nobody has ever had the other
 * side is not hung up: so we have it for a moment. */
static int hang_up(int master, const char *unread, size_t size)
{
    struct termios settings;
    struct bv_deadline deadline = bv_deadline_in(PATIENCE);
    autoclose int slave = open_other_side(master, &settings);
    while (slave >= 0 && size > 0) {
        ssize_t n = write(slave, unread, size);
        if (n < 0 && (errno != EAGAIN || bv_deadline_passed(deadline)))
            break;
        if (n < 0) /* what there is moves on to the reader's side by itself */
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        else {
            unread += n;
            size -= (size_t)n;
        }
    }
    return slave < 0 || size > 0 || tcsetattr(slave, TCSANOW, &settings) < 0 ? -1 : 0;
}

/* What has been said and not been read, which the engine forgets too: taken, and said again. 1 if it is too much. */
static int take_unread(int master, size_t *room, json_t *entry)
{
    autofree char *bytes = bv_alloc(UNREAD_MAX);
    size_t size = 0;
    for (ssize_t n; size < UNREAD_MAX && (n = read(master, bytes + size, UNREAD_MAX - size)) > 0;)
        size += (size_t)n;
    if (size == 0)
        return 0;
    int lost = hang_up(master, bytes, size) < 0 || size > *room;
    if (!lost) {
        autofree char *hex = bv_hex(bytes, size);
        bv_json_set(entry, "unread", json_string(hex));
        *room -= size;
    }
    return lost;
}

/* How many could not be kept. */
static int take_of(int procfd, pid_t pid, size_t *room, json_t *list)
{
    int lost = 0;
    autofds struct bv_fds fds = {0};
    if (bv_fds_scan(procfd, pid, &fds, NULL) < 0)
        return 0; /* a zombie */
    for (size_t i = 0; i < fds.count; i++) {
        autoclose int master = is_master(&fds.fd[i]) ? bv_fd_borrow(pid, fds.fd[i].fd) : -1;
        if (master < 0 || !is_hung_up(master))
            continue;
        if (json_array_size(list) == BV_FORGOTTEN_TERMINALS) {
            lost++;
            continue;
        }
        json_t *entry = json_pack("{s:i, s:i}", "pid", (int)pid, "fd", fds.fd[i].fd);
        lost += take_unread(master, room, entry);
        bv_json_append(list, entry);
    }
    return lost;
}

int bv_forgotten_terminals_take(int procfd, pid_t root, json_t **ret, struct bv_error *err)
{
    int lost = 0;
    size_t room = BV_FORGOTTEN_UNREAD;
    autopids struct bv_pids pids = {0};
    if (bv_tree_scan(procfd, root, &pids, err) < 0)
        return -1;
    json_t *list = json_array();
    for (size_t i = 0; i < pids.count; i++)
        lost += take_of(procfd, pids.pid[i], &room, list);
    *ret = list;
    return lost;
}

static int restore_one(const json_t *entry, struct bv_error *err)
{
    uint64_t pid, number;
    const char *unread = json_string_value(json_object_get(entry, "unread"));
    autofree char *bytes = bv_alloc(UNREAD_MAX);
    if (bv_json_u64(entry, "pid", INT32_MAX, &pid, err) < 0 || bv_json_u64(entry, "fd", INT32_MAX, &number, err) < 0)
        return -1;
    ssize_t size = unread ? bv_unhex(unread, bytes, UNREAD_MAX) : 0;
    if (size < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "what was unread of a terminal is not in hexadecimal");
    autoclose int master = bv_fd_borrow((pid_t)pid, (int)number);
    return master < 0 || hang_up(master, bytes, (size_t)size) < 0;
}

int bv_forgotten_terminals_restore(const json_t *list, struct bv_error *err)
{
    int lost = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        int more = restore_one(json_array_get(list, i), err);
        if (more < 0)
            return -1;
        lost += more;
    }
    return lost;
}
