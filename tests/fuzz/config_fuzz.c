/* SPDX-License-Identifier: Apache-2.0 */
/* A file of settings; or (first byte odd) one value, as a variable may have it, for each setting of the table. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken is where it belongs, and would be taken again. */
static void check(const struct bv_settings *s)
{
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++) {
        const struct bv_source *source = &s->source[setting - bv_setting_table];
        autosettings struct bv_settings again;
        bv_settings_init(&again);
        if (source->layer != BV_LAYER_NONE &&
            bv_settings_set(&again, setting, source->text, source->layer, source->where, NULL) < 0)
            abort();
        if (setting->type == BV_TYPE_DURATION && source->layer != BV_LAYER_NONE) {
            double seconds = *(const double *)((const char *)s + setting->offset);
            if (!(seconds >= 0 || seconds == BV_EVERY_AUTO) || seconds > BV_DURATION_MAX)
                abort();
        }
    }
}

static void file(const char *text, size_t size)
{
    autosettings struct bv_settings s;
    struct bv_error err = {0};
    bv_settings_init(&s);
    if (bv_settings_parse(&s, text, size, "F", BV_LAYER_SITE, &err) < 0 && strncmp(err.text, "F:", 2) != 0)
        abort();
    check(&s);
}

static void values(const char *text)
{
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++)
        bv_settings_set(&s, setting, text, BV_LAYER_ENVIRONMENT, "V", NULL);
    check(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    autofree char *text = bv_alloc(size); /* with a NUL behind it */
    memcpy(text, data + 1, size - 1);
    if (data[0] % 2)
        values(text);
    else
        file(text, size - 1);
    return 0;
}
