/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/history_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/summary.h"

struct lines {
    char **line;
    size_t count, room;
};

static void add_line(struct lines *l, const char *time, char *text)
{
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->line = bv_realloc(l->line, l->room, sizeof(l->line[0]));
    }
    l->line[l->count++] = bv_asprintf("%s  %s", time, text);
    free(text);
}

void history_lines_free(char **lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lines[i]);
    free(lines);
}

void history_duration_text(double seconds, char ret[24])
{
    if (seconds < 10)
        snprintf(ret, 24, "%.3f s", seconds);
    else if (seconds < 120)
        snprintf(ret, 24, "%.0f s", seconds);
    else if (seconds < 120 * 60)
        snprintf(ret, 24, "%.0f min", seconds / 60);
    else if (seconds < 48 * 3600)
        snprintf(ret, 24, "%.1f h", seconds / 3600);
    else
        snprintf(ret, 24, "%.1f d", seconds / 86400);
}

/* --- what an event says; each allocated --- */

static json_int_t number(const json_t *e, const char *key)
{
    return json_integer_value(json_object_get(e, key));
}

/* A member as text; "?" where it is none. */
static char *text_of(const json_t *e, const char *key)
{
    const json_t *value = json_object_get(e, key);
    return json_is_string(value) ? cmd_safe_text(value) : bv_strdup("?");
}

/* "BEFORE TEXT BEHIND" if the event has that member, else "". */
static char *part(const json_t *e, const char *before, const char *key, const char *behind)
{
    if (!json_is_string(json_object_get(e, key)))
        return bv_strdup("");
    autofree char *text = cmd_safe_text(json_object_get(e, key));
    return bv_asprintf("%s%s%s", before, text, behind);
}

static char *scheduler_part(const json_t *e)
{
    autofree char *id = part(e, " job ", "scheduler_job", "");
    autofree char *name = part(e, ", ", "scheduler", "");
    return *name && *id ? bv_asprintf("%s%s", name, id) : bv_strdup("");
}

static char *duration_part(const json_t *e, const char *before, const char *key)
{
    char text[24];
    const json_t *value = json_object_get(e, key);
    if (!json_is_number(value))
        return bv_strdup("");
    history_duration_text(json_number_value(value), text);
    return bv_asprintf("%s%s", before, text);
}

static char *say_submitted(const json_t *e)
{
    autofree char *user = part(e, " by ", "user", "");
    autofree char *scheduler = scheduler_part(e);
    autofree char *command = cmd_command_text(json_object_get(e, "command"));
    return bv_asprintf("submitted%s%s%s%s%s", user, scheduler, *command ? ": " : "", command,
                       json_is_true(json_object_get(e, "cut")) ? " ..." : "");
}

static char *say_started(const json_t *e)
{
    autofree char *host = text_of(e, "host");
    autofree char *scheduler = scheduler_part(e);
    return bv_asprintf("attempt %d started on %s%s", (int)number(e, "attempt"), host, scheduler);
}

static char *say_restarted(const json_t *e)
{
    autofree char *host = text_of(e, "host");
    autofree char *scheduler = scheduler_part(e);
    autofree char *took = duration_part(e, ", restored in ", "restore_s");
    return bv_asprintf("attempt %d goes on from @%d on %s%s%s", (int)number(e, "attempt"), (int)number(e, "generation"),
                       host, scheduler, took);
}

static char *say_checkpointed(const json_t *e)
{
    char stored[16], raw[16];
    json_int_t stored_bytes = number(e, "stored_bytes"), raw_bytes = number(e, "raw_bytes");
    cmd_size_text(stored_bytes > 0 ? (unsigned long long)stored_bytes : 0, stored);
    cmd_size_text(raw_bytes > 0 ? (unsigned long long)raw_bytes : 0, raw);
    autofree char *why = part(e, " (", json_object_get(e, "why") ? "why" : "reason", ")");
    autofree char *frozen = duration_part(e, ", frozen ", "frozen_s");
    autofree char *total = duration_part(e, ", ", "total_s");
    return bv_asprintf("checkpoint @%d%s%s, %s stored of %s%s%s", (int)number(e, "generation"), why, frozen, stored,
                       raw, total, *total ? " in all" : "");
}

static char *say_checkpoint_failed(const json_t *e)
{
    autofree char *why = part(e, " (", "why", ")");
    autofree char *text = text_of(e, "text");
    return bv_asprintf("checkpoint failed%s: %s", why, text);
}

