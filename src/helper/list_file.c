/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "helper/list.h"

static int find_user(const char *name, uid_t *ret)
{
    const struct passwd *p = getpwnam(name);
    if (p)
        *ret = p->pw_uid;
    return p ? 0 : -1;
}

static int find_group(const char *name, gid_t *ret)
{
    const struct group *g = getgrnam(name);
    if (g)
        *ret = g->gr_gid;
    return g ? 0 : -1;
}

static int open_list(size_t *ret_size, struct bv_error *err)
{
    struct stat st;
    autoclose int fd = open(HELPER_LIST, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return bv_fail(err, BV_EDENIED, 0,
                       "only root may use a bridge while there is no list of who else may, " HELPER_LIST);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & 022)
        return bv_fail(err, BV_EDENIED, 0,
                       HELPER_LIST " counts only as a file of root's, no symbolic link, that nobody else may write to: "
                                   "run chown root and chmod 644 on it");
    if (st.st_size > HELPER_LIST_MAX)
        return bv_fail(err, BV_EDENIED, 0, HELPER_LIST " has more than %d bytes", HELPER_LIST_MAX);
    *ret_size = (size_t)st.st_size;
    return steal_fd(&fd);
}

int helper_list_ask(uid_t uid, const char *bridge, const struct bv_ip *address, struct bv_error *err)
{
    gid_t groups[HELPER_GROUP_MAX];
    size_t size = 0;
    autoclose int fd = open_list(&size, err);
    if (fd < 0)
        return -1;
    autofree char *text = malloc(size + 1);
    ssize_t n = text ? bv_read_full(fd, text, size) : -1;
    int count = n < 0 ? -1 : getgroups(HELPER_GROUP_MAX - 1, groups);
    if (count < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read %s", HELPER_LIST);
    groups[count++] = getgid();
    struct helper_caller who = {
        .uid = uid, .groups = groups, .group_count = (size_t)count, .user = find_user, .group = find_group};
    return helper_list_allows(text, (size_t)n, &who, bridge, address, err);
}
