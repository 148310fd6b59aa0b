/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/rehearse.h"
#include "job/needs.h"

#define CYCLES_DEFAULT  3
#define TIMEOUT_DEFAULT 3600.0
#define LIMIT_DEFAULT   (2ULL << 30)

static const struct cmd_syntax syntax = {
    .name = "rehearse",
    .usage = "[OPTION]... [--] COMMAND [ARGUMENT]...",
    .text =
        "Find out in minutes whether COMMAND can be run under Bivouac: run it once undisturbed, and once with checkpoints,\n"
        "ends and restarts at random moments, and compare output, exit status and files. Both run in copies of the current\n"
        "directory, which they see under its own name; they can write there, in a /tmp of their own, and nowhere else.\n"
        "The exit status is 0 for \"safe\", 122 if something differs, 123 if nothing is proven, 115 if a checkpoint is blocked.\n",
    .stops = 1,
};

static int take_cycles(const char *text, void *to, struct bv_error *err)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > REHEARSE_CYCLES_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "write a number from 1 to %d, not '%s'", REHEARSE_CYCLES_MAX, text);
    *(int *)to = (int)n;
    return 0;
}

static int take_size(const char *text, void *to, struct bv_error *err)
{
    return bv_value_size(text, to, err);
}

static enum cmd_next take_options(struct rehearse_options *o, int argc, char **argv, int *ret_status)
{
    const struct cmd_option first[] = {
        {0, "cycles", "N", "how often it is interrupted (default: 3)", .take = take_cycles, .to = &o->cycles},
        {0, "dir", "DIR", "what is copied (default: the current directory)", .take = cmd_take_path, .to = &o->dir},
        {0, "copy-limit", "SIZE", "largest directory that is copied (default: 2G)", .take = take_size, .to = &o->limit},
        {0, "ignore", "GLOB", "do not compare files of that name or path; stdout and stderr are called so",
         .take = cmd_take_word, .to = &o->ignore},
        {0, "scratch", "DIR", "where the copies are made (default: $TMPDIR, else /tmp)", .take = cmd_take_path,
         .to = &o->scratch},
        {0, "keep", NULL, "leave them there", .to = &o->keep},
        {'t', "timeout", "TIME", "give up after that time (default: 1h)", .take = cmd_take_duration, .to = &o->timeout},
        {0},
    };
    const struct cmd_option last[] = {
        {0, "capture", "DIR", "put every file in DIR back at a restart; may be repeated", .take = cmd_take_paths,
         .to = &o->spec.capture},
        {0, "no-capture", "GLOB", "... but not files whose name or path in DIR matches; may be repeated",
         .take = cmd_take_word, .to = &o->spec.no_capture},
        CMD_JSON(&o->json, "print the verdict as JSON"),
        {0},
    };
    struct cmd_option all[CMD_OPTIONS_MAX] = {0};
    cmd_add_options(all, first);
    cmd_add_setting(all, "network", &o->settings);
    cmd_add_setting(all, "preload", &o->settings);
    cmd_add_setting(all, "capture-limit", &o->settings);
    cmd_add_options(all, last);
    return cmd_options(&syntax, all, argc, argv, ret_status);
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* As the user's own run would be, but in a store of its own, and with no checkpoint that we do not ask for. */
static int settle(struct rehearse_options *o, struct bv_error *err)
{
    struct bv_settings *s = &o->settings;
    if (cmd_load_settings(s, NULL, err) < 0)
        return -1;
    s->every = BV_EVERY_OFF;
    s->deadline_ns = 0;
    s->time_budget = 0;
    s->max_attempts = 0;
    memset(&s->on_signal, 0, sizeof(s->on_signal));
    s->keep_for = 0;
    s->quota_job = s->quota_user = s->quota_store = 0;
    o->spec.capture_limit = s->capture_limit;
    o->spec.private_tmp = 1;
    return 0;
}

static int complete(struct rehearse_options *o, char **command, struct bv_error *err)
{
    char cwd[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
        return bv_fail(err, BV_ENODIR, errno, "cannot tell the working directory");
    if ((!o->dir && cmd_take_path(cwd, &o->dir, err) < 0) ||
        (!o->scratch && cmd_take_path(tmp && tmp[0] == '/' ? tmp : "/tmp", &o->scratch, err) < 0))
        return -1;
    if (strcmp(o->dir, "/") == 0)
        return bv_fail(err, BV_EUSAGE, 0,
                       "the whole file system is not copied: change to the job's directory, or name "
                       "it with --dir");
    o->spec.cwd = bv_strdup(is_below(cwd, o->dir) ? cwd : o->dir);
    for (char **a = command; *a; a++)
        cmd_list_add(&o->spec.argv, bv_strdup(*a));
    autofree char *note = NULL;
    if (bv_needs_apply(&o->settings, environ, &o->spec, &note, err) < 0)
        return -1;
    if (note && !o->json)
        fprintf(stderr, "bivouac: %s\n", note);
    o->tell = !o->json && isatty(STDERR_FILENO);
    return 0;
}

/* --- what is told --- */

struct cost {
    double frozen, frozen_max;
    unsigned long long stored_max, raw_max;
};

static struct cost cost_of(const struct rehearse_run *run)
{
    struct cost c = {0};
    for (int i = 0; i < run->cycles; i++) {
        const json_t *result = run->cycle[i].result;
        double frozen = json_number_value(json_object_get(result, "frozen_s"));
        unsigned long long stored = (unsigned long long)json_integer_value(json_object_get(result, "stored_bytes"));
        unsigned long long raw = (unsigned long long)json_integer_value(json_object_get(result, "raw_bytes"));
        c.frozen += frozen / run->cycles;
        c.frozen_max = frozen > c.frozen_max ? frozen : c.frozen_max;
        c.stored_max = stored > c.stored_max ? stored : c.stored_max;
        c.raw_max = raw > c.raw_max ? raw : c.raw_max;
    }
    return c;
}

static void print_list(const json_t *list, const char *indent)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        autofree char *text = NULL;
        if (bv_json_unescape(json_array_get(list, i), &text, NULL) == 0)
            printf("%s%s\n", indent, text);
    }
}

