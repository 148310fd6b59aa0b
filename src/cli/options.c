/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cmd.h"

#define FIRST_CODE 256 /* of an option: its place behind this */
#define HELP_WIDTH 118 /* columns of the help */
#define LEFT_MAX   30  /* columns of the options themselves */

static const struct cmd_option help_option = {'h', "help", NULL, "show this", NULL, NULL, NULL, NULL};

static size_t count(const struct cmd_option *o)
{
    size_t n = 0;
    while (o[n].name)
        n++;
    return n;
}

void cmd_add_options(struct cmd_option *list, const struct cmd_option *more)
{
    size_t n = count(list), added = count(more);
    if (n + added >= CMD_OPTIONS_MAX)
        abort();
    memcpy(list + n, more, added * sizeof(*more));
    list[n + added] = (struct cmd_option){0};
}

static void add_setting(struct cmd_option *list, const struct bv_setting *s, struct bv_settings *to)
{
    const struct cmd_option one[] = {
        {.letter = s->letter, .name = s->key, .argument = s->argument, .help = s->help, .setting = s, .to = to}, {0}};
    cmd_add_options(list, one);
}

void cmd_add_settings(struct cmd_option *list, unsigned who, struct bv_settings *to)
{
    for (const struct bv_setting *s = bv_setting_table; s->key; s++)
        if (s->flags & who)
            add_setting(list, s, to);
}

void cmd_add_setting(struct cmd_option *list, const char *key, struct bv_settings *to)
{
    add_setting(list, bv_setting_find(key), to);
}

int cmd_take_duration(const char *text, void *to, struct bv_error *err)
{
    return bv_value_duration(text, to, err);
}

int cmd_take_paths(const char *text, void *to, struct bv_error *err)
{
    char *path;
    if (cmd_absolute(text, &path, err) < 0)
        return -1;
    cmd_list_add(to, path);
    return 0;
}

int cmd_take_word(const char *text, void *to, struct bv_error *err)
{
    (void)err;
    cmd_list_add(to, bv_strdup(text));
    return 0;
}

int cmd_take_path(const char *text, void *to, struct bv_error *err)
{
    char *path;
    if (cmd_absolute(text, &path, err) < 0)
        return -1;
    free(*(char **)to);
    *(char **)to = path;
    return 0;
}

int cmd_load_settings(struct bv_settings *s, const char *job_file, struct bv_error *err)
{
    const char *unknown;
    for (size_t at = 0; (unknown = bv_settings_unknown_variable(&at));)
        bv_warn("the variable %.*s means nothing to Bivouac (bivouac.conf(5) has those that do)",
                (int)strcspn(unknown, "="), unknown);
    return bv_settings_load(s, job_file, err);
}

/* --- the help --- */

/* "  -s, --store DIR" */
static char *left_of(const struct cmd_option *o)
{
    char letter[] = "    ";
    if (o->letter)
        snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    return bv_asprintf("  %s--%s%s%s", letter, o->name, o->argument ? " " : "", o->argument ? o->argument : "");
}

/* Words up to the end of the line; what does not fit goes on below. */
static void print_wrapped(const char *text, size_t column)
{
    size_t at = column;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (at > column && at + 1 + n > HELP_WIDTH) {
            printf("\n%*s", (int)column, "");
            at = column;
        }
        at += (size_t)printf("%s%.*s", at > column ? " " : "", (int)n, text);
        text += n + strspn(text + n, " ");
    }
    putchar('\n');
}

static void print_option(const struct cmd_option *o, size_t column)
{
    autofree char *left = left_of(o), *right = NULL;
    const char *fallback = o->setting ? o->setting->fallback : NULL;
    right = fallback ? bv_asprintf("%s (default: %s)", o->help, fallback) : bv_strdup(o->help);
    if (strlen(left) + 2 > column)
        printf("%s\n%*s", left, (int)column, "");
    else
        printf("%-*s", (int)column, left);
    print_wrapped(right, column);
}

