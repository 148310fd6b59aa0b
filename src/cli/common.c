/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "config/settings.h"

int cmd_fail(const struct bv_error *err, int json)
{
    fprintf(stderr, "bivouac: %s\n", err->text);
    if (json) {
        autojson json_t *j = json_object();
        autojson json_t *e = json_object();
        bv_json_set(e, "code", json_integer(err->code));
        bv_json_set(e, "name", json_string(bv_code_name(err->code)));
        bv_json_set(e, "text", bv_json_bytes(err->text));
        bv_json_set(j, "error", json_incref(e));
        cmd_print_json(j);
    }
    return err->code;
}

int cmd_usage(const char *command, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "bivouac %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, " (see bivouac %s --help)\n", command);
    return BV_EUSAGE;
}

void cmd_print_json(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
    putchar('\n');
}

void cmd_size_text(unsigned long long bytes, char ret[16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    int i = 0;
    while (value >= 1024 && i < 5) {
        value /= 1024;
        i++;
    }
    snprintf(ret, 16, i ? "%.1f %s" : "%.0f %s", value, units[i]);
}

int cmd_absolute(const char *path, char **ret, struct bv_error *err)
{
    char resolved[PATH_MAX];
    if (realpath(path, resolved)) {
        *ret = bv_strdup(resolved);
        return 0;
    }
    char cwd[PATH_MAX] = "";
    if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
        return bv_fail(err, BV_ENODIR, errno, "cannot tell the working directory");
    autofree char *whole = cwd[0] ? bv_asprintf("%s/%s", cwd, path) : bv_strdup(path);
    if (!bv_is_clean_path(whole))
        return bv_fail(err, BV_EUSAGE, errno, "cannot find %s", path);
    *ret = steal_ptr(&whole);
    return 0;
}

void cmd_list_add(char ***list, char *string)
{
    size_t n = 0;
    while (*list && (*list)[n])
        n++;
    *list = bv_realloc(*list, n + 2, sizeof(char *));
    (*list)[n] = string;
    (*list)[n + 1] = NULL;
}

/* The files are read only if they are needed: one that is damaged must not keep anybody from a job whose store he
 * knows. */
int cmd_store_path(const char *named, char **ret, struct bv_error *err)
{
    const char *variable = getenv("BIVOUAC_STORE");
    if (named || (variable && *variable)) {
        *ret = bv_strdup(named ? named : variable);
        return 0;
    }
    autosettings struct bv_settings s;
    bv_settings_init(&s);
    if (bv_settings_load(&s, NULL, err) < 0)
        return -1;
    if (!s.store)
        return bv_store_default_path(ret, err);
    *ret = steal_ptr(&s.store);
    return 0;
}

int cmd_open_store(const char *path, struct bv_store *ret, struct bv_error *err)
{
    autofree char *chosen = NULL;
    return cmd_store_path(path, &chosen, err) < 0 ? -1 : bv_store_open(chosen, 0, ret, err);
}

int cmd_open_job(struct bv_store *s, const char *ref, struct bv_job *ret, unsigned *ret_generation,
                 struct bv_error *err)
{
    char id[BV_JOB_ID_MAX + 1];
    if (bv_job_ref_parse(ref, id, ret_generation, err) < 0)
        return -1;
    return bv_job_open(s, id, ret, err);
}