static void print_verdict(const struct rehearse_options *o, const struct rehearse_verdict *v)
{
    char stored[16], raw[16];
    printf("%s\n", v->text);
    if (json_array_size(v->unsteady) > 0) {
        printf("between two undisturbed runs:\n");
        print_list(v->unsteady, "  ");
    }
    if (json_array_size(v->differences) > 0) {
        printf("between an undisturbed run and one with %d restarts:\n", v->disturbed.cycles);
        print_list(v->differences, "  ");
        if (v->more)
            printf("  and %llu more\n", (unsigned long long)v->more);
    }
    if (v->code == BV_EDIFFERS && !o->spec.capture)
        printf(
            "Files that it closes and writes again later are put back only with --capture DIR: see bivouac-run(1).\n");
    if (v->undisturbed.outcome.how != BV_ENDED_EXIT || v->undisturbed.outcome.number != 0)
        printf("Undisturbed, the command ends with %s %d; in a rehearsal it can write to %s and /tmp only.\n",
               v->undisturbed.outcome.how == BV_ENDED_SIGNAL ? "signal" : "status", v->undisturbed.outcome.number,
               o->dir);
    if (v->disturbed.cycles == 0)
        return;
    struct cost c = cost_of(&v->disturbed);
    cmd_size_text(c.stored_max, stored);
    cmd_size_text(c.raw_max, raw);
    printf("%d checkpoint%s: frozen %.2f s on average and %.2f s at most, %s stored of %s at most; %.1f s undisturbed, "
           "%.1f s with restarts\n",
           v->disturbed.cycles, v->disturbed.cycles == 1 ? "" : "s", c.frozen, c.frozen_max, stored, raw,
           v->undisturbed.seconds, v->disturbed.seconds);
}

static json_t *run_json(const struct rehearse_run *run)
{
    return json_pack("{s:f, s:s, s:i}", "seconds", run->seconds, "ended",
                     run->outcome.how == BV_ENDED_SIGNAL ? "signaled" : "exited", "number", run->outcome.number);
}

