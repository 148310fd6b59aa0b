/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_page.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/history_text.h"
#include "cli/output.h"
#include "cli/report_plot.h"

/* What a picture or a table can show and still be looked at: the newest. */
#define ROWS_MOST  30
#define BARS_MOST  120
#define TABLE_MOST 1000

/* No script, no picture, no request: whatever gets into the page cannot do more than be read. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"referrer\" content=\"no-referrer\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char style[] =
    "<style>\n"
    ":root { --back: #fbfbf9; --card: #ffffff; --text: #1d2329; --soft: #5c6670; --line: #dfe3e6; --run: #2f74b5;\n"
    "  --restore: #a9b4bd; --lost: #d0570b; --lost-soft: #f6cfae; --saved: #17865c; --mark: #14202b; --raw: #b3c9de;\n"
    "  --new: #5a96cb; --stored: #1f4f7d; }\n"
    "@media (prefers-color-scheme: dark) { :root { --back: #14181c; --card: #1c2227; --text: #e8ebed; --soft: #a1abb3;\n"
    "  --line: #343c43; --run: #5fa3e0; --restore: #66717a; --lost: #f08c45; --lost-soft: #5b3416; --saved: #3fb88a;\n"
    "  --mark: #f4f6f7; --raw: #3f566b; --new: #5f9dd4; --stored: #b9dcfb; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }\n"
    "main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }\n"
    "h1 { font-size: 1.7rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 0 0 .25rem; }\n"
    "p { margin: .25rem 0; } .soft, figcaption, footer { color: var(--soft); font-size: .875rem; }\n"
    "code { font: .875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }\n"
    ".command { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .9rem;\n"
    "  margin: 1rem 0; max-height: 12rem; overflow: auto; }\n"
    ".state { display: inline-block; border: 1px solid var(--line); border-radius: 99px; padding: 0 .7rem;\n"
    "  background: var(--card); font-size: .875rem; margin-left: .5rem; vertical-align: middle; font-weight: 400; }\n"
    "dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }\n"
    "dl div, figure, details { background: var(--card); border: 1px solid var(--line); border-radius: 8px; }\n"
    "dl div { padding: .7rem .9rem; } dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-size: 1.3rem;\n"
    "  font-variant-numeric: tabular-nums; }\n"
    "figure { margin: 1rem 0; padding: 1rem 1.1rem; } figcaption { margin-bottom: .75rem; }\n"
    "figure { overflow-x: auto; } svg { display: block; width: 100%; min-width: 40rem; height: auto; font: 13px system-ui, sans-serif; }\n"
    "details { margin: 1rem 0; padding: .8rem 1.1rem; } summary { cursor: pointer; font-weight: 600; }\n"
    ".wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin-top: .6rem; font-size: .875rem;\n"
    "  font-variant-numeric: tabular-nums; }\n"
    "th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }\n"
    "th { color: var(--soft); font-weight: 500; } .left { text-align: left; }\n"
    ".key { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin: 0 .35rem 0 .9rem;\n"
    "  vertical-align: -1px; } br + .key { margin-left: 0; }\n"
    ".tick { fill: var(--soft); } .row { fill: var(--text); } .grid { stroke: var(--line); } .axis { stroke: var(--soft); }\n"
    ".run, .frozen { fill: var(--run); background: var(--run); } .restore { fill: var(--restore); background: var(--restore); }\n"
    "rect.lost { fill: url(#hatch); stroke: var(--lost); } .hatch-back { fill: var(--lost-soft); }\n"
    ".hatch-line, rect.wasted { fill: var(--lost); } .key.lost, .key.wasted { background: var(--lost); }\n"
    ".saved { fill: var(--saved); background: var(--saved); } .mark { fill: var(--mark); background: var(--mark); }\n"
    ".raw { fill: var(--raw); background: var(--raw); } .new { fill: var(--new); background: var(--new); }\n"
    ".stored { fill: var(--stored); background: var(--stored); }\n"
    "</style>\n</head>\n";

/* "2026-11-22 00:46:07 UTC" */
static void put_time(FILE *out, int64_t ns)
{
    char text[BV_TIME_TEXT];
    bv_time_text(ns, text);
    if (ns)
        fprintf(out, "<time datetime=\"%s\">%.10s %.8s</time>", text, text, text + 11);
    else
        fputs("?", out);
}

