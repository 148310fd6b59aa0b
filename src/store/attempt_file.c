/* SPDX-License-Identifier: Apache-2.0 */
#include "store/attempt_file.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/layout.h"

#define ATTEMPT_FORMAT "bivouac-attempt 1"
#define END_FORMAT     "bivouac-attempt-end 1"

static json_t *new_object(const char *format)
{
    char time[BV_TIME_TEXT];
    json_t *j = json_object();
    bv_time_text(bv_clock_ns(CLOCK_REALTIME), time);
    bv_json_set(j, "format", json_string(format));
    bv_json_set(j, "time", json_string(time));
    return j;
}

static char *as_text(const json_t *j)
{
    autofree char *text = bv_json_canonical(j);
    return bv_asprintf("%s\n", text);
}

char *bv_attempt_file_build(const char *job, const struct bv_attempt_info *i, double lease)
{
    autojson json_t *j = new_object(ATTEMPT_FORMAT);
    bv_json_set(j, "job", json_string(job));
    bv_json_set(j, "attempt", json_integer(i->number));
    bv_json_set(j, "host", bv_json_bytes(i->host.name));
    bv_json_set(j, "kernel", bv_json_bytes(i->host.kernel));
    bv_json_set(j, "machine", bv_json_bytes(i->host.machine));
    bv_json_set(j, "boot_id", bv_json_bytes(i->host.boot_id));
    bv_json_set(j, "pid_ns", json_integer((json_int_t)i->host.pid_ns));
    bv_json_set(j, "pid", json_integer(i->pid));
    bv_json_set(j, "start_time", json_integer((json_int_t)i->start_time));
    bv_json_set(j, "lease_ms", json_integer((json_int_t)(lease * 1000)));
    bv_json_set(j, "socket", bv_json_bytes(i->socket_path));
    return as_text(j);
}

static int check_format(const json_t *j, const char *format, struct bv_error *err)
{
    const char *said;
    size_t stem = strcspn(format, " ") + 1;
    if (bv_json_str(j, "format", &said, err) < 0)
        return -1;
    if (strcmp(said, format) == 0)
        return 0;
    if (strncmp(said, format, stem) == 0)
        return bv_fail(err, BV_ESTORE, 0, "written by a newer version of Bivouac");
    return bv_fail(err, BV_ECORRUPT, 0, "\"format\" is not '%s'", format);
}

/* A string of at most `room` - 1 bytes. */
static int get_text(const json_t *j, const char *key, char *ret, size_t room, struct bv_error *err)
{
    autofree char *bytes = NULL;
    if (bv_json_get_bytes(j, key, &bytes, err) < 0)
        return -1;
    if (strlen(bytes) >= room)
        return bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is too long", key);
    memcpy(ret, bytes, strlen(bytes) + 1);
    return 0;
}

int bv_attempt_file_parse(const char *text, size_t size, struct bv_attempt_info *ret, double *ret_lease,
                          struct bv_error *err)
{
    struct bv_attempt_info i = *ret;
    uint64_t number, pid, start_time, lease_ms;
    autojson json_t *j = NULL;
    if (bv_json_parse(text, size, &j, err) < 0 || check_format(j, ATTEMPT_FORMAT, err) < 0 ||
        bv_json_u64(j, "attempt", BV_ATTEMPT_MAX, &number, err) < 0 ||
        get_text(j, "host", i.host.name, sizeof(i.host.name), err) < 0 ||
        get_text(j, "kernel", i.host.kernel, sizeof(i.host.kernel), err) < 0 ||
        get_text(j, "machine", i.host.machine, sizeof(i.host.machine), err) < 0 ||
        get_text(j, "boot_id", i.host.boot_id, sizeof(i.host.boot_id), err) < 0 ||
        get_text(j, "socket", i.socket_path, sizeof(i.socket_path), err) < 0 ||
        bv_json_u64(j, "pid_ns", INT64_MAX, &i.host.pid_ns, err) < 0 ||
        bv_json_u64(j, "pid", INT32_MAX, &pid, err) < 0 ||
        bv_json_u64(j, "start_time", INT64_MAX, &start_time, err) < 0 ||
        bv_json_u64(j, "lease_ms", (uint64_t)BV_LEASE_MAX * 1000, &lease_ms, err) < 0)
        return -1;
    i.number = (unsigned)number;
    i.pid = (pid_t)pid;
    i.start_time = start_time;
    *ret = i;
    *ret_lease = (double)lease_ms / 1000;
    return 0;
}

char *bv_attempt_end_build(const json_t *outcome)
{
    autojson json_t *j = new_object(END_FORMAT);
    bv_json_set(j, "outcome", outcome ? json_deep_copy(outcome) : json_object());
    return as_text(j);
}

int bv_attempt_end_parse(const char *text, size_t size, json_t **ret_outcome, struct bv_error *err)
{
    json_t *outcome;
    autojson json_t *j = NULL;
    if (bv_json_parse(text, size, &j, err) < 0 || check_format(j, END_FORMAT, err) < 0 ||
        bv_json_object(j, "outcome", &outcome, err) < 0)
        return -1;
    *ret_outcome = json_incref(outcome);
    return 0;
}
