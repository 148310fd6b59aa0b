/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pin.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/attempt.h"
#include "store/generation.h"
#include "store/layout.h"

#define PINS_DIR    "pins"
#define PIN_FORMAT  "bivouac-pin 1"
#define PIN_MAX     8192 /* bytes of a pin's file: the reason may be all escapes */
#define HOLD_PREFIX ".hold-"
#define RENEW_S     60

static int open_pins(const struct bv_job *j, int create)
{
    int fd = bv_dir_open(j->dirfd, PINS_DIR);
    if (fd >= 0 || errno != ENOENT || !create)
        return fd;
    if ((mkdirat(j->dirfd, PINS_DIR, 0700) < 0 && errno != EEXIST) || fsync(j->dirfd) < 0)
        return -1;
    return bv_dir_open(j->dirfd, PINS_DIR);
}

static int exists(const struct bv_job *j, unsigned number)
{
    char name[BV_LAYOUT_NAME];
    struct stat st;
    bv_generation_name(number, name);
    return number > 0 && number <= BV_GENERATION_MAX && fstatat(j->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- pins --- */

static char *build(unsigned number, const char *reason)
{
    char time[BV_TIME_TEXT];
    autojson json_t *pin = json_object();
    bv_time_text(bv_clock_ns(CLOCK_REALTIME), time);
    bv_json_set(pin, "format", json_string(PIN_FORMAT));
    bv_json_set(pin, "generation", json_integer(number));
    bv_json_set(pin, "time", json_string(time));
    bv_json_set(pin, "reason", bv_json_bytes(reason ? reason : ""));
    autofree char *text = bv_json_canonical(pin);
    return bv_asprintf("%s\n", text);
}

int bv_pin_set(const struct bv_job *j, unsigned number, const char *reason, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_generation_name(number, name);
    if (reason && strlen(reason) > BV_PIN_REASON_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "the reason of a pin has at most %d bytes", BV_PIN_REASON_MAX);
    if (!exists(j, number))
        return bv_fail(err, BV_ENOJOB, 0, "job %s has no generation %u", j->id, number);
    autoclose int pins = open_pins(j, 1);
    if (pins < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot create the pins of job %s", j->id);
    autofree char *text = build(number, reason);
    if (bv_publish(pins, name, text, strlen(text), 1, err) < 0)
        return bv_wrap(err, "the pin of %s@%u", j->id, number);
    /* Whoever removes it looks for a pin once more when it is out of sight, and puts it back. */
    if (exists(j, number))
        return 0;
    unlinkat(pins, name, 0);
    return bv_fail(err, BV_ENOJOB, 0, "generation %u of job %s was removed just now", number, j->id);
}

int bv_pin_remove(const struct bv_job *j, unsigned number, struct bv_error *err)
{
    char name[BV_LAYOUT_NAME];
    bv_generation_name(number, name);
    autoclose int pins = open_pins(j, 0);
    if ((pins < 0 && errno == ENOENT) || (pins >= 0 && unlinkat(pins, name, 0) < 0 && errno == ENOENT))
        return bv_fail(err, BV_ENOJOB, 0, "generation %u of job %s is not pinned", number, j->id);
    if (pins < 0 || faccessat(pins, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || fsync(pins) < 0)
        return bv_fail(err, BV_ESTORE, errno, "cannot take away the pin of %s@%u", j->id, number);
    return 0;
}

static char *read_reason(int pins, const char *name)
{
    autofree char *text = NULL, *reason = NULL;
    autojson json_t *pin = NULL;
    size_t size;
    if (bv_read_file(pins, name, PIN_MAX, &text, &size, NULL) < 0 || bv_json_parse(text, size, &pin, NULL) < 0 ||
        bv_json_get_bytes(pin, "reason", &reason, NULL) < 0)
        return bv_strdup("?");
    return steal_ptr(&reason);
}

int bv_pin_find(const struct bv_job *j, unsigned number, char **ret_reason)
{
    char name[BV_LAYOUT_NAME];
    struct stat st;
    bv_generation_name(number, name);
    autoclose int pins = open_pins(j, 0);
    if (pins < 0 || fstatat(pins, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (ret_reason)
        *ret_reason = read_reason(pins, name);
    return 1;
}

/* --- holds --- */

struct hold_search {
    int pins;
    char prefix[BV_LAYOUT_NAME]; /* ".hold-000007." */
    int64_t since;               /* older ones do not count */
    int found;
};

static int is_valid(const struct hold_search *s, const char *name)
{
    struct stat st;
    return fstatat(s->pins, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && bv_mtime_ns(&st) >= s->since;
}

static int find_hold(const char *name, void *arg)
{
    struct hold_search *s = arg;
    s->found = strncmp(name, s->prefix, strlen(s->prefix)) == 0 && is_valid(s, name);
    return s->found;
}

static int sweep_hold(const char *name, void *arg)
{
    const struct hold_search *s = arg;
    if (strncmp(name, HOLD_PREFIX, strlen(HOLD_PREFIX)) == 0 && !is_valid(s, name))
        unlinkat(s->pins, name, 0);
    return 0;
}

static void hold_prefix(unsigned number, char ret[BV_LAYOUT_NAME])
{
    snprintf(ret, BV_LAYOUT_NAME, HOLD_PREFIX "%06u.", number);
}

static int64_t oldest_valid(const struct bv_job *j)
{
    return bv_job_now(j) - BV_HOLD_S * BV_NSEC_PER_SEC;
}

int bv_pin_check(const struct bv_job *j, unsigned number, struct bv_error *err)
{
    if (bv_pin_find(j, number, NULL))
        return bv_fail(err, BV_EBUSY, 0, "%s@%u is pinned (bivouac unpin %s@%u takes the pin away)", j->id, number,
                       j->id, number);
    struct hold_search s = {.pins = -1};
    autoclose int pins = open_pins(j, 0);
    if (pins < 0)
        return 0;
    s.pins = pins;
    s.since = oldest_valid(j);
    hold_prefix(number, s.prefix);
    if (bv_dir_each(pins, find_hold, &s, err) < 0)
        return -1;
    return s.found ? bv_fail(err, BV_EBUSY, 0, "%s@%u is being read by another process", j->id, number) : 0;
}

int bv_pin_any(const struct bv_job *j)
{
    autofree unsigned *numbers = NULL;
    size_t n = 0;
    if (bv_generation_list(j, &numbers, &n, NULL) < 0)
        return 1;
    for (size_t i = 0; i < n; i++)
        if (bv_pin_check(j, numbers[i], NULL) < 0)
            return 1;
    return 0;
}

void bv_hold_take(const struct bv_job *j, unsigned number, struct bv_hold *ret)
{
    uint64_t random;
    char prefix[BV_LAYOUT_NAME];
    struct bv_hold h = {.dirfd = open_pins(j, 1)};
    *ret = (struct bv_hold){.dirfd = -1};
    if (h.dirfd < 0)
        return;
    struct hold_search s = {.pins = h.dirfd, .since = oldest_valid(j)};
    bv_dir_each(h.dirfd, sweep_hold, &s, NULL);
    hold_prefix(number, prefix);
    if (getrandom(&random, sizeof(random), 0) == sizeof(random)) {
        snprintf(h.name, sizeof(h.name), "%s%016llx", prefix, (unsigned long long)random);
        autoclose int fd = openat(h.dirfd, h.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0) {
            h.renewed_ns = bv_clock_ns(CLOCK_MONOTONIC);
            *ret = h;
            return;
        }
    }
    close_fd(&h.dirfd);
}

void bv_hold_renew(struct bv_hold *h)
{
    int64_t now = bv_clock_ns(CLOCK_MONOTONIC);
    if (h->dirfd < 0 || now - h->renewed_ns < RENEW_S * BV_NSEC_PER_SEC)
        return;
    utimensat(h->dirfd, h->name, NULL, AT_SYMLINK_NOFOLLOW);
    h->renewed_ns = now;
}

void bv_hold_release(struct bv_hold *h)
{
    if (h->dirfd >= 0)
        unlinkat(h->dirfd, h->name, 0);
    close_fd(&h->dirfd);
}
