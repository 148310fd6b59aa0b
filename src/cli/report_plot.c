/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_plot.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/history_text.h"
#include "cli/output.h"

/* In units of the picture, which is as wide as the page lets it. */
#define WIDTH       960.0
#define BARS_HEIGHT 260.0
#define BARS_LEFT   84.0
#define BARS_BOTTOM 34.0
#define TOP         12.0
#define RIGHT       12.0
#define ROW_HEIGHT  40.0
#define ROW_LEFT    210.0
#define LABELS_MOST 24

void report_text(FILE *out, const char *plain)
{
    for (; *plain; plain++) {
        static const char special[] = "&<>\"'";
        static const char *const entity[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
        const char *at = strchr(special, *plain);
        if (at)
            fputs(entity[at - special], out);
        else
            fputc(*plain, out);
    }
}

void report_json(FILE *out, const json_t *string)
{
    autofree char *plain = cmd_plain_json(string);
    report_text(out, plain);
}

void report_end_text(const struct bv_timeline_attempt *a, char ret[32])
{
    if (a->end == BV_ATTEMPT_EXITED)
        snprintf(ret, 32, "exit %d", a->end_number);
    else if (a->end == BV_ATTEMPT_SIGNALED)
        snprintf(ret, 32, "signal %d", a->end_number);
    else if (a->end == BV_ATTEMPT_FAILED)
        snprintf(ret, 32, "failed (%d)", a->end_number);
    else
        snprintf(ret, 32, "%s", bv_timeline_end_name(a->end));
}

void report_seconds_text(double seconds, char ret[24])
{
    if (seconds < 0)
        snprintf(ret, 24, "?");
    else
        history_duration_text(seconds, ret);
}

static void value_text(enum report_unit unit, double value, char ret[24])
{
    if (unit == REPORT_SECONDS)
        report_seconds_text(value, ret);
    else
        cmd_size_text((unsigned long long)value, ret);
}

/* --- scales --- */

/* 1, 2 or 5 times a power of ten, so that `most` has a few of them. */
static double decimal_step(double most)
{
    static const double nice[] = {1, 2, 5};
    double power = pow(10, floor(log10(most / 6)));
    for (size_t i = 0; i < sizeof(nice) / sizeof(nice[0]); i++)
        if (most / (power * nice[i]) <= 6)
            return power * nice[i];
    return 10 * power;
}

/* Minutes, hours and days have steps of their own, bytes those of their unit. */
static double nice_step(enum report_unit unit, double most)
{
    static const double clock[] = {60,    120,   300,   600,   1200,   1800,   3600,   7200,
                                   10800, 21600, 43200, 86400, 172800, 604800, 2419200};
    double scale = 1;
    if (most <= 0)
        return 1;
    if (unit == REPORT_BYTES)
        while (most / scale >= 1024)
            scale *= 1024;
    if (unit == REPORT_BYTES || most < 180)
        return scale * decimal_step(most / scale);
    for (size_t i = 0; i < sizeof(clock) / sizeof(clock[0]); i++)
        if (most / clock[i] <= 7)
            return clock[i];
    return 86400 * decimal_step(most / 86400);
}

static void tick_text(enum report_unit unit, double value, char ret[24])
{
    if (unit == REPORT_BYTES)
        cmd_size_text((unsigned long long)value, ret);
    else if (value < 180)
        snprintf(ret, 24, "%g s", value);
    else if (value < 3600)
        snprintf(ret, 24, "%g min", value / 60);
    else if (value < 172800)
        snprintf(ret, 24, "%g h", value / 3600);
    else
        snprintf(ret, 24, "%g d", value / 86400);
}

/* --- parts of a picture --- */

static void begin_picture(FILE *out, const char *id, const char *title, double height)
{
    fprintf(out, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-labelledby=\"%s-title\"><title id=\"%s-title\">", WIDTH,
            height, id, id);
    report_text(out, title);
    fputs("</title>\n", out);
}

static void put_bar(FILE *out, const char *class, double x, double y, double width, double height, const char *tip)
{
    fprintf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>", class, x, y, width,
            height);
    report_text(out, tip);
    fputs("</title></rect>\n", out);
}

