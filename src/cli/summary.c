/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/event.h"
#include "store/pin.h"

static const char *const state_names[] = {
    [CMD_NEW] = "new",       [CMD_STARTING] = "starting",         [CMD_RUNNING] = "running",
    [CMD_ENDED] = "ended",   [CMD_CHECKPOINTED] = "checkpointed", [CMD_STOPPED] = "stopped",
    [CMD_FAILED] = "failed", [CMD_INTERRUPTED] = "interrupted",
};

const char *cmd_state_name(enum cmd_state s)
{
    return state_names[s];
}

/* Has the attempt begun to run the job? It says so in the history. */
static int has_begun(const struct bv_job *j, unsigned attempt)
{
    autojson json_t *events = NULL;
    if (bv_event_read(j, &events, NULL) < 0)
        return 1; /* a history that cannot be read does not make the job any less alive */
    for (size_t i = json_array_size(events); i-- > 0;) {
        const json_t *e = json_array_get(events, i);
        const char *what = json_string_value(json_object_get(e, "event"));
        if (what && (strcmp(what, "started") == 0 || strcmp(what, "restarted") == 0) &&
            json_integer_value(json_object_get(e, "attempt")) == (json_int_t)attempt)
            return 1;
    }
    return 0;
}

static void judge_ended(struct cmd_job_state *s)
{
    const char *status = json_string_value(json_object_get(s->last.outcome, "status"));
    int number = (int)json_integer_value(json_object_get(s->last.outcome, "number"));
    if (status && strcmp(status, "exited") == 0) {
        s->state = CMD_ENDED;
        snprintf(s->text, sizeof(s->text), "ended (exit %d)", number);
    } else if (status && strcmp(status, "signaled") == 0) {
        s->state = CMD_ENDED;
        snprintf(s->text, sizeof(s->text), "ended (signal %d)", number);
    } else if (status && strcmp(status, "checkpointed") == 0) {
        s->state = CMD_CHECKPOINTED;
    } else if (status && strcmp(status, "stopped") == 0) {
        s->state = CMD_STOPPED;
    } else {
        s->state = CMD_FAILED;
        snprintf(s->text, sizeof(s->text), "failed (%d)", number);
    }
}

int cmd_job_state(const struct bv_job *j, struct cmd_job_state *ret, struct bv_error *err)
{
    struct cmd_job_state s = {.state = CMD_NEW};
    int got = bv_attempt_last(j, &s.last, err);
    if (got < 0)
        return -1;
    if (got > 0) {
        s.attempts = s.last.number + 1;
        if (s.last.ended)
            judge_ended(&s);
        else if (!s.last.alive)
            s.state = CMD_INTERRUPTED;
        else
            s.state = has_begun(j, s.last.number) ? CMD_RUNNING : CMD_STARTING;
    }
    if (!s.text[0])
        snprintf(s.text, sizeof(s.text), "%s", state_names[s.state]);
    *ret = s;
    return 0;
}

void cmd_job_state_free(struct cmd_job_state *s)
{
    if (s->attempts)
        bv_attempt_info_free(&s->last);
    *s = (struct cmd_job_state){0};
}

void cmd_job_state_json(const struct cmd_job_state *s, json_t *object)
{
    bv_json_set(object, "state", json_string(state_names[s->state]));
    bv_json_set(object, "attempts", json_integer(s->attempts));
    if (!s->attempts)
        return;
    if (cmd_is_live(s->state)) {
        bv_json_set(object, "host", bv_json_bytes(s->last.host.name));
        bv_json_set(object, "here", json_boolean(s->last.here));
        bv_json_set(object, "pid", json_integer(s->last.pid));
        bv_json_set(object, "lease_left_s", json_real(s->last.lease_left));
    }
    if (s->last.outcome)
        bv_json_set(object, "outcome", json_incref(s->last.outcome));
}

/* --- generations --- */

static void copy_string(const json_t *object, const char *key, char *to, size_t room)
{
    const json_t *value = json_object_get(object, key);
    autofree char *text = json_is_string(value) ? cmd_safe_text(value) : bv_strdup("");
    snprintf(to, room, "%s", text);
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

void cmd_generation_describe(const struct bv_gen *g, unsigned number, struct cmd_generation *ret)
{
    const json_t *manifest = bv_gen_manifest(g), *content = bv_gen_content(g);
    const json_t *totals = json_object_get(manifest, "totals");
    *ret = (struct cmd_generation){.number = number};
    copy_string(manifest, "created", ret->created, sizeof(ret->created));
    copy_string(content, "reason", ret->reason, sizeof(ret->reason));
    copy_string(content, "leave", ret->leave, sizeof(ret->leave));
    bv_time_parse(ret->created, &ret->created_ns);
    ret->frozen_s = (double)number_of(content, "frozen_ns") / 1e9;
    ret->raw_bytes = number_of(totals, "raw_bytes");
    ret->new_bytes = number_of(totals, "new_bytes");
    ret->stored_bytes = number_of(totals, "stored_bytes");
    ret->zero_bytes = number_of(totals, "zero_bytes");
    const json_t *warnings = json_object_get(content, "warnings");
    ret->warnings = json_is_array(warnings) ? json_deep_copy(warnings) : json_array();
}

void cmd_generations_free(struct cmd_generation *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(all[i].warnings);
        free(all[i].pin);
    }
    free(all);
}