static char *say_removed(const json_t *e)
{
    autofree char *why = part(e, " (", "why", ")");
    return bv_asprintf("checkpoint @%d was removed%s", (int)number(e, "generation"), why);
}

static char *say_pinned(const json_t *e)
{
    autofree char *reason = part(e, ": ", "reason", "");
    return bv_asprintf("checkpoint @%d was pinned%s", (int)number(e, "generation"), reason);
}

static char *say_unpinned(const json_t *e)
{
    return bv_asprintf("checkpoint @%d is not pinned any more", (int)number(e, "generation"));
}

static char *say_checkpoint_skipped(const json_t *e)
{
    autofree char *why = part(e, " (", "why", ")");
    autofree char *text = text_of(e, "text");
    return bv_asprintf("no checkpoint is made%s: %s", why, text);
}

static char *say_deadline(const json_t *e)
{
    char time[BV_TIME_TEXT];
    const json_t *at = json_object_get(e, "at");
    double seconds = json_is_number(at) ? json_number_value(at) : -1;
    autofree char *why = part(e, " (", "why", ")");
    if (seconds < 0 || seconds > 9e9)
        return bv_asprintf("no deadline is known any more%s", why);
    bv_time_text((int64_t)(seconds * 1e9), time);
    return bv_asprintf("the deadline is %.10s %.8sZ%s", time, time + 11, why);
}

static char *say_no_progress(const json_t *e)
{
    autofree char *why = part(e, " (", "why", ")");
    return bv_asprintf("attempt %d has made no progress%s", (int)number(e, "attempt"), why);
}

static char *say_fell_back(const json_t *e)
{
    autofree char *text = text_of(e, "text");
    return bv_asprintf("checkpoint @%d does not verify: %s", (int)number(e, "generation"), text);
}

static char *say_rolled_back(const json_t *e)
{
    autofree char *dir = text_of(e, "kept_in");
    size_t files = json_array_size(json_object_get(e, "files"));
    return bv_asprintf("%zu file%s kept aside in %s", files, files == 1 ? "" : "s", dir);
}

static char *say_imported(const json_t *e)
{
    autofree char *from = text_of(e, "from");
    return bv_asprintf("imported from %s@%d", from, (int)number(e, "generation"));
}

static char *say_fenced(const json_t *e)
{
    autofree char *text = part(e, ": ", "text", "");
    return bv_asprintf("attempt %d was fenced%s", (int)number(e, "attempt"), text);
}

static char *say_ended(const json_t *e)
{
    const char *status = json_string_value(json_object_get(e, "status"));
    autofree char *text = part(e, ": ", "text", "");
    autofree char *cpu = duration_part(e, ", CPU time ", "cpu_s");
    int attempt = (int)number(e, "attempt"), n = (int)number(e, "number");
    if (status && strcmp(status, "exited") == 0)
        return bv_asprintf("attempt %d ended with exit status %d%s", attempt, n, cpu);
    if (status && strcmp(status, "signaled") == 0)
        return bv_asprintf("attempt %d ended by signal %d%s", attempt, n, cpu);
    if (status && strcmp(status, "checkpointed") == 0)
        return bv_asprintf("attempt %d ended with a checkpoint%s", attempt, cpu);
    if (status && strcmp(status, "stopped") == 0)
        return bv_asprintf("attempt %d was stopped, to go on from an earlier checkpoint%s", attempt, cpu);
    return bv_asprintf("attempt %d failed (%d)%s", attempt, n, text);
}

static char *say_unreadable(const json_t *e)
{
    int n = (int)number(e, "lines");
    return bv_asprintf("%d line%s of the history cannot be read", n, n == 1 ? "" : "s");
}

static char *say_connections_closed(const json_t *e)
{
    size_t n = json_array_size(json_object_get(e, "connections"));
    return bv_asprintf("%zu TCP connection%s to outside of the job %s closed by the restart", n, n == 1 ? "" : "s",
                       n == 1 ? "was" : "were");
}

static char *say_network_lost(const json_t *e)
{
    autofree char *program = text_of(e, "program");
    return bv_asprintf("%s ended, which carried the job's connections to other hosts", program);
}

