/* SPDX-License-Identifier: Apache-2.0 */
#include "job/advice.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define WORD   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:"
#define AT_MAX 9e9 /* s since 1970: in nanoseconds it fits into 63 bits */

static int bad(struct bv_error *err, const char *key)
{
    return bv_fail(err, BV_EPROTO, 0, "advice whose \"%s\" makes no sense", key);
}

static int parse_why(const json_t *message, const char *fallback, struct bv_advice *a, struct bv_error *err)
{
    const json_t *value = json_object_get(message, "why");
    const char *why = value ? json_string_value(value) : fallback;
    if (!why || !why[0] || strlen(why) >= sizeof(a->why) || why[strspn(why, WORD)])
        return bad(err, "why");
    snprintf(a->why, sizeof(a->why), "%s", why);
    return 0;
}

static int parse_number(const json_t *message, const char *key, double max, double *ret, struct bv_error *err)
{
    const json_t *value = json_object_get(message, key);
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0) || number > max)
        return bad(err, key);
    *ret = number;
    return 0;
}

static int parse_deadline(const json_t *message, struct bv_advice *a, struct bv_error *err)
{
    double at = 0;
    a->kind = BV_ADVICE_DEADLINE;
    if (!json_is_null(json_object_get(message, "at")) && parse_number(message, "at", AT_MAX, &at, err) < 0)
        return -1;
    a->at_ns = (int64_t)(at * (double)BV_NSEC_PER_SEC);
    return parse_why(message, "limit", a, err);
}

static int parse_text(const json_t *message, struct bv_advice *a, struct bv_error *err)
{
    const char *text = json_string_value(json_object_get(message, "text"));
    a->kind = BV_ADVICE_NOTE;
    if (!text || !text[0])
        return bad(err, "text");
    size_t n = 0;
    for (; text[n] && n + 1 < sizeof(a->text); n++)
        a->text[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    a->text[n] = '\0';
    return 0;
}

int bv_advice_parse(const json_t *message, struct bv_advice *ret, struct bv_error *err)
{
    struct bv_advice a = {0};
    const char *is = json_string_value(json_object_get(message, "is"));
    int rc;
    if (is && strcmp(is, "deadline") == 0) {
        rc = parse_deadline(message, &a, err);
    } else if (is && strcmp(is, "stop") == 0) {
        a.kind = BV_ADVICE_STOP;
        rc = parse_number(message, "grace", BV_ADVICE_GRACE_MAX, &a.grace, err);
        if (rc == 0)
            rc = parse_why(message, "preempt", &a, err);
    } else if (is && strcmp(is, "checkpoint") == 0) {
        a.kind = BV_ADVICE_CHECKPOINT;
        rc = parse_why(message, "request", &a, err);
    } else if (is && strcmp(is, "note") == 0) {
        rc = parse_text(message, &a, err);
    } else {
        rc = bad(err, "is");
    }
    if (rc == 0)
        *ret = a;
    return rc;
}
