/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of files: whoever else wants one must still not get it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include "matrix/programs/object.h"

static const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 5};

static int create(void)
{
    return have(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "create a file");
}

/* In a child, which has no lock of this process: can it have this one? */
static int try_flock(void *arg)
{
    (void)arg;
    return flock(create(), LOCK_EX | LOCK_NB) == 0;
}

static int try_record(void *arg)
{
    (void)arg;
    struct flock l = whole;
    return fcntl(create(), F_SETLK, &l) == 0;
}

static void of_file(void)
{
    have(flock(create(), LOCK_EX | LOCK_NB), "lock a file");
    hold();
    row_check(status_of(child(try_flock, NULL)) == 0, "the lock is gone");
}

static void of_record(void)
{
    struct flock l = whole;
    have(fcntl(create(), F_SETLK, &l), "lock a part of a file");
    hold();
    row_check(status_of(child(try_record, NULL)) == 0, "the lock is gone");
}

static void of_description(void)
{
    struct flock l = whole;
    have(fcntl(create(), F_OFD_SETLK, &l), "lock a part of a file");
    hold();
    row_check(status_of(child(try_record, NULL)) == 0, "the lock is gone");
}

/* Somebody waits for a lock that another has. */
static int wait_for_lock(void *arg)
{
    (void)arg;
    return flock(create(), LOCK_EX) == 0 ? 9 : 0;
}

static void waiting(void)
{
    int fd = create();
    have(flock(fd, LOCK_EX), "lock a file");
    pid_t pid = child(wait_for_lock, NULL);
    hold();
    row_check(flock(fd, LOCK_UN) == 0 && status_of(pid) == 9, "who waited for the lock does not get it");
}

static void lease(int kind)
{
    close(create());
    int fd = have(open("file", (kind == F_WRLCK ? O_RDWR : O_RDONLY) | O_CLOEXEC), "open a file");
    signal(SIGIO, SIG_IGN);
    have(fcntl(fd, F_SETLEASE, kind), "take a lease");
    hold();
    row_check(fcntl(fd, F_GETLEASE) == kind, "the lease is gone");
}

static void write_lease(void)
{
    lease(F_WRLCK);
}

static void read_lease(void)
{
    lease(F_RDLCK);
}

const struct row_case object_lock_cases[] = {
    {"flock", of_file},
    {"fcntl-lock", of_record},
    {"ofd-lock", of_description},
    {"lock-waiting", waiting},
    {"lease-write", write_lease},
    {"lease-read", read_lease},
    {NULL},
};