static void print_json(const struct rehearse_verdict *v)
{
    autojson json_t *j = json_object(), *cycles = json_array();
    const char *word = v->code == BV_OK              ? "safe"
                       : v->code == BV_EDIFFERS      ? "differs"
                       : v->code == BV_EINCOMPARABLE ? "not-comparable"
                                                     : "blocked";
    for (int i = 0; i < v->disturbed.cycles; i++) {
        const struct rehearse_cycle *c = &v->disturbed.cycle[i];
        bv_json_append(cycles, json_pack("{s:f, s:s, s:O}", "after_s", c->at, "ended_by",
                                         c->crash ? "crash" : "checkpoint", "checkpoint", c->result));
    }
    bv_json_set(j, "verdict", json_string(word));
    bv_json_set(j, "code", json_integer(v->code));
    bv_json_set(j, "text", bv_json_bytes(v->text));
    bv_json_set(j, "undisturbed", run_json(&v->undisturbed));
    bv_json_set(j, "disturbed", run_json(&v->disturbed));
    bv_json_set(j, "cycles", json_incref(cycles));
    bv_json_set(j, "differences", v->differences ? json_incref(v->differences) : json_array());
    bv_json_set(j, "unsteady", v->unsteady ? json_incref(v->unsteady) : json_array());
    cmd_print_json(j);
}

/* --- doing it --- */

/* To be found again by whoever waits for us: we are ended by what asked for it. */
static void die_of(int number, const sigset_t *mask)
{
    signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    raise(number);
}

static int set_up(struct rehearsal *r, struct bv_error *err)
{
    const struct rehearse_options *o = r->options;
    if (bv_interrupt_block(&r->mask) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot prepare the rehearsal");
    if (bv_scratch_create(o->scratch, "bivouac-rehearsal", &r->scratch, err) < 0)
        return -1;
    r->deadline = bv_deadline_in(o->timeout);
    r->store = bv_asprintf("%s/store", r->scratch.path);
    r->settings = o->settings;
    r->settings.store = r->store;
    r->binds[0] = (struct bv_bind){.host = bv_asprintf("%s/work", r->scratch.path), .job = bv_strdup(o->dir)};
    r->binds[1] =
        (struct bv_bind){.host = bv_asprintf("%s/io", r->scratch.path), .job = bv_asprintf("%s/io", r->scratch.path)};
    r->spec = o->spec;
    r->spec.binds = r->binds;
    r->spec.bind_count = 2;
    return 0;
}

static void tear_down(struct rehearsal *r)
{
    if (r->options->tell)
        fputs("\r\033[K", stderr);
    if (r->options->keep && r->scratch.path) {
        fprintf(stderr, "bivouac: the copies, outputs and the store are kept in %s\n", r->scratch.path);
        bv_scratch_keep(&r->scratch);
    }
    bv_scratch_remove(&r->scratch);
    for (size_t i = 0; i < 2; i++) {
        free(r->binds[i].host);
        free(r->binds[i].job);
    }
    free(r->store);
}

static int rehearse(const struct rehearse_options *o)
{
    struct bv_error err = {0};
    struct rehearse_verdict v = {0};
    struct rehearsal r = {.options = o, .scratch = {.dirfd = -1, .lock = -1}};
    int rc = set_up(&r, &err);
    if (rc == 0)
        rc = rehearse_judge(&r, &v, &err);
    tear_down(&r);
    if (rc < 0) {
        int status = cmd_fail(&err, o->json);
        if (r.interrupted)
            die_of(r.interrupted, &r.mask);
        return status;
    }
    if (o->json)
        print_json(&v);
    else
        print_verdict(o, &v);
    int status = v.code;
    rehearse_verdict_free(&v);
    return status;
}

static void free_list(char **list)
{
    for (char **word = list; word && *word; word++)
        free(*word);
    free(list);
}

int bv_cmd_rehearse(int argc, char **argv)
{
    struct bv_error err = {0};
    struct rehearse_options o = {.cycles = CYCLES_DEFAULT, .timeout = TIMEOUT_DEFAULT, .limit = LIMIT_DEFAULT};
    int status;
    bv_settings_init(&o.settings);
    if (take_options(&o, argc, argv, &status) != CMD_DONE) {
        if (optind == argc)
            status = cmd_usage("rehearse", "no command is given");
        else if (settle(&o, &err) < 0 || complete(&o, argv + optind, &err) < 0)
            status = cmd_fail(&err, o.json);
        else
            status = rehearse(&o);
    }
    bv_spec_free(&o.spec);
    bv_settings_free(&o.settings);
    free_list(o.ignore);
    free(o.dir);
    free(o.scratch);
    return status;
}
