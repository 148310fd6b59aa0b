/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

/* The first of our own descriptors that is a terminal. */
static int own_terminal(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (isatty(fd))
            return fd;
    return -1;
}

void bv_terminal_resize(int master)
{
    struct winsize size;
    int fd = own_terminal();
    if (fd >= 0 && master >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
        ioctl(master, TIOCSWINSZ, &size);
}

void bv_terminal_enter(struct bv_terminal *t, int master)
{
    t->fd = -1;
    int fd = own_terminal();
    if (fd < 0 || tcgetattr(fd, &t->saved) < 0)
        return;
    bv_terminal_resize(master);
    if (tcgetpgrp(fd) != getpgrp()) {
        return; /* in the background: the terminal is somebody else's now */
    }

    struct termios raw = t->saved;
    cfmakeraw(&raw);
    if (!isatty(STDIN_FILENO)) { /* only output: keys stay as they are, and the job's terminal has done the rest */
        raw = t->saved;
        raw.c_oflag &= ~(tcflag_t)OPOST;
    }
    if (tcsetattr(fd, TCSADRAIN, &raw) == 0)
        t->fd = fd;
}

void bv_terminal_leave(struct bv_terminal *t)
{
    if (t->fd >= 0)
        tcsetattr(t->fd, TCSADRAIN, &t->saved);
    t->fd = -1;
}
