/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/summary.h"

#define VALUE_MAX 40 /* columns */

static const struct cmd_syntax syntax = {
    .name = "config",
    .usage = "[OPTION]... [KEY]...\n[OPTION]... --check FILE",
    .text =
        "Show the settings with which 'bivouac run' would start a job here, or those named, and where each comes from; or\n"
        "say whether a file of settings is right.\n",
};

static const struct bv_source *source_of(const struct bv_settings *s, const struct bv_setting *setting)
{
    return &s->source[setting - bv_setting_table];
}

/* As it was written; but a path as it is used. */
static const char *value_of(const struct bv_settings *s, const struct bv_setting *setting)
{
    const char *path = setting->type == BV_TYPE_PATH ? *(char *const *)((const char *)s + setting->offset) : NULL;
    return path ? path : source_of(s, setting)->text;
}

/* Is it to be shown? `keys` are those that the user has named, NULL-terminated; none = all that are set. */
static int is_wanted(const struct bv_settings *s, const struct bv_setting *setting, char *const *keys)
{
    if (source_of(s, setting)->layer == BV_LAYER_NONE)
        return 0;
    for (size_t i = 0; keys[i]; i++)
        if (strcmp(keys[i], setting->key) == 0)
            return 1;
    return !keys[0];
}

/* What a terminal may be given; allocated. */
static char *safe(const char *text)
{
    autojson json_t *bytes = bv_json_bytes(text);
    return cmd_safe_text(bytes);
}

/* Columns of the values: as many as the longest takes, if it is no very long path. */
static int width_of(const struct bv_settings *s, char *const *keys)
{
    size_t width = 0;
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++) {
        size_t n = is_wanted(s, setting, keys) ? strlen(value_of(s, setting)) : 0;
        width = n > width && n <= VALUE_MAX ? n : width;
    }
    return (int)width;
}

static void print_text(const struct bv_settings *s, char *const *keys)
{
    int width = width_of(s, keys);
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++) {
        if (!is_wanted(s, setting, keys))
            continue;
        const struct bv_source *source = source_of(s, setting);
        autofree char *value = safe(value_of(s, setting)), *where = safe(source->where);
        printf("%-18s %-*s  %s%s%s\n", setting->key, width, value, bv_layer_name(source->layer), *where ? " " : "",
               where);
    }
}

static void print_json(const struct bv_settings *s, char *const *keys)
{
    autojson json_t *all = json_object();
    json_t *settings = json_object();
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++) {
        if (!is_wanted(s, setting, keys))
            continue;
        const struct bv_source *source = source_of(s, setting);
        json_t *one = json_object();
        bv_json_set(one, "value", bv_json_bytes(value_of(s, setting)));
        bv_json_set(one, "source", json_string(bv_layer_name(source->layer)));
        if (*source->where)
            bv_json_set(one, "where", bv_json_bytes(source->where));
        bv_json_set(settings, setting->key, one);
    }
    bv_json_set(all, "settings", settings);
    cmd_print_json(all);
}

static int check_keys(char *const *keys, struct bv_error *err)
{
    for (size_t i = 0; keys[i]; i++) {
        const char *nearest = bv_setting_nearest(keys[i]);
        if (bv_setting_find(keys[i]))
            continue;
        return nearest ? bv_fail(err, BV_EUSAGE, 0, "there is no setting '%s': do you mean %s?", keys[i], nearest)
                       : bv_fail(err, BV_EUSAGE, 0, "there is no setting '%s'", keys[i]);
    }
    return 0;
}

/* All that would count, the user's own store among it. */
static int load_all(struct bv_settings *s, const char *job_file, struct bv_error *err)
{
    autofree char *store = NULL;
    if (cmd_load_settings(s, job_file, err) < 0)
        return -1;
    if (s->store)
        return 0;
    if (bv_store_default_path(&store, err) < 0)
        return -1;
    return bv_settings_set(s, bv_setting_find("store"), store, BV_LAYER_DEFAULT, "", err);
}

int bv_cmd_config(int argc, char **argv)
{
    struct bv_error err = {0};
    autosettings struct bv_settings settings;
    const char *job_file = NULL, *checked = NULL;
    int json = 0, status;
    const struct cmd_option options[] = {
        CMD_CONFIG(&job_file),
        {0, "check", "FILE", "read only FILE, and show what it sets", .to = &checked},
        CMD_JSON(&json, "print the settings as JSON"),
        {0},
    };
    bv_settings_init(&settings);
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    char *const *keys = argv + optind;
    if (check_keys(keys, &err) < 0 || (checked ? bv_settings_load_file(&settings, checked, BV_LAYER_JOB_FILE, &err)
                                               : load_all(&settings, job_file, &err)) < 0)
        return cmd_fail(&err, json);
    if (json)
        print_json(&settings, keys);
    else
        print_text(&settings, keys);
    return 0;
}
