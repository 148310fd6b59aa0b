/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/history_text.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/watch.h"

static const struct cmd_syntax syntax = {
    .name = "top",
    .usage = "[OPTION]...",
    .text =
        "Show the jobs that run: what each takes, its last checkpoint and its next one, what its checkpoints cost, and\n"
        "how much of its time was work that counts. On a terminal the table is drawn anew until q is pressed.\n",
};

#define INTERVAL_DEFAULT 2.0 /* s */
#define INTERVAL_MIN     0.1

struct request {
    char **stores;
    double interval;
    int once, json;
};

/* --- the table --- */

/* CPU time that was seen last, and when: for what is used between two looks. */
struct look {
    char *job;
    unsigned attempt;
    double cpu_s;
    int64_t at_ns;
};

struct looks {
    struct look *look;
    size_t count;
};

static void looks_free(struct looks *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->look[i].job);
    free(l->look);
    *l = (struct looks){0};
}

static const struct look *find_look(const struct looks *l, const struct cmd_watched *w)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->look[i].job, w->job) == 0 && l->look[i].attempt == w->state.last.number)
            return &l->look[i];
    return NULL;
}

static char *percent_text(double share)
{
    return share >= 0 ? bv_asprintf("%.1f %%", 100 * share) : NULL;
}

static char *duration_text(double seconds)
{
    char text[24];
    if (seconds < 0)
        return NULL;
    history_duration_text(seconds, text);
    return bv_strdup(text);
}

/* Since the last look; at the first one, since the attempt began. */
static char *cpu_text(const struct cmd_watched *w, const struct looks *before, int64_t now)
{
    double cpu = cmd_watched_number(w, "cpu_s"), elapsed = cmd_watched_elapsed(w);
    const struct look *look = find_look(before, w);
    if (look && cpu >= look->cpu_s) {
        cpu -= look->cpu_s;
        elapsed = (double)(now - look->at_ns) / 1e9;
    }
    return cpu >= 0 && elapsed > 0 ? percent_text(cpu / elapsed) : NULL;
}

static char *next_text(const struct cmd_watched *w, int64_t now)
{
    const json_t *why;
    double at = cmd_watched_next(w, &why), left = at - (double)now / 1e9;
    autofree char *reason = why ? cmd_safe_text(why) : bv_strdup("?");
    if (at < 0)
        return NULL;
    autofree char *in = duration_text(left > 0 ? left : 0);
    return left > 0 ? bv_asprintf("in %s (%s)", in, reason) : bv_asprintf("now (%s)", reason);
}

static void fill_row(char **cell, const struct cmd_watched *w, const struct looks *before, int64_t now)
{
    char size[16], age[24];
    const struct bv_timeline *t = &w->timeline;
    const struct bv_timeline_checkpoint *last = cmd_watched_last(w);
    double memory = cmd_watched_number(w, "memory_bytes"), all = t->running_s + t->frozen_s;
    cell[0] = bv_strdup(w->job);
    if (w->why.code) {
        cell[9] = bv_asprintf("cannot be read: %s", w->why.text);
        return;
    }
    autojson json_t *host = bv_json_bytes(w->state.last.host.name);
    cell[1] = bv_asprintf("%u", w->state.last.number);
    cell[2] = cmd_safe_text(host);
    cell[3] = duration_text(cmd_watched_elapsed(w));
    if (memory >= 0) {
        cmd_size_text((unsigned long long)memory, size);
        cell[4] = bv_strdup(size);
    }
    cell[5] = cpu_text(w, before, now);
    if (last) {
        cmd_age_text(last->at_ns, age);
        cell[6] = bv_asprintf("@%u %s", last->generation, age);
    }
    cell[7] = percent_text(all > 0 ? t->frozen_s / all : -1);
    cell[8] = percent_text(t->efficiency);
    cell[9] = next_text(w, now);
}