/* --- the head --- */

static void put_card(FILE *out, const char *title, const char *value)
{
    fprintf(out, "<div><dt>%s</dt><dd>", title);
    report_text(out, value);
    fputs("</dd></div>\n", out);
}

static void put_duration(FILE *out, const char *title, double seconds)
{
    char text[24];
    report_seconds_text(seconds, text);
    put_card(out, title, text);
}

static void put_count(FILE *out, const char *title, size_t count)
{
    char text[24];
    snprintf(text, sizeof(text), "%zu", count);
    put_card(out, title, text);
}

static void put_cards(FILE *out, const struct bv_timeline *t)
{
    char text[24] = "?";
    if (t->efficiency >= 0)
        snprintf(text, sizeof(text), "%.1f %%", 100 * t->efficiency);
    fputs("<dl>\n", out);
    put_card(out, "Efficiency", text);
    put_duration(out, "Ran, in all attempts", t->running_s);
    put_duration(out, "Saved by checkpoints", t->saved_s);
    put_duration(out, "Lost, to be repeated", t->lost_s);
    put_duration(out, "Frozen for checkpoints", t->frozen_s);
    put_duration(out, "Until restarts ran", t->restore_s);
    put_count(out, "Attempts", t->attempts);
    put_count(out, "Checkpoints", t->checkpoints);
    put_count(out, "Failed checkpoints", t->failures);
    fputs("</dl>\n", out);
}

static void put_head(FILE *out, const char *job, const json_t *record, const struct cmd_job_state *state)
{
    const json_t *command = json_object_get(record, "command"), *cwd = json_object_get(record, "cwd");
    fputs(head, out);
    fprintf(out, "<title>Bivouac: job %s</title>\n%s<body>\n<main>\n<header>\n<h1>Job %s<span class=\"state\">", job,
            style, job);
    autofree char *plain = cmd_plain_text(state->text);
    report_text(out, plain);
    fputs("</span></h1>\n", out);
    if (json_is_string(cwd)) {
        fputs("<p class=\"soft\">in ", out);
        report_json(out, cwd);
        fputs("</p>\n", out);
    }
    fputs("<div class=\"command\"><code>", out);
    for (size_t i = 0; i < json_array_size(command); i++) {
        fputs(i ? " " : "", out);
        report_json(out, json_array_get(command, i));
    }
    fputs("</code></div>\n</header>\n", out);
}

/* --- plots --- */

static void begin_figure(FILE *out, const char *title, const char *words)
{
    fprintf(out, "<figure>\n<h2>%s</h2>\n<figcaption>%s", title, words);
}

static void put_key(FILE *out, const char *class, const char *name)
{
    fprintf(out, "<span class=\"key %s\"></span>%s\n", class, name);
}

static void put_left_out(FILE *out, size_t first, const char *what)
{
    if (first)
        fprintf(out, " The %zu %s before are not shown.", first, what);
}

/* Each series of it has a key, unless there is only one. */
static void put_bars(FILE *out, const char *title, const char *words, size_t first, const char *what,
                     const struct report_bars *bars)
{
    begin_figure(out, title, words);
    put_left_out(out, first, what);
    fputs(bars->count > 1 ? "<br>\n" : "", out);
    for (size_t i = 0; bars->count > 1 && i < bars->count; i++)
        put_key(out, bars->series[i].class, bars->series[i].name);
    fputs("</figcaption>\n", out);
    report_bars(out, bars);
    fputs("</figure>\n", out);
}

static void put_timeline(FILE *out, const struct bv_timeline *t)
{
    size_t first = t->attempts > ROWS_MOST ? t->attempts - ROWS_MOST : 0;
    if (t->attempts == 0)
        return;
    begin_figure(out, "Attempts", "Real time since ");
    put_time(out, t->attempt[first].begun_ns);
    fputs(" UTC.", out);
    put_left_out(out, first, "attempts");
    fputs("<br>\n", out);
    put_key(out, "run", "ran");
    put_key(out, "lost", "ran, and was lost");
    put_key(out, "restore", "restored");
    put_key(out, "mark", "checkpoint");
    fputs("</figcaption>\n", out);
    report_timeline(out, t, first);
    fputs("</figure>\n", out);
}

