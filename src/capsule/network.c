/* SPDX-License-Identifier: Apache-2.0 */
#include "capsule/private.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

int capsule_loopback_up(struct bv_error *err)
{
    autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        return bv_fail(err, BV_EHOST, errno, "cannot bring up the loopback interface of the job's network");
    return 0;
}
