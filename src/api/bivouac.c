/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of include/bivouac/bivouac.h. */
#include "bivouac/bivouac.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "config/settings.h"
#include "job/client.h"
#include "store/store.h"

#define PUBLIC         __attribute__((visibility("default")))
#define STATUS_TIMEOUT 30 /* s; a supervisor that hangs does not answer */
#define ANSWER_GRACE   60 /* s; the supervisor keeps the deadline of a checkpoint, ours is for one that hangs */

static int fail(const struct bv_error *err, char *message, size_t size)
{
    if (message && size)
        snprintf(message, size, "%s", err->text);
    return err->code;
}

PUBLIC const char *bivouac_version(void)
{
    return BV_VERSION;
}

PUBLIC int bivouac_check_setting(const char *key, const char *text, char *message, size_t size)
{
    struct bv_error err = {0};
    autosettings struct bv_settings settings;
    const struct bv_setting *setting = bv_setting_find(key);
    bv_settings_init(&settings);
    if (!setting) {
        bv_fail(&err, BV_EUSAGE, 0, "there is no setting '%s'", key);
        return fail(&err, message, size);
    }
    if (bv_settings_set(&settings, setting, text, BV_LAYER_OPTION, key, &err) < 0)
        return fail(&err, message, size);
    return 0;
}

PUBLIC int bivouac_check_job(const char *text, char *message, size_t size)
{
    struct bv_error err = {0};
    char id[BV_JOB_ID_MAX + 1];
    unsigned generation;
    return bv_job_ref_parse(text, id, &generation, &err) < 0 ? fail(&err, message, size) : 0;
}

static int ask(const char *store_path, const char *id, const json_t *request, double timeout, json_t **ret,
               struct bv_error *err)
{
    autofree char *path = NULL;
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    struct bv_attempt_info last;
    struct bv_client_call_options how = {.timeout = timeout};
    if (store_path)
        path = bv_strdup(store_path);
    else if (bv_store_default_path(&path, err) < 0)
        return -1;
    if (bv_store_open(path, 0, &store, err) < 0 || bv_job_open(&store, id, &job, err) < 0)
        return -1;
    int got = bv_attempt_last(&job, &last, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return bv_fail(err, BV_ENOTRUNNING, 0, "job %s is not running", id);
    int rc = bv_client_call(id, &last, request, &how, ret, err);
    bv_attempt_info_free(&last);
    return rc;
}

PUBLIC int bivouac_status(const char *store, const char *job, char **ret_json, char *message, size_t size)
{
    struct bv_error err = {0};
    autojson json_t *answer = NULL;
    autojson json_t *request = json_pack("{s:s}", "op", "status");
    if (ask(store, job, request, STATUS_TIMEOUT, &answer, &err) < 0)
        return fail(&err, message, size);
    char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) {
        bv_fail(&err, BV_EPROTO, 0, "job %s gave an answer that is no text", job);
        return fail(&err, message, size);
    }
    *ret_json = text;
    return 0;
}

PUBLIC int bivouac_checkpoint(const char *store, const char *job, enum bivouac_then then, double timeout,
                              const char *reason, unsigned *ret_generation, char *message, size_t size)
{
    static const char *const leave[] = {"running", "stopped", "dead"};
    struct bv_error err = {0};
    autojson json_t *answer = NULL;
    autojson json_t *request = NULL;
    if ((unsigned)then > BIVOUAC_END || !(timeout >= 0)) {
        bv_fail(&err, BV_EUSAGE, 0, "a request that makes no sense");
        return fail(&err, message, size);
    }
    request = json_pack("{s:s, s:s, s:f, s:s}", "op", "checkpoint", "leave", leave[then], "timeout", timeout, "reason",
                        reason ? reason : "request");
    if (ask(store, job, request, timeout > 0 ? timeout + ANSWER_GRACE : 0, &answer, &err) < 0)
        return fail(&err, message, size);
    if (ret_generation)
        *ret_generation = (unsigned)json_integer_value(json_object_get(answer, "generation"));
    return 0;
}
