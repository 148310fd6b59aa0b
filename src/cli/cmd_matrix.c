/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/summary.h"
#include "cli/supervise.h"
#include "cli/table.h"
#include "engine/engine.h"
#include "matrix/matrix.h"

#define TIMEOUT_DEFAULT 60.0
#define JOBS_MAX        64
#define JOBS_DEFAULT    4
#define NAP_NS          20000000

static const struct cmd_syntax syntax = {
    .name = "matrix",
    .usage = "[OPTION]... [ROW]...",
    .text =
        "Find out on this host what can be checkpointed: each ROW of a table, all unless told, is a small program that is run\n"
        "as a job, checkpointed, ended, restarted, and asked whether it has still what it had. Print what became of each.\n"
        "The exit status is 0 unless a row fails, or with --expect one differs from what is expected.\n",
};

struct options {
    int json, list, keep;
    char **groups; /* NULL-terminated, or NULL */
    char *expect, *programs, *scratch;
    double timeout;
    size_t jobs;
};

struct run {
    const struct options *options;
    struct matrix m;
    struct bv_scratch scratch;
    unsigned char *chosen;
    size_t chosen_count;
    struct matrix_expectation expected;
    struct bv_engine_info engine;
    char self[PATH_MAX];
    sigset_t mask;   /* as it was before we blocked what would end us */
    int interrupted; /* number of the signal that asks for the end, 0 = none */
    int progress;    /* is there a line on the terminal? */
    size_t told;     /* what it says */
};

/* --- options --- */

static int take_jobs(const char *text, void *to, struct bv_error *err)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > JOBS_MAX)
        return bv_fail(err, BV_EUSAGE, 0, "write a number from 1 to %d, not '%s'", JOBS_MAX, text);
    *(size_t *)to = (size_t)n;
    return 0;
}

static enum cmd_next take_options(struct options *o, int argc, char **argv, int *ret_status)
{
    const struct cmd_option options[] = {
        {'g', "group", "GROUP", "only rows of this group; may be repeated", .take = cmd_take_word, .to = &o->groups},
        {'l', "list", NULL, "print what rows there are, and run none", .to = &o->list},
        {0, "expect", "FILE", "compare with what is expected, and end with 1 if there is a difference",
         .take = cmd_take_path, .to = &o->expect},
        {0, "jobs", "N", "rows at a time (default: as many as there are CPUs, 4 at most)", .take = take_jobs,
         .to = &o->jobs},
        {'t', "timeout", "TIME", "give each row up after that time (default: 60)", .take = cmd_take_duration,
         .to = &o->timeout},
        {0, "scratch", "DIR", "where the rows run (default: $TMPDIR, else /tmp)", .take = cmd_take_path,
         .to = &o->scratch},
        {0, "keep", NULL, "leave what they have written there", .to = &o->keep},
        {0, "programs", "DIR", "where their programs are (default: those that came with bivouac)",
         .take = cmd_take_path, .to = &o->programs},
        CMD_JSON(&o->json, "print the table as JSON"),
        {0},
    };
    return cmd_options(&syntax, options, argc, argv, ret_status);
}

static int complete(struct options *o, struct bv_error *err)
{
    const char *tmp = getenv("TMPDIR");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->jobs == 0)
        o->jobs = cpus < 1 ? 1 : cpus < JOBS_DEFAULT ? (size_t)cpus : JOBS_DEFAULT;
    if (!o->programs)
        o->programs = bv_strdup(BV_LIBEXECDIR "/matrix");
    if (!o->list && access(o->programs, R_OK | X_OK) < 0)
        return bv_fail(err, BV_EUSAGE, errno, "the rows' programs are not in %s: name their directory with --programs",
                       o->programs);
    if (!o->scratch)
        return cmd_take_path(tmp && tmp[0] == '/' ? tmp : "/tmp", &o->scratch, err);
    return 0;
}

/* --- which rows --- */

static int has_group(const char *group)
{
    const struct matrix_row *row;
    for (size_t i = 0; (row = matrix_row(i)); i++)
        if (strcmp(row->group, group) == 0)
            return 1;
    return 0;
}

static int is_in(const char *word, char *const *list)
{
    for (; list && *list; list++)
        if (strcmp(word, *list) == 0)
            return 1;
    return 0;
}

static int is_row(const char *name)
{
    const struct matrix_row *row;
    for (size_t i = 0; (row = matrix_row(i)); i++)
        if (strcmp(row->name, name) == 0)
            return 1;
    return 0;
}