static void print_usage(const struct cmd_syntax *syntax)
{
    const char *line = syntax->usage, *title = "usage:";
    while (line) {
        size_t n = strcspn(line, "\n");
        printf("%-6s bivouac %s %.*s\n", title, syntax->name, (int)n, line);
        title = "";
        line = line[n] ? line + n + 1 : NULL;
    }
}

static void print_help(const struct cmd_syntax *syntax, const struct cmd_option *options)
{
    size_t column = 0;
    for (const struct cmd_option *o = options; o->name; o++) {
        autofree char *left = left_of(o);
        size_t n = strlen(left) + 2;
        if (o->help && n > column && n <= LEFT_MAX)
            column = n;
    }
    print_usage(syntax);
    printf("\n%s\n", syntax->text);
    for (const struct cmd_option *o = options; o->name; o++)
        if (o->help)
            print_option(o, column);
    print_option(&help_option, column);
    if (syntax->footer)
        printf("\n%s", syntax->footer);
}

/* --- taking them --- */

static int apply(const struct cmd_option *o, const char *text, struct bv_error *err)
{
    if (o->take)
        return o->take(text, o->to, err) < 0 ? bv_wrap(err, "--%s", o->name) : 0;
    if (o->setting) {
        autofree char *where = bv_asprintf("--%s", o->name);
        return bv_settings_set(o->to, o->setting, text, BV_LAYER_OPTION, where, err);
    }
    if (o->word || o->argument)
        *(const char **)o->to = o->word ? o->word : text;
    else
        *(int *)o->to = 1;
    return 0;
}

static int wants_json(const struct cmd_option *options)
{
    for (const struct cmd_option *o = options; o->name; o++)
        if (strcmp(o->name, "json") == 0)
            return *(const int *)o->to;
    return 0;
}

static struct option long_option(const struct cmd_option *o, int code)
{
    return (struct option){o->name, o->argument ? required_argument : no_argument, NULL, code};
}

/* What getopt wants: "+s:h", and its own table. */
static void translate(const struct cmd_syntax *syntax, const struct cmd_option *options, char *letters,
                      struct option *table)
{
    size_t n = count(options);
    if (syntax->stops)
        *letters++ = '+';
    for (size_t i = 0; i <= n; i++) {
        const struct cmd_option *o = i < n ? &options[i] : &help_option;
        table[i] = long_option(o, FIRST_CODE + (int)i);
        if (o->letter)
            *letters++ = o->letter;
        if (o->letter && o->argument)
            *letters++ = ':';
    }
    *letters = '\0';
    table[n + 1] = (struct option){0};
}

/* The option that getopt has found; NULL for the help. */
static const struct cmd_option *found(const struct cmd_option *options, int code)
{
    for (size_t i = 0; options[i].name; i++)
        if (code == FIRST_CODE + (int)i || (code < FIRST_CODE && code == options[i].letter))
            return &options[i];
    return NULL;
}

enum cmd_next cmd_options(const struct cmd_syntax *syntax, const struct cmd_option *options, int argc, char **argv,
                          int *ret_status)
{
    char letters[2 * CMD_OPTIONS_MAX + 4];
    struct option table[CMD_OPTIONS_MAX + 2];
    int code;
    translate(syntax, options, letters, table);
    while ((code = getopt_long(argc, argv, letters, table, NULL)) != -1) {
        struct bv_error err = {0};
        const struct cmd_option *o = found(options, code);
        if (code == '?') {
            *ret_status = BV_EUSAGE;
            return CMD_DONE;
        }
        if (!o) {
            print_help(syntax, options);
            *ret_status = BV_OK;
            return CMD_DONE;
        }
        if (apply(o, optarg, &err) < 0) {
            *ret_status = cmd_fail(&err, wants_json(options));
            return CMD_DONE;
        }
    }
    return CMD_GO_ON;
}