int cmd_generations(const struct bv_job *j, struct cmd_generation **ret, size_t *ret_count, struct bv_error *err)
{
    autofree unsigned *numbers = NULL;
    size_t n = 0;
    if (bv_generation_list(j, &numbers, &n, err) < 0)
        return -1;
    struct cmd_generation *all = bv_alloc((n + 1) * sizeof(*all));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        autogen struct bv_gen *g = NULL;
        struct cmd_generation *one = &all[kept];
        struct bv_error why = {0};
        if (bv_gen_open(j, numbers[i], &g, &why) == 0)
            cmd_generation_describe(g, numbers[i], one);
        else if (why.code == BV_ENOJOB)
            continue; /* retention was faster */
        else
            *one = (struct cmd_generation){.number = numbers[i], .damaged = 1, .why = why};
        bv_pin_find(j, numbers[i], &one->pin);
        kept++;
    }
    *ret = all;
    *ret_count = kept;
    return 0;
}

json_t *cmd_generation_json(const struct cmd_generation *g)
{
    json_t *j = json_object();
    bv_json_set(j, "generation", json_integer(g->number));
    bv_json_set(j, "damaged", json_boolean(g->damaged));
    bv_json_set(j, "pin", g->pin ? bv_json_bytes(g->pin) : json_null());
    if (g->damaged) {
        bv_json_set(j, "why", bv_json_bytes(g->why.text));
        return j;
    }
    bv_json_set(j, "created", bv_json_bytes(g->created));
    bv_json_set(j, "reason", bv_json_bytes(g->reason));
    bv_json_set(j, "leave", bv_json_bytes(g->leave));
    bv_json_set(j, "frozen_s", g->frozen_s > 0 ? json_real(g->frozen_s) : json_null());
    bv_json_set(j, "raw_bytes", json_integer((json_int_t)g->raw_bytes));
    bv_json_set(j, "new_bytes", json_integer((json_int_t)g->new_bytes));
    bv_json_set(j, "stored_bytes", json_integer((json_int_t)g->stored_bytes));
    bv_json_set(j, "zero_bytes", json_integer((json_int_t)g->zero_bytes));
    bv_json_set(j, "warnings", json_incref(g->warnings));
    return j;
}

/* --- text for people --- */

/* Control characters, also those that UTF-8 writes as C2 80 to C2 9F. */
char *cmd_safe_bytes(const char *bytes)
{
    size_t n = strlen(bytes);
    char *out = bv_alloc(4 * n + 1), *to = out;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i], next = (unsigned char)bytes[i + 1];
        int steers = c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0);
        if (steers)
            to += sprintf(to, "\\x%02x", c);
        else
            *to++ = (char)c;
    }
    return out;
}

char *cmd_safe_text(const json_t *string)
{
    autofree char *bytes = NULL;
    if (bv_json_unescape(string, &bytes, NULL) < 0)
        return bv_strdup("?");
    return cmd_safe_bytes(bytes);
}

static int is_plain(const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%";
    return *word && word[strspn(word, plain)] == '\0';
}

char *cmd_command_text(const json_t *array)
{
    char *all = bv_strdup("");
    for (size_t i = 0; i < json_array_size(array); i++) {
        autofree char *word = cmd_safe_text(json_array_get(array, i));
        autofree char *before = all;
        const char *quote = is_plain(word) ? "" : "'";
        all = bv_asprintf("%s%s%s%s%s", before, i ? " " : "", quote, word, quote);
    }
    return all;
}

void cmd_age_text(int64_t created_ns, char ret[24])
{
    int64_t s = (bv_clock_ns(CLOCK_REALTIME) - created_ns) / BV_NSEC_PER_SEC;
    if (!created_ns)
        snprintf(ret, 24, "?");
    else if (s < 0)
        snprintf(ret, 24, "in the future");
    else if (s < 120)
        snprintf(ret, 24, "%lld s", (long long)s);
    else if (s < 120LL * 60)
        snprintf(ret, 24, "%lld min", (long long)s / 60);
    else if (s < 48LL * 3600)
        snprintf(ret, 24, "%lld h", (long long)s / 3600);
    else
        snprintf(ret, 24, "%lld d", (long long)s / 86400);
}

unsigned cmd_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}