/* Rows that are named, and those of groups that are named; without either, all. */
static int choose(struct run *r, char **names, struct bv_error *err)
{
    char **groups = r->options->groups;
    const struct matrix_row *row;
    for (char **g = groups; g && *g; g++)
        if (!has_group(*g))
            return bv_fail(err, BV_EUSAGE, 0, "there is no group '%s': see bivouac matrix --list", *g);
    for (char **name = names; *name; name++)
        if (!is_row(*name))
            return bv_fail(err, BV_EUSAGE, 0, "there is no row '%s': see bivouac matrix --list", *name);
    for (size_t i = 0; (row = matrix_row(i)); i++) {
        r->chosen[i] = (!groups && !*names) || is_in(row->group, groups) || is_in(row->name, names);
        r->chosen_count += r->chosen[i];
    }
    return 0;
}

/* --- what is told --- */

static const char *level(void)
{
    return geteuid() == 0 ? "root" : "rootless";
}

static void print_list(const struct run *r)
{
    static const char *const title[] = {"GROUP", "ROW", "WHAT"};
    autotable struct cmd_table t = {.title = title, .columns = 3};
    autojson json_t *rows = json_array();
    const struct matrix_row *row;
    for (size_t i = 0; (row = matrix_row(i)); i++) {
        if (!r->chosen[i])
            continue;
        char **cell = cmd_table_add(&t);
        cell[0] = bv_strdup(row->group);
        cell[1] = bv_strdup(row->name);
        cell[2] = bv_strdup(row->title);
        bv_json_append(rows, json_pack("{s:s, s:s, s:s}", "group", row->group, "row", row->name, "title", row->title));
    }
    if (!r->options->json) {
        cmd_table_print(&t, stdout, cmd_terminal_width());
        return;
    }
    autojson json_t *all = json_object();
    bv_json_set(all, "rows", json_incref(rows));
    cmd_print_json(all);
}

static void add_line(struct cmd_table *t, const struct matrix_row *row, const struct matrix_result *result)
{
    char size[16];
    char **cell = cmd_table_add(t);
    cell[0] = bv_strdup(row->group);
    cell[1] = bv_strdup(row->name);
    cell[2] = bv_strdup(level());
    cell[3] = bv_strdup(result->outcome == MATRIX_NOT_HERE ? "not here" : matrix_outcome_name(result->outcome));
    if (result->frozen >= 0) {
        cmd_size_text(result->stored, size);
        cell[4] = bv_asprintf("%.2f s", result->frozen);
        cell[5] = bv_strdup(size);
    }
    autofree char *text = cmd_plain_text(result->text);
    cell[6] = text[0] ? bv_asprintf("%s: %s", row->title, text) : bv_strdup(row->title);
}

static void print_table(const struct run *r, const size_t count[MATRIX_OUTCOMES])
{
    static const char *const title[] = {"GROUP", "ROW", "LEVEL", "OUTCOME", "FROZEN", "IMAGE", "WHAT"};
    autotable struct cmd_table t = {.title = title, .columns = 7};
    const struct matrix_row *row;
    for (size_t i = 0; (row = matrix_row(i)); i++)
        if (r->chosen[i])
            add_line(&t, row, &r->m.result[i]);
    cmd_table_print(&t, stdout, cmd_terminal_width());
    printf("%zu work, %zu lose something and say so, %zu are refused, %zu fail, %zu are not here\n",
           count[MATRIX_WORKS], count[MATRIX_LOST], count[MATRIX_REFUSED], count[MATRIX_FAILS], count[MATRIX_NOT_HERE]);
}

static json_t *row_json(const struct matrix_row *row, const struct matrix_result *result)
{
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:f}", "row", row->name, "group", row->group, "title", row->title, "level",
                  level(), "outcome", matrix_outcome_name(result->outcome), "seconds", result->seconds);
    bv_json_set(j, "text", result->text[0] ? bv_json_bytes(result->text) : json_null());
    bv_json_set(j, "frozen_s", result->frozen >= 0 ? json_real(result->frozen) : json_null());
    bv_json_set(j, "stored_bytes", result->frozen >= 0 ? json_integer((json_int_t)result->stored) : json_null());
    bv_json_set(j, "raw_bytes", result->frozen >= 0 ? json_integer((json_int_t)result->raw) : json_null());
    return j;
}

static void print_json(const struct run *r, const size_t count[MATRIX_OUTCOMES], const json_t *differences)
{
    autojson json_t *all = json_object(), *rows = json_array(), *counts = json_object();
    const struct matrix_row *row;
    for (size_t i = 0; (row = matrix_row(i)); i++)
        if (r->chosen[i])
            bv_json_append(rows, row_json(row, &r->m.result[i]));
    for (int k = 0; k < MATRIX_OUTCOMES; k++)
        bv_json_set(counts, matrix_outcome_name((enum matrix_outcome)k), json_integer((json_int_t)count[k]));
    bv_json_set(all, "engine", bv_json_bytes(r->engine.version));
    bv_json_set(all, "level", json_string(level()));
    bv_json_set(all, "rows", json_incref(rows));
    bv_json_set(all, "counts", json_incref(counts));
    bv_json_set(all, "differences", differences ? json_deep_copy(differences) : json_null());
    cmd_print_json(all);
}