static void put_checkpoint_plots(FILE *out, const struct bv_timeline *t)
{
    size_t first = t->checkpoints > BARS_MOST ? t->checkpoints - BARS_MOST : 0, n = t->checkpoints - first;
    if (n == 0)
        return;
    autofree unsigned *label = bv_alloc(n * sizeof(*label));
    autofree double *value = bv_alloc(4 * n * sizeof(*value));
    for (size_t i = 0; i < n; i++) {
        const struct bv_timeline_checkpoint *c = &t->checkpoint[first + i];
        label[i] = c->generation;
        value[i] = c->frozen_s;
        value[n + i] = (double)c->raw_bytes;
        value[2 * n + i] = (double)c->new_bytes;
        value[3 * n + i] = (double)c->stored_bytes;
    }
    const struct report_series frozen[] = {{"frozen", "frozen", value}};
    const struct report_series bytes[] = {
        {"in all", "raw", value + n}, {"new", "new", value + 2 * n}, {"stored", "stored", value + 3 * n}};
    put_bars(
        out, "Freeze", "How long the job stood still for each checkpoint.", first, "checkpoints",
        &(struct report_bars){"freeze", "Freeze time of each checkpoint", "@", label, n, REPORT_SECONDS, frozen, 1});
    put_bars(out, "Bytes", "What each checkpoint holds, what of it the one before did not have, and what it takes.",
             first, "checkpoints",
             &(struct report_bars){"bytes", "Bytes of each checkpoint", "@", label, n, REPORT_BYTES, bytes, 3});
}

static void put_lost_and_saved(FILE *out, const struct bv_timeline *t)
{
    size_t first = t->attempts > BARS_MOST ? t->attempts - BARS_MOST : 0, n = t->attempts - first;
    if (n == 0)
        return;
    autofree unsigned *label = bv_alloc(n * sizeof(*label));
    autofree double *value = bv_alloc(2 * n * sizeof(*value));
    for (size_t i = 0; i < n; i++) {
        label[i] = t->attempt[first + i].number;
        value[i] = t->attempt[first + i].saved_s;
        value[n + i] = t->attempt[first + i].lost_s;
    }
    const struct report_series series[] = {{"saved", "saved", value}, {"lost", "wasted", value + n}};
    put_bars(out, "Lost and saved",
             "Work that each attempt did not have to do again, and work of it that was, or will be, done again.", first,
             "attempts",
             &(struct report_bars){"lost", "Work lost and saved, by attempt", "attempt ", label, n, REPORT_SECONDS,
                                   series, 2});
}

/* --- tables --- */