static void put_label(FILE *out, const char *class, const char *anchor, double x, double y, const char *text)
{
    fprintf(out, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.2f\" y=\"%.2f\">", class, anchor, x, y);
    report_text(out, text);
    fputs("</text>\n", out);
}

static void put_line(FILE *out, const char *class, double x1, double y1, double x2, double y2)
{
    fprintf(out, "<line class=\"%s\" x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\"/>\n", class, x1, y1, x2, y2);
}

/* --- bars --- */

static double most_of(const struct report_bars *p)
{
    double most = 0;
    for (size_t s = 0; s < p->count; s++)
        for (size_t g = 0; g < p->groups; g++)
            if (p->series[s].value[g] > most)
                most = p->series[s].value[g];
    return most;
}

/* Lines across, with their values; returns the value at the top. */
static double put_scale(FILE *out, const struct report_bars *p, double bottom)
{
    double most = most_of(p), step = nice_step(p->unit, most);
    double top = most > 0 ? step * ceil(most / step) : step;
    for (double v = 0; v <= top * 1.0001; v += step) {
        char text[24];
        double y = bottom - (bottom - TOP) * v / top;
        tick_text(p->unit, v, text);
        put_line(out, v > 0 ? "grid" : "axis", BARS_LEFT, y, WIDTH - RIGHT, y);
        put_label(out, "tick", "end", BARS_LEFT - 8, y + 4, text);
    }
    return top;
}

void report_bars(FILE *out, const struct report_bars *p)
{
    double bottom = BARS_HEIGHT - BARS_BOTTOM,
           group = (WIDTH - BARS_LEFT - RIGHT) / (double)(p->groups ? p->groups : 1);
    double bar = group * 0.76 / (double)p->count;
    size_t every = p->groups / LABELS_MOST + 1;
    if (bar > 40)
        bar = 40;
    begin_picture(out, p->id, p->title, BARS_HEIGHT);
    double top = put_scale(out, p, bottom);
    for (size_t g = 0; g < p->groups; g++) {
        double middle = BARS_LEFT + group * ((double)g + 0.5);
        char label[24];
        snprintf(label, sizeof(label), "%s%u", p->prefix, p->label[g]);
        for (size_t s = 0; s < p->count; s++) {
            char value[24], tip[96];
            double v = p->series[s].value[g], height = (bottom - TOP) * v / top;
            if (v < 0)
                continue;
            value_text(p->unit, v, value);
            snprintf(tip, sizeof(tip), "%s %s: %s", label, p->series[s].name, value);
            if (v > 0 && height < 1)
                height = 1;
            put_bar(out, p->series[s].class, middle + bar * ((double)s - (double)p->count / 2), bottom - height, bar,
                    height, tip);
        }
        if (g % every == 0)
            put_label(out, "tick", "middle", middle, bottom + 20, label);
    }
    fputs("</svg>\n", out);
}

/* --- the timeline --- */

struct span {
    int64_t begin;
    double seconds;
};

static int64_t begin_of(const struct bv_timeline_attempt *a)
{
    int64_t begin = a->begun_ns ? a->begun_ns : a->ended_ns;
    return begin - (int64_t)(a->restore_s * 1e9);
}

static struct span span_of(const struct bv_timeline *t, size_t first)
{
    struct span s = {.begin = begin_of(&t->attempt[first])};
    int64_t end = s.begin;
    for (size_t i = first; i < t->attempts; i++) {
        if (begin_of(&t->attempt[i]) < s.begin)
            s.begin = begin_of(&t->attempt[i]);
        if (t->attempt[i].ended_ns > end)
            end = t->attempt[i].ended_ns;
    }
    s.seconds = (double)(end - s.begin) / 1e9;
    if (s.seconds <= 0)
        s.seconds = 1;
    return s;
}

static double x_of(const struct span *s, int64_t at)
{
    double x = ROW_LEFT + (WIDTH - ROW_LEFT - RIGHT) * ((double)(at - s->begin) / 1e9) / s->seconds;
    return x < ROW_LEFT ? ROW_LEFT : x > WIDTH - RIGHT ? WIDTH - RIGHT : x;
}

