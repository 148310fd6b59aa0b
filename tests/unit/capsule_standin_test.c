/* SPDX-License-Identifier: Apache-2.0 */
/* In a network of the test's own. */
#include "unit.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "capsule/standin.h"

static int own_network(void **state)
{
    (void)state;
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return -1;
    autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return ioctl(fd, SIOCSIFFLAGS, &lo);
}

#define AT_LAST 30000 /* ms for what must arrive */
#define AT_ONCE 100   /* for what must not: the loopback mostly delivers while it sends */

/* Whether a datagram to this address comes back to us, who are bound to it; -1 if we cannot be. */
static int arrives(const char *address, int patience)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t size = sizeof(name);
    assert_int_equal(inet_pton(AF_INET, address, &name.sin_addr), 1);
    autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&name, size) < 0)
        return -1;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    ssize_t sent = sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&name, size);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return sent == 1 && poll(&p, 1, patience) == 1;
}

static void a_silent_network_delivers_nothing_until_it_is_let_again(void **state)
{
    (void)state;
    assert_int_equal(arrives("127.0.0.1", AT_LAST), 1);
    assert_int_equal(bv_standin_silence(1), 0);
    assert_int_equal(arrives("127.0.0.1", AT_ONCE), 0);
    assert_int_equal(bv_standin_silence(0), 0);
    assert_int_equal(arrives("127.0.0.1", AT_LAST), 1);
}

static void who_lets_a_network_that_was_not_silent_is_told(void **state)
{
    (void)state;
    assert_int_equal(bv_standin_silence(0), -1);
    assert_int_not_equal(errno, 0);
}

static void any_address_is_our_own_for_a_while(void **state)
{
    (void)state;
    assert_int_equal(arrives("192.0.2.7", AT_ONCE), -1);
    assert_ok(bv_standin_open(&err));
    assert_int_equal(arrives("192.0.2.7", AT_LAST), 1);
    assert_ok(bv_standin_close(&err));
    assert_int_equal(arrives("192.0.2.7", AT_ONCE), -1);
    assert_fails_saying(BV_EHOST, "routes", bv_standin_close(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_network_delivers_nothing_until_it_is_let_again),
        cmocka_unit_test(who_lets_a_network_that_was_not_silent_is_told),
        cmocka_unit_test(any_address_is_our_own_for_a_while),
    };
    return cmocka_run_group_tests(tests, own_network, NULL);
}