static void print_differences(const json_t *differences)
{
    for (size_t i = 0; i < json_array_size(differences); i++) {
        autofree char *text = cmd_plain_json(json_array_get(differences, i));
        printf("differs from what is expected: %s\n", text);
    }
}

/* --- doing it --- */

static void clear_progress(struct run *r)
{
    if (r->progress)
        fputs("\r\033[K", stderr);
    r->progress = 0;
}

/* The line is written anew when a row has ended or begun. */
static int on_progress(void *arg, size_t done, const size_t *running, size_t count)
{
    struct run *r = arg;
    size_t state = 1 + done;
    for (size_t k = 0; k < count; k++)
        state = state * 1000 + running[k];
    if (!r->options->json && isatty(STDERR_FILENO) && state != r->told) {
        clear_progress(r);
        r->told = state;
        r->progress = 1;
        fprintf(stderr, "%zu of %zu:", done, r->chosen_count);
        for (size_t k = 0; k < count; k++)
            fprintf(stderr, " %s", matrix_row(running[k])->name);
        fflush(stderr);
    }
    r->interrupted = bv_interrupt_nap(NAP_NS);
    return r->interrupted ? -1 : 0;
}

static int set_up(struct run *r, struct bv_error *err)
{
    const struct options *o = r->options;
    const struct bv_engine *engine = bv_engine_find(NULL, err);
    ssize_t n = readlink("/proc/self/exe", r->self, sizeof(r->self) - 1);
    if (!engine || engine->probe(&r->engine, err) < 0)
        return -1;
    if (n < 0 || bv_interrupt_block(&r->mask) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot prepare to run anything");
    if (bv_scratch_create(o->scratch, "bivouac-matrix", &r->scratch, err) < 0)
        return -1;
    r->m = (struct matrix){.self = r->self,
                           .programs = o->programs,
                           .scratch = &r->scratch,
                           .mask = &r->mask,
                           .timeout = o->timeout,
                           .jobs = o->jobs,
                           .chosen = r->chosen,
                           .result = bv_alloc(matrix_row_count() * sizeof(struct matrix_result)),
                           .tell = on_progress,
                           .arg = r};
    return 0;
}

static void tear_down(struct run *r)
{
    clear_progress(r);
    if (r->options->keep && r->scratch.path) {
        fprintf(stderr, "bivouac: what the rows have written is kept in %s\n", r->scratch.path);
        bv_scratch_keep(&r->scratch);
    }
    bv_scratch_remove(&r->scratch);
}

static int tell(const struct run *r, int whole)
{
    size_t count[MATRIX_OUTCOMES] = {0};
    for (size_t i = 0; matrix_row(i); i++)
        if (r->chosen[i])
            count[r->m.result[i].outcome]++;
    autojson json_t *differences = r->options->expect ? matrix_differences(&r->m, &r->expected, whole) : NULL;
    if (r->options->json) {
        print_json(r, count, differences);
    } else {
        print_table(r, count);
        print_differences(differences);
    }
    return count[MATRIX_FAILS] > 0 || json_array_size(differences) > 0;
}

static int run(struct run *r, int whole)
{
    struct bv_error err = {0};
    int rc = set_up(r, &err);
    if (rc == 0)
        rc = matrix_run(&r->m, &err);
    tear_down(r);
    if (rc == 0)
        return tell(r, whole);
    int status = cmd_fail(&err, r->options->json);
    return r->interrupted ? cmd_die_of(r->interrupted) : status;
}

static int matrix(const struct options *o, char **names)
{
    struct bv_error err = {0};
    struct run r = {.options = o, .scratch = {.dirfd = -1, .lock = -1}};
    r.chosen = bv_alloc(matrix_row_count());
    int status = 0;
    if (choose(&r, names, &err) < 0 || (o->expect && matrix_expectation_read(o->expect, &r.expected, &err) < 0))
        status = cmd_fail(&err, o->json);
    else if (o->list)
        print_list(&r);
    else
        status = run(&r, !o->groups && !*names);
    matrix_expectation_free(&r.expected);
    free(r.m.result);
    free(r.chosen);
    return status;
}

int bv_cmd_matrix(int argc, char **argv)
{
    struct bv_error err = {0};
    struct options o = {.timeout = TIMEOUT_DEFAULT};
    int status;
    if (take_options(&o, argc, argv, &status) != CMD_DONE)
        status = complete(&o, &err) < 0 ? cmd_fail(&err, o.json) : matrix(&o, argv + optind);
    for (char **group = o.groups; group && *group; group++)
        free(*group);
    free(o.groups);
    free(o.expect);
    free(o.programs);
    free(o.scratch);
    return status;
}