/* An event that has no sentence of its own: its word, and what it has. */
static char *say_other(const json_t *e)
{
    const char *key;
    json_t *value;
    char *all = text_of(e, "event");
    json_object_foreach ((json_t *)e, key, value) {
        static const char *const plain[] = {"event", "time", "attempt", "host"};
        int shown = json_is_string(value) || json_is_number(value);
        for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
            shown &= strcmp(key, plain[i]) != 0;
        if (!shown)
            continue;
        autojson json_t *name = bv_json_bytes(key);
        autofree char *safe = cmd_safe_text(name);
        autofree char *text = json_is_string(value) ? cmd_safe_text(value) : bv_json_canonical(value);
        autofree char *before = all;
        all = bv_asprintf("%s, %s %s", before, safe, text);
    }
    return all;
}

static char *sentence(const json_t *e)
{
    static const struct {
        const char *event;
        char *(*say)(const json_t *e);
    } known[] = {
        {"submitted", say_submitted},
        {"started", say_started},
        {"restarted", say_restarted},
        {"checkpointed", say_checkpointed},
        {"checkpoint-failed", say_checkpoint_failed},
        {"checkpoint-skipped", say_checkpoint_skipped},
        {"deadline", say_deadline},
        {"no-progress", say_no_progress},
        {"removed", say_removed},
        {"pinned", say_pinned},
        {"unpinned", say_unpinned},
        {"fell-back", say_fell_back},
        {"rolled-back", say_rolled_back},
        {"connections-closed", say_connections_closed},
        {"network-lost", say_network_lost},
        {"imported", say_imported},
        {"fenced", say_fenced},
        {"ended", say_ended},
        {"unreadable", say_unreadable},
    };
    const char *event = json_string_value(json_object_get(e, "event"));
    for (size_t i = 0; event && i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(event, known[i].event) == 0)
            return known[i].say(e);
    return say_other(e);
}

/* --- all of them --- */

/* "2026-11-22 00:46:07Z" */
static void short_time(int64_t ns, char ret[24])
{
    char text[BV_TIME_TEXT];
    bv_time_text(ns, text);
    snprintf(ret, 24, "%.10s %.8sZ", text, text + 11);
}

static void add_event(struct lines *l, const json_t *e)
{
    int64_t at;
    char time[24] = "                    ";
    const char *text = json_string_value(json_object_get(e, "time"));
    if (text && bv_time_parse(text, &at) == 0)
        short_time(at, time);
    add_line(l, time, sentence(e));
}

static void add_lost(struct lines *l, const struct bv_timeline_attempt *a)
{
    char time[24] = "                    ";
    if (a->ended_ns)
        short_time(a->ended_ns, time);
    if (!a->begun_ns)
        add_line(l, time, bv_asprintf("attempt %u was lost before the job ran in it", a->number));
    else
        add_line(l, time, bv_asprintf("attempt %u was lost: this is the last sign of it", a->number));
}

void history_lines(const struct bv_timeline *t, char ***ret, size_t *ret_count)
{
    struct lines l = {0};
    size_t next = 0, index;
    const json_t *e;
    json_array_foreach (t->events, index, e) {
        /* An attempt has begun: what became of those before it? */
        for (; next < t->attempts && t->attempt[next].first_event <= index; next++)
            if (next > 0 && t->attempt[next - 1].end == BV_ATTEMPT_LOST)
                add_lost(&l, &t->attempt[next - 1]);
        add_event(&l, e);
    }
    for (; next <= t->attempts; next++)
        if (next > 0 && t->attempt[next - 1].end == BV_ATTEMPT_LOST)
            add_lost(&l, &t->attempt[next - 1]);
    *ret = l.line;
    *ret_count = l.count;
}

static void print_total(FILE *out, const char *title, double seconds, const char *what)
{
    char text[24];
    history_duration_text(seconds, text);
    fprintf(out, "%-11s%s%s\n", title, text, what);
}

void history_print_totals(const struct bv_timeline *t, FILE *out)
{
    char run[24];
    history_duration_text(t->running_s, run);
    fprintf(out, "%-11s%s in %zu attempt%s, %zu checkpoint%s, %zu failed\n", "ran", run, t->attempts,
            t->attempts == 1 ? "" : "s", t->checkpoints, t->checkpoints == 1 ? "" : "s", t->failures);
    print_total(out, "frozen", t->frozen_s, " for checkpoints");
    print_total(out, "restored", t->restore_s, " until restarts ran");
    print_total(out, "lost", t->lost_s, " of work that had, or has, to be repeated");
    print_total(out, "saved", t->saved_s, " of work that restarts did not have to repeat");
    if (t->efficiency >= 0)
        fprintf(out, "%-11s%.1f %% of the time was work that counts\n", "efficiency", 100 * t->efficiency);
}
