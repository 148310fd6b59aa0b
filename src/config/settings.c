/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/nearest.h"

const char *bv_layer_name(enum bv_layer layer)
{
    static const char *const names[] = {"nothing", "default", "site file", "job file", "environment", "option"};
    return names[layer];
}

const struct bv_setting *bv_setting_find(const char *key)
{
    for (const struct bv_setting *s = bv_setting_table; s->key; s++)
        if (strcmp(s->key, key) == 0)
            return s;
    return NULL;
}

const char *bv_setting_nearest(const char *key)
{
    const char *best = NULL;
    unsigned least = (unsigned)strnlen(key, 16) / 2 + 1; /* with more changes it is another word */
    for (const struct bv_setting *s = bv_setting_table; s->key; s++) {
        unsigned distance = bv_distance(key, s->key);
        if (distance < least) {
            least = distance;
            best = s->key;
        }
    }
    return best;
}

char *bv_setting_variable(const struct bv_setting *setting)
{
    char *name = bv_asprintf("BIVOUAC_%s", setting->key);
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    return name;
}

void bv_settings_init(struct bv_settings *s)
{
    *s = (struct bv_settings){.now_ns = bv_clock_ns(CLOCK_REALTIME)};
}

void bv_settings_free(struct bv_settings *s)
{
    free(s->store);
    free(s->cpu_ignored);
    bv_network_free(&s->network);
    for (size_t i = 0; i < BV_SETTINGS_MAX; i++) {
        free(s->source[i].text);
        free(s->source[i].where);
    }
    *s = (struct bv_settings){0};
}

/* A value of any type, before it is known whether it counts. */
union value {
    int place;
    uint32_t count;
    uint64_t size;
    double seconds;
    int64_t at_ns;
    struct bv_signal_actions signals;
    struct bv_network network;
    char *text; /* allocated: of a path or of features */
};

static int check_range(const struct bv_setting *setting, const char *text, double value, struct bv_error *err)
{
    if (value < setting->min)
        return bv_fail(err, BV_EUSAGE, 0, "'%.100s' is less than %g", text, setting->min);
    if (setting->max > 0 && value > setting->max)
        return bv_fail(err, BV_EUSAGE, 0, "'%.100s' is more than %g", text, setting->max);
    return 0;
}

/* 1 if the text is a special word: its value is in *ret. */
static int parse_special(const struct bv_setting *setting, const char *text, union value *ret)
{
    for (size_t i = 0; i < 2; i++) {
        const struct bv_special *special = &setting->special[i];
        if (!special->word || strcmp(special->word, text) != 0)
            continue;
        *ret = (union value){0};
        if (setting->type == BV_TYPE_DURATION)
            ret->seconds = special->value;
        return 1;
    }
    return 0;
}

static int is_file(enum bv_layer layer)
{
    return layer == BV_LAYER_SITE || layer == BV_LAYER_JOB_FILE;
}

/* What comes from a shell has been expanded by it, and may be relative. */
static int parse_path(const char *text, enum bv_layer layer, char **ret, struct bv_error *err)
{
    if (is_file(layer))
        return bv_value_path(text, ret, err);
    if (!*text)
        return bv_fail(err, BV_EUSAGE, 0, "a path is needed");
    *ret = bv_strdup(text);
    return 0;
}

static int parse(const struct bv_settings *s, const struct bv_setting *setting, const char *text, enum bv_layer layer,
                 union value *ret, struct bv_error *err)
{
    if (parse_special(setting, text, ret))
        return 0;
    switch (setting->type) {
    case BV_TYPE_PATH:
        return parse_path(text, layer, &ret->text, err);
    case BV_TYPE_WORD:
        return bv_value_word(text, setting->argument, &ret->place, err);
    case BV_TYPE_BOOL:
        return bv_value_bool(text, &ret->place, err);
    case BV_TYPE_COUNT:
        return bv_value_count(text, &ret->count, err) < 0 ? -1 : check_range(setting, text, ret->count, err);
    case BV_TYPE_SIZE:
        return bv_value_size(text, &ret->size, err);
    case BV_TYPE_DURATION:
        return bv_value_duration(text, &ret->seconds, err) < 0 ? -1 : check_range(setting, text, ret->seconds, err);
    case BV_TYPE_TIME:
        return bv_value_time(text, s->now_ns, &ret->at_ns, err);
    case BV_TYPE_SIGNALS:
        return bv_value_signals(text, &ret->signals, err);
    case BV_TYPE_FEATURES:
        return bv_value_features(text, &ret->text, err);
    case BV_TYPE_NETWORK:
        return bv_value_network(text, &ret->network, err);
    }
    return bv_fail(err, BV_EINTERNAL, 0, "a setting without a type");
}

/* Takes what is allocated. */
static void store(struct bv_settings *s, const struct bv_setting *setting, const union value *value)
{
    void *field = (char *)s + setting->offset;
    switch (setting->type) {
    case BV_TYPE_PATH:
    case BV_TYPE_FEATURES:
        free(*(char **)field);
        *(char **)field = value->text;
        break;
    case BV_TYPE_WORD:
    case BV_TYPE_BOOL:
        *(int *)field = value->place;
        break;
    case BV_TYPE_COUNT:
        *(unsigned *)field = value->count;
        break;
    case BV_TYPE_SIZE:
        *(uint64_t *)field = value->size;
        break;
    case BV_TYPE_DURATION:
        *(double *)field = value->seconds;
        break;
    case BV_TYPE_TIME:
        *(int64_t *)field = value->at_ns;
        break;
    case BV_TYPE_SIGNALS:
        *(struct bv_signal_actions *)field = value->signals;
        break;
    case BV_TYPE_NETWORK:
        bv_network_free(field);
        *(struct bv_network *)field = value->network;
        break;
    }
}

/* Of one that does not count. */
static void drop(const struct bv_setting *setting, union value *value)
{
    if (setting->type == BV_TYPE_PATH || setting->type == BV_TYPE_FEATURES)
        free(value->text);
    if (setting->type == BV_TYPE_NETWORK)
        bv_network_free(&value->network);
}

int bv_settings_set(struct bv_settings *s, const struct bv_setting *setting, const char *text, enum bv_layer layer,
                    const char *where, struct bv_error *err)
{
    struct bv_source *source = &s->source[setting - bv_setting_table];
    union value value = {0};
    if (parse(s, setting, text, layer, &value, err) < 0)
        return is_file(layer) ? bv_wrap(err, "%s: %s", where, setting->key) : bv_wrap(err, "%s", where);
    int is_twice = source->layer == layer && is_file(layer);
    if (is_twice || source->layer > layer) {
        drop(setting, &value);
        return is_twice ? bv_fail(err, BV_EUSAGE, 0, "%s: %s is already set at %s", where, setting->key, source->where)
                        : 0;
    }
    store(s, setting, &value);
    free(source->text);
    free(source->where);
    *source = (struct bv_source){.layer = layer, .text = bv_strdup(text), .where = bv_strdup(where)};
    return 0;
}