/* A title that begins with a blank is of text, which stands on the left. */
static void begin_table(FILE *out, const char *name, const char *const *title, size_t count)
{
    fprintf(out, "<details open><summary>%s</summary><div class=\"wide\"><table>\n<thead><tr>", name);
    for (size_t i = 0; i < count; i++) {
        int left = title[i][0] == ' ';
        fprintf(out, "<th scope=\"col\"%s>%s</th>", left ? " class=\"left\"" : "", title[i] + left);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
}

static void put_cell(FILE *out, const char *text)
{
    fputs("<td>", out);
    report_text(out, text);
    fputs("</td>", out);
}

static void put_seconds(FILE *out, double seconds)
{
    char text[24];
    report_seconds_text(seconds, text);
    put_cell(out, text);
}

static void put_bytes(FILE *out, uint64_t bytes)
{
    char text[16];
    cmd_size_text(bytes, text);
    put_cell(out, text);
}

static void put_json_cell(FILE *out, const json_t *string)
{
    fputs("<td class=\"left\">", out);
    if (string)
        report_json(out, string);
    fputs("</td>", out);
}

static void put_scheduler(FILE *out, const struct bv_timeline_attempt *a)
{
    fputs("<td class=\"left\">", out);
    if (a->scheduler && a->scheduler_job) {
        report_json(out, a->scheduler);
        fputc(' ', out);
        report_json(out, a->scheduler_job);
    }
    fputs("</td>", out);
}

static void put_attempts(FILE *out, const struct bv_timeline *t)
{
    size_t first = t->attempts > TABLE_MOST ? t->attempts - TABLE_MOST : 0;
    static const char *const titles[] = {"Attempt", " Host",  " Scheduler", "Begun (UTC)", "From", "Restored in",
                                         "Ran",     "Frozen", "Lost",       "Saved",       "CPU",  " End"};
    begin_table(out, "All attempts", titles, sizeof(titles) / sizeof(titles[0]));
    for (size_t i = first; i < t->attempts; i++) {
        const struct bv_timeline_attempt *a = &t->attempt[i];
        char end[32], from[16] = "";
        report_end_text(a, end);
        if (a->generation)
            snprintf(from, sizeof(from), "@%u", a->generation);
        fprintf(out, "<tr><th scope=\"row\">%u</th>", a->number);
        put_json_cell(out, a->host);
        put_scheduler(out, a);
        fputs("<td>", out);
        put_time(out, a->begun_ns);
        fputs("</td>", out);
        put_cell(out, from);
        if (a->generation)
            put_seconds(out, a->restore_s);
        else
            put_cell(out, "");
        put_seconds(out, a->running_s);
        put_seconds(out, a->frozen_s);
        put_seconds(out, a->lost_s);
        put_seconds(out, a->saved_s);
        put_seconds(out, a->cpu_s);
        fprintf(out, "<td class=\"left\">%s</td></tr>\n", end);
    }
    fputs("</tbody></table></div></details>\n", out);
}

static void put_checkpoints(FILE *out, const struct bv_timeline *t)
{
    size_t first = t->checkpoints > TABLE_MOST ? t->checkpoints - TABLE_MOST : 0;
    static const char *const titles[] = {"Checkpoint", "Attempt", "Committed (UTC)", " Why", "Freeze", "Drain", "Write",
                                         "Sync",       "In all",  "Bytes",           "New",  "Stored", " Kept"};
    begin_table(out, "All checkpoints", titles, sizeof(titles) / sizeof(titles[0]));
    for (size_t i = first; i < t->checkpoints; i++) {
        const struct bv_timeline_checkpoint *c = &t->checkpoint[i];
        fprintf(out, "<tr><th scope=\"row\">@%u</th><td>%u</td><td>", c->generation, t->attempt[c->attempt].number);
        put_time(out, c->at_ns);
        fputs("</td>", out);
        put_json_cell(out, c->why);
        put_seconds(out, c->frozen_s);
        put_seconds(out, c->drain_s);
        put_seconds(out, c->write_s);
        put_seconds(out, c->sync_s);
        put_seconds(out, c->total_s);
        put_bytes(out, c->raw_bytes);
        put_bytes(out, c->new_bytes);
        put_bytes(out, c->stored_bytes);
        fprintf(out, "<td class=\"left\">%s</td></tr>\n", c->kept ? "yes" : "no");
    }
    fputs("</tbody></table></div></details>\n", out);
}

static void put_history(FILE *out, const struct bv_timeline *t)
{
    char **line = NULL;
    size_t count = 0;
    history_lines(t, &line, &count);
    size_t first = count > TABLE_MOST ? count - TABLE_MOST : 0;
    fputs("<details><summary>History</summary><p><code>", out);
    for (size_t i = first; i < count; i++) {
        autofree char *plain = cmd_plain_text(line[i]);
        report_text(out, plain);
        fputc('\n', out);
    }
    fputs("</code></p></details>\n", out);
    history_lines_free(line, count);
}

void report_page(FILE *out, const char *job, const json_t *record, const struct cmd_job_state *state,
                 const struct bv_timeline *t)
{
    put_head(out, job, record, state);
    put_cards(out, t);
    put_timeline(out, t);
    put_lost_and_saved(out, t);
    put_checkpoint_plots(out, t);
    put_attempts(out, t);
    if (t->checkpoints)
        put_checkpoints(out, t);
    put_history(out, t);
    fputs("<footer>Bivouac " BV_VERSION ", ", out);
    put_time(out, bv_clock_ns(CLOCK_REALTIME));
    fputs(" UTC</footer>\n</main>\n</body>\n</html>\n", out);
}
