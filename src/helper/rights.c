/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "helper/private.h"

/* CAP_NET_RAW is for asking whether an address is in use, CAP_SETUID for helper_become(). */
static const cap_value_t wanted[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_SETUID};

/* Have the first `count` of them, and nothing else. */
static int keep(int count)
{
    cap_t caps = cap_init();
    int rc = -1;
    if (caps && cap_set_flag(caps, CAP_PERMITTED, count, wanted, CAP_SET) == 0 &&
        cap_set_flag(caps, CAP_EFFECTIVE, count, wanted, CAP_SET) == 0)
        rc = cap_set_proc(caps);
    cap_free(caps);
    return rc;
}

int helper_reduce(uid_t *ret, struct bv_error *err)
{
    uid_t real, effective, saved;
    int fd;
    clearenv();
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open /dev/null");
    close(fd);
    umask(077);
    if (getresuid(&real, &effective, &saved) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot tell who calls");
    if (keep(3) < 0)
        return bv_fail(err, BV_EDENIED, 0,
                       "bivouac-link can change the host's network only for root, or when an administrator has made it "
                       "setuid root (see bivouac-link(8))");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot give up rights");
    *ret = real;
    return 0;
}

int helper_become(uid_t uid, struct bv_error *err)
{
    if (setresuid(uid, uid, uid) < 0 || keep(2) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot give up rights");
    return 0;
}

static int owner_of(int fd, uid_t *ret)
{
    autoclose int user = ioctl(fd, NS_GET_USERNS);
    return user < 0 ? -1 : ioctl(user, NS_GET_OWNER_UID, ret);
}

int helper_check_namespace(int fd, uid_t uid, uint32_t *ret, struct bv_error *err)
{
    struct statfs fs;
    struct stat it, ours;
    uid_t owner;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET ||
        fstat(fd, &it) < 0)
        return bv_fail(err, BV_EUSAGE, 0, "descriptor %d is no network namespace", fd);
    if (stat("/proc/self/ns/net", &ours) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read /proc/self/ns/net");
    if (it.st_dev == ours.st_dev && it.st_ino == ours.st_ino)
        return bv_fail(err, BV_EDENIED, 0, "the network of the host itself is no job's");
    if (owner_of(fd, &owner) < 0 || owner != uid)
        return bv_fail(err, BV_EDENIED, 0, "the network namespace belongs to another user");
    *ret = (uint32_t)it.st_ino;
    return 0;
}
