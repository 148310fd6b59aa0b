/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "job/ports.h"

/* The content of a manifest with these entries of "bound". */
static json_t *content_of(const char *entries)
{
    char text[1024];
    json_t *j = NULL;
    snprintf(text, sizeof(text), "{\"network\":{\"bound\":[%s],\"outside\":[]}}", entries);
    assert_ok(bv_json_parse(text, strlen(text), &j, &err));
    return j;
}

static int bind_somewhere(int type, unsigned *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_true(type != SOCK_STREAM || listen(fd, 1) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static void what_says_nothing_is_good(void **state)
{
    (void)state;
    autojson json_t *none = json_object(), *empty = content_of("");
    assert_ok(bv_ports_check(none, &err));
    assert_ok(bv_ports_check(empty, &err));
}

static void a_port_in_use_is_named_with_who_has_it(void **state)
{
    (void)state;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    static const char *const names[] = {"tcp", "udp"};
    for (int i = 0; i < 2; i++) {
        char entry[128], port_text[32], pid_text[64];
        unsigned port;
        autoclose int fd = bind_somewhere(types[i], &port);
        snprintf(entry, sizeof(entry), "{\"protocol\":\"%s\",\"address\":\"127.0.0.1\",\"port\":%u}", names[i], port);
        snprintf(port_text, sizeof(port_text), "port %u at the address 127.0.0.1", port);
        snprintf(pid_text, sizeof(pid_text), "in use here by pid %d (job_ports_test)", (int)getpid());
        autojson json_t *content = content_of(entry);
        assert_fails_saying(BV_EHOST, port_text, bv_ports_check(content, &err));
        assert_fails_saying(BV_EHOST, pid_text, bv_ports_check(content, &err));
        close_fd(&fd);
        assert_ok(bv_ports_check(content, &err));
        assert_ok(bv_ports_check(content, &err)); /* it was not kept */
    }
}

static void an_address_that_the_host_does_not_have_is_named(void **state)
{
    (void)state;
    autojson json_t *content = content_of("{\"protocol\":\"udp\",\"address\":\"203.0.113.9\",\"port\":5353}");
    assert_fails_saying(BV_EHOST, "the address 203.0.113.9, which this host does not have",
                        bv_ports_check(content, &err));
}

static void hostile_entries_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "1",
        "{}",
        "{\"protocol\":\"sctp\",\"address\":\"127.0.0.1\",\"port\":1}",
        "{\"protocol\":\"tcp\",\"address\":\"localhost\",\"port\":1}",
        "{\"protocol\":\"tcp\",\"address\":\"\",\"port\":1}",
        "{\"protocol\":\"tcp\",\"address\":\"127.0.0.1\",\"port\":65536}",
        "{\"protocol\":\"tcp\",\"address\":\"127.0.0.1\",\"port\":-1}",
        "{\"protocol\":\"tcp\",\"address\":\"127.0.0.1\",\"port\":\"1\"}",
        "{\"protocol\":1,\"address\":\"127.0.0.1\",\"port\":1}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        autojson json_t *content = content_of(bad[i]);
        assert_fails(BV_ECORRUPT, bv_ports_check(content, &err));
    }
    autojson json_t *none = json_pack("{s:{}}", "network"), *word = json_pack("{s:s}", "network", "host");
    assert_fails(BV_ECORRUPT, bv_ports_check(none, &err));
    assert_fails(BV_ECORRUPT, bv_ports_check(word, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_says_nothing_is_good),
        cmocka_unit_test(a_port_in_use_is_named_with_who_has_it),
        cmocka_unit_test(an_address_that_the_host_does_not_have_is_named),
        cmocka_unit_test(hostile_entries_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