static void put_part(FILE *out, const struct span *s, const char *class, int64_t from, int64_t to, double y,
                     const char *tip)
{
    double x = x_of(s, from), width = x_of(s, to) - x;
    if (to > from)
        put_bar(out, class, x, y, width < 1.5 ? 1.5 : width, ROW_HEIGHT - 18, tip);
}

static void put_who(FILE *out, const struct bv_timeline_attempt *a, double y)
{
    char end[32], text[64];
    report_end_text(a, end);
    snprintf(text, sizeof(text), "attempt %u: %s", a->number, end);
    put_label(out, "row", "start", 0, y + 10, text);
    fprintf(out, "<text class=\"tick\" x=\"0\" y=\"%.2f\">", y + 25);
    if (a->host)
        report_json(out, a->host);
    if (a->scheduler && a->scheduler_job) {
        fputs(", ", out);
        report_json(out, a->scheduler);
        fputc(' ', out);
        report_json(out, a->scheduler_job);
    }
    fputs("</text>\n", out);
}

static void put_attempt(FILE *out, const struct span *s, const struct bv_timeline_attempt *a, double y)
{
    char tip[96], text[24];
    int64_t lost = a->ended_ns - (int64_t)(a->lost_s * 1e9);
    put_who(out, a, y);
    if (!a->begun_ns)
        return;
    report_seconds_text(a->restore_s, text);
    snprintf(tip, sizeof(tip), "attempt %u: restored in %s", a->number, text);
    put_part(out, s, "restore", begin_of(a), a->begun_ns, y, tip);
    report_seconds_text(a->running_s, text);
    snprintf(tip, sizeof(tip), "attempt %u: ran %s", a->number, text);
    put_part(out, s, "run", a->begun_ns, lost, y, tip);
    report_seconds_text(a->lost_s, text);
    snprintf(tip, sizeof(tip), "attempt %u: %s were lost", a->number, text);
    if (a->lost_s > 0)
        put_part(out, s, "lost", lost > a->begun_ns ? lost : a->begun_ns, a->ended_ns, y, tip);
}

static void put_checkpoints(FILE *out, const struct span *s, const struct bv_timeline *t, size_t first)
{
    for (size_t i = 0; i < t->checkpoints; i++) {
        const struct bv_timeline_checkpoint *c = &t->checkpoint[i];
        char tip[64], frozen[24];
        if (c->attempt < first)
            continue;
        report_seconds_text(c->frozen_s, frozen);
        snprintf(tip, sizeof(tip), "checkpoint @%u: frozen %s", c->generation, frozen);
        put_bar(out, "mark", x_of(s, c->at_ns) - 1.5, TOP + ROW_HEIGHT * (double)(c->attempt - first) - 4, 3,
                ROW_HEIGHT - 10, tip);
    }
}

void report_timeline(FILE *out, const struct bv_timeline *t, size_t first)
{
    struct span s = span_of(t, first);
    double bottom = TOP + ROW_HEIGHT * (double)(t->attempts - first), step = nice_step(REPORT_SECONDS, s.seconds);
    begin_picture(out, "timeline", "Attempts and checkpoints over time", bottom + 30);
    fputs("<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
          "patternTransform=\"rotate(45)\"><rect class=\"hatch-back\" width=\"6\" height=\"6\"/>"
          "<rect class=\"hatch-line\" width=\"2.5\" height=\"6\"/></pattern></defs>\n",
          out);
    for (double v = 0; v <= s.seconds * 1.0001; v += step) {
        char text[24];
        double x = ROW_LEFT + (WIDTH - ROW_LEFT - RIGHT) * v / s.seconds;
        tick_text(REPORT_SECONDS, v, text);
        put_line(out, v > 0 ? "grid" : "axis", x, TOP - 6, x, bottom);
        put_label(out, "tick", "middle", x, bottom + 18, text);
    }
    for (size_t i = first; i < t->attempts; i++)
        put_attempt(out, &s, &t->attempt[i], TOP + ROW_HEIGHT * (double)(i - first));
    put_checkpoints(out, &s, t, first);
    fputs("</svg>\n", out);
}
