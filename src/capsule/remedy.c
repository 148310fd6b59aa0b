/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/capsule.h"

#include <string.h>
#include <unistd.h>

#include "proc/container.h"

/* What is known to forbid user namespaces. Looked at only when a capsule could not be built: that decides. */
static const char *why_no_namespaces(void)
{
    if (bv_sysctl("/proc/sys/kernel/unprivileged_userns_clone") == 0 && geteuid() != 0)
        return "as root: sysctl kernel.unprivileged_userns_clone=1";
    if (bv_sysctl("/proc/sys/user/max_user_namespaces") == 0)
        return "as root: sysctl user.max_user_namespaces=10000";
    if (bv_sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1 && geteuid() != 0)
        return "as root: give bivouac an AppArmor profile with 'userns,', or sysctl "
               "kernel.apparmor_restrict_unprivileged_userns=0";
    return NULL;
}

const char *bv_capsule_remedy(const struct bv_error *err)
{
    const char *namespaces = why_no_namespaces();
    if (namespaces)
        return namespaces;
    if (strstr(err->text, "mount proc") && bv_is_proc_covered())
        return bv_is_filtered()
                   ? "this container covers parts of /proc and filters system calls: start it with --security-opt "
                     "seccomp=unconfined and --security-opt unmask=ALL (podman) or systempaths=unconfined (docker)"
                   : "this container covers parts of /proc: start it with --security-opt unmask=ALL (podman) or "
                     "--security-opt systempaths=unconfined (docker)";
    if (strstr(err->text, "namespaces") && bv_is_filtered())
        return BV_REMEDY_FILTER;
    if (strstr(err->text, "namespaces"))
        return "allow user namespaces; in a container, start it so that more of them can be made in it";
    return NULL;
}