/* With what was looked at put into `looks`. */
static void print_table(const struct cmd_watch *watch, struct looks *looks, size_t width, FILE *out)
{
    static const char *const titles[] = {"JOB", "ATTEMPT", "HOST", "ELAPSED",    "MEMORY",
                                         "CPU", "LAST",    "COST", "EFFICIENCY", "NEXT"};
    autotable struct cmd_table table = {.title = titles, .columns = sizeof(titles) / sizeof(titles[0])};
    struct looks seen = {.look = bv_alloc((watch->jobs + 1) * sizeof(seen.look[0]))};
    int64_t now = bv_clock_ns(CLOCK_REALTIME);
    for (size_t i = 0; i < watch->jobs; i++) {
        const struct cmd_watched *w = &watch->job[i];
        fill_row(cmd_table_add(&table), w, looks, now);
        double cpu = cmd_watched_number(w, "cpu_s");
        if (cpu >= 0)
            seen.look[seen.count++] = (struct look){bv_strdup(w->job), w->state.last.number, cpu, now};
    }
    if (table.rows)
        cmd_table_print(&table, out, width);
    else
        fputs("no job runs\n", out);
    looks_free(looks);
    *looks = seen;
}

/* --- as JSON --- */

static json_t *known(double value)
{
    return value >= 0 ? json_real(value) : json_null();
}

static json_t *job_json(const struct cmd_watched *w)
{
    json_t *j = json_object();
    bv_json_set(j, "store", bv_json_bytes(w->store));
    bv_json_set(j, "job", json_string(w->job));
    if (w->why.code) {
        bv_json_set(j, "why", bv_json_bytes(w->why.text));
        return j;
    }
    const struct bv_timeline *t = &w->timeline;
    const struct bv_timeline_checkpoint *last = cmd_watched_last(w);
    const json_t *why;
    double all = t->running_s + t->frozen_s, at = cmd_watched_next(w, &why),
           memory = cmd_watched_number(w, "memory_bytes");
    cmd_job_state_json(&w->state, j);
    bv_json_set(j, "attempt", json_integer(w->state.last.number));
    bv_json_set(j, "elapsed_s", known(cmd_watched_elapsed(w)));
    bv_json_set(j, "memory_bytes", memory >= 0 ? json_integer((json_int_t)memory) : json_null());
    bv_json_set(j, "cpu_s", known(cmd_watched_number(w, "cpu_s")));
    bv_json_set(j, "generation", last ? json_integer(last->generation) : json_null());
    bv_json_set(j, "age_s", last ? json_real((double)(bv_clock_ns(CLOCK_REALTIME) - last->at_ns) / 1e9) : json_null());
    bv_json_set(j, "next_at", known(at));
    bv_json_set(j, "next_why", at >= 0 && why ? json_deep_copy(why) : json_null());
    bv_json_set(j, "cost", known(all > 0 ? t->frozen_s / all : -1));
    bv_json_set(j, "efficiency", known(t->efficiency));
    bv_json_set(j, "answers", json_boolean(w->status != NULL));
    return j;
}

static int print_json(const struct request *r, struct bv_error *err)
{
    autowatch struct cmd_watch watch = {0};
    if (cmd_watch_read(r->stores, 1, &watch, err) < 0)
        return -1;
    autojson json_t *all = json_object();
    json_t *jobs = json_array();
    for (size_t i = 0; i < watch.jobs; i++)
        bv_json_append(jobs, job_json(&watch.job[i]));
    bv_json_set(all, "jobs", jobs);
    cmd_print_json(all);
    return 0;
}

/* --- on a terminal --- */

struct screen {
    int signals, keys; /* keys: standard input is a terminal, and gives them one by one */
    struct termios before;
    struct looks looks;
};

static int screen_open(struct screen *s, struct bv_error *err)
{
    sigset_t ending;
    sigemptyset(&ending);
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        sigaddset(&ending, taken[i]);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    s->signals = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "signalfd");
    s->keys = tcgetattr(STDIN_FILENO, &s->before) == 0;
    if (s->keys) {
        struct termios raw = s->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fputs("\033[?1049h\033[?25l", stdout); /* the other screen, without a cursor */
    return 0;
}

