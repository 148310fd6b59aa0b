/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "config/settings.h"

#define SITE_FILE "/etc/bivouac/bivouac.conf"
#define PREFIX    "BIVOUAC_"

/* Variables that are no settings. tests/integration/config.sh compares them with the source. */
static const char *const others[] = {
    "BIVOUAC_JOB",
    "BIVOUAC_CRIU",
    "BIVOUAC_CRIU_HOOK",
    "BIVOUAC_RUNTIME_DIR",
    "BIVOUAC_CONFIG",
    "BIVOUAC_SITE_CONFIG",
    "BIVOUAC_FAULT_DIR",
    "BIVOUAC_FAULT_POINT",
    "BIVOUAC_SLURM_POLL",
    "BIVOUAC_SLURM_DRAIN",
    "BIVOUAC_BUILD",
    "BIVOUAC_TESTBED_CACHE",
    NULL,
};

/* An empty variable is as good as none. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int load_environment(struct bv_settings *s, struct bv_error *err)
{
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++) {
        autofree char *name = bv_setting_variable(setting);
        const char *value = variable(name);
        if (value && bv_settings_set(s, setting, value, BV_LAYER_ENVIRONMENT, name, err) < 0)
            return -1;
    }
    return 0;
}

/* Another file than the usual one is for tests and for people who try things; a program with more rights than its
 * caller must not be told so. */
static int load_site(struct bv_settings *s, struct bv_error *err)
{
    const char *named = secure_getenv("BIVOUAC_SITE_CONFIG");
    if (named && *named)
        return bv_settings_load_file(s, named, BV_LAYER_SITE, err);
    if (access(SITE_FILE, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    return bv_settings_load_file(s, SITE_FILE, BV_LAYER_SITE, err);
}

static int load_defaults(struct bv_settings *s, struct bv_error *err)
{
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++)
        if (setting->fallback && bv_settings_set(s, setting, setting->fallback, BV_LAYER_DEFAULT, "", err) < 0)
            return -1;
    return 0;
}

int bv_settings_load(struct bv_settings *s, const char *job_file, struct bv_error *err)
{
    if (!job_file)
        job_file = variable("BIVOUAC_CONFIG");
    if (load_environment(s, err) < 0 || (job_file && bv_settings_load_file(s, job_file, BV_LAYER_JOB_FILE, err) < 0) ||
        load_site(s, err) < 0)
        return -1;
    return load_defaults(s, err);
}

static int is_known(const char *variable, size_t length)
{
    for (size_t i = 0; others[i]; i++)
        if (strlen(others[i]) == length && strncmp(others[i], variable, length) == 0)
            return 1;
    for (const struct bv_setting *setting = bv_setting_table; setting->key; setting++) {
        autofree char *name = bv_setting_variable(setting);
        if (strlen(name) == length && strncmp(name, variable, length) == 0)
            return 1;
    }
    return 0;
}

const char *bv_settings_unknown_variable(size_t *position)
{
    while (environ[*position]) {
        const char *entry = environ[(*position)++];
        if (strncmp(entry, PREFIX, strlen(PREFIX)) == 0 && !is_known(entry, strcspn(entry, "=")))
            return entry;
    }
    return NULL;
}
