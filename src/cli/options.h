/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "config/settings.h"

/* Options of the commands. A command lists what it takes in a table of its own, with where each value goes, and the
 * table makes getopt's work and the help:
 *
 *     static const struct cmd_syntax syntax = {.name = "list", .usage = "[OPTION]...", .text = "List the jobs …\n"};
 *
 *     int bv_cmd_list(int argc, char **argv)
 *     {
 *         const char *store = NULL;
 *         int json = 0, status;
 *         const struct cmd_option options[] = {
 *             CMD_STORE(&store), CMD_JSON(&json, "print the list as JSON"), {0}};
 *         if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
 *             return status;
 *         … argv[optind] is the first argument
 *
 * -h, --help is added by itself. */

struct cmd_option {
    char letter;          /* 0 = none */
    const char *name;     /* of the long option */
    const char *argument; /* what the help calls its value; NULL = it has none */
    const char *help;     /* NULL = not in the help */
    /* What becomes of it, the first of these that is set: */
    int (*take)(const char *text, void *to, struct bv_error *err); /* is given the value */
    const struct bv_setting *setting;                              /* set in `to`, a struct bv_settings */
    const char *word;                                              /* an option without value: to *(const char **)to */
    void *to; /* else the value to *(const char **)to, or without a value 1 to *(int *)to */
};

struct cmd_syntax {
    const char *name;
    const char *usage;  /* what comes behind "usage: bivouac NAME "; further lines after "\n" get the same beginning */
    const char *text;   /* what it does */
    const char *footer; /* behind the options; may be NULL */
    int stops;          /* the options end at the first argument, a command that has options of its own */
};

enum cmd_next { CMD_GO_ON, CMD_DONE };

/* Take the options. CMD_DONE: the command ends with *ret_status; the help was asked for, or something is wrong, which
 * has been told (as JSON, too, if --json was there before). */
enum cmd_next cmd_options(const struct cmd_syntax *syntax, const struct cmd_option *options, int argc, char **argv,
                          int *ret_status);

#define CMD_STORE(to)                                                                                                  \
    {'s',  "store", "DIR", "where checkpoints are kept (default: $BIVOUAC_STORE, bivouac.conf(5), ~/.bivouac)",        \
     NULL, NULL,    NULL,  to}
#define CMD_CONFIG(to)                                                                                                 \
    {0, "config", "FILE", "a job file, with settings (default: $BIVOUAC_CONFIG)", NULL, NULL, NULL, to}
#define CMD_JSON(to, help) {0, "json", NULL, help, NULL, NULL, NULL, to}

/* `take` for a duration, to a double. */
int cmd_take_duration(const char *text, void *to, struct bv_error *err);

/* `take` for a path, which becomes absolute (cmd_absolute()), to a char *, which is allocated. */
int cmd_take_path(const char *text, void *to, struct bv_error *err);

/* `take` for an option that may be repeated, to a NULL-terminated char ** list, which is allocated: of paths, or of
 * words as they are. */
int cmd_take_paths(const char *text, void *to, struct bv_error *err);
int cmd_take_word(const char *text, void *to, struct bv_error *err);

#define CMD_OPTIONS_MAX 64

/* Append the options of the settings that `who` (BV_FOR_…) takes to a list that ends with a name of NULL and has room
 * for CMD_OPTIONS_MAX. */
void cmd_add_settings(struct cmd_option *list, unsigned who, struct bv_settings *to);

/* Append the option of one setting. */
void cmd_add_setting(struct cmd_option *list, const char *key, struct bv_settings *to);

/* Append the others. */
void cmd_add_options(struct cmd_option *list, const struct cmd_option *more);

/* What the options have left open (bv_settings_load()), and a warning for each variable BIVOUAC_… that means nothing.
 */
int cmd_load_settings(struct bv_settings *s, const char *job_file, struct bv_error *err);