static void screen_close(struct screen *s)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    if (s->keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
    close_fd(&s->signals);
    looks_free(&s->looks);
}

/* As many lines of the text as the screen has, none longer than it is wide. */
static void draw_text(const char *text)
{
    struct winsize size = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    size_t rows = size.ws_row ? size.ws_row : 24, columns = size.ws_col ? size.ws_col : 80;
    fputs("\033[H", stdout);
    for (size_t i = 0; *text && i < rows; i++) {
        size_t length = strcspn(text, "\n");
        autofree char *line = bv_strndup(text, length);
        printf("%s%.*s\033[K", i ? "\r\n" : "", (int)cmd_text_cut(line, columns), line);
        text += length + (text[length] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

static int draw(const struct request *r, struct screen *s, struct bv_error *err)
{
    char now[BV_TIME_TEXT];
    autowatch struct cmd_watch watch = {0};
    autofree char *text = NULL;
    size_t size;
    if (cmd_watch_read(r->stores, 1, &watch, err) < 0)
        return -1;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get memory");
    bv_time_text(bv_clock_ns(CLOCK_REALTIME), now);
    fprintf(out, "%zu job%s, %.10s %.8sZ, every %g s; q ends\n\n", watch.jobs, watch.jobs == 1 ? "" : "s", now,
            now + 11, r->interval);
    print_table(&watch, &s->looks, 0, out);
    fclose(out);
    draw_text(text);
    return 0;
}

/* Wait for the next time to draw. 1 = it shall end. */
static int pause_until(struct screen *s, struct bv_deadline deadline)
{
    struct pollfd p[] = {{.fd = s->signals, .events = POLLIN}, {.fd = s->keys ? STDIN_FILENO : -1, .events = POLLIN}};
    char key;
    struct signalfd_siginfo info;
    while (!bv_deadline_passed(deadline)) {
        if (poll(p, 2, bv_deadline_ms(deadline)) <= 0)
            continue;
        if (p[1].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
            return 1;
        if (p[0].revents && read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            return info.ssi_signo != SIGWINCH;
    }
    return 0;
}

static int show_screen(const struct request *r, struct bv_error *err)
{
    struct screen s = {.signals = -1};
    int rc;
    if (screen_open(&s, err) < 0)
        return -1;
    do
        rc = draw(r, &s, err);
    while (rc == 0 && !pause_until(&s, bv_deadline_in(r->interval)));
    screen_close(&s);
    return rc;
}

static int show_once(const struct request *r, struct bv_error *err)
{
    struct looks looks = {0};
    autowatch struct cmd_watch watch = {0};
    if (cmd_watch_read(r->stores, 1, &watch, err) < 0)
        return -1;
    print_table(&watch, &looks, cmd_terminal_width(), stdout);
    looks_free(&looks);
    return 0;
}

int bv_cmd_top(int argc, char **argv)
{
    struct bv_error err = {0};
    struct request r = {.interval = INTERVAL_DEFAULT};
    int status, rc;
    const struct cmd_option options[] = {
        {0, "once", NULL, "print the table once, also on a terminal", .to = &r.once},
        {'i', "interval", "TIME", "how often it is drawn (default: 2s)", .take = cmd_take_duration, .to = &r.interval},
        {'s', "store", "DIR", "where checkpoints are kept (default: $BIVOUAC_STORE, else\n~/.bivouac); may be repeated",
         .take = cmd_take_list, .to = &r.stores},
        CMD_JSON(&r.json, "print it once, as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (optind != argc)
        return cmd_usage("top", "no argument is needed");
    if (r.interval < INTERVAL_MIN)
        return cmd_usage("top", "an interval of less than %g s would keep the store busy", INTERVAL_MIN);
    if (r.json)
        rc = print_json(&r, &err);
    else
        rc = r.once || !isatty(STDOUT_FILENO) ? show_once(&r, &err) : show_screen(&r, &err);
    for (size_t i = 0; r.stores && r.stores[i]; i++)
        free(r.stores[i]);
    free(r.stores);
    return rc < 0 ? cmd_fail(&err, r.json) : 0;
}
