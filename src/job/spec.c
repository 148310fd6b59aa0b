/* SPDX-License-Identifier: Apache-2.0 */
#include "job/spec.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"

#define RECORD_FORMAT "bivouac-job 1"
#define LIST_MAX      65536

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

void bv_spec_free(struct bv_spec *s)
{
    free_list(s->argv);
    free_list(s->environment);
    free_list(s->capture);
    free_list(s->no_capture);
    for (size_t i = 0; i < s->bind_count; i++) {
        free(s->binds[i].host);
        free(s->binds[i].job);
    }
    free(s->binds);
    free(s->cwd);
    free(s->engine);
    free(s->copy_of);
    bv_network_free(&s->network);
    memset(s, 0, sizeof(*s));
}

static json_t *network_json(const struct bv_spec *s)
{
    struct bv_network n = s->network;
    n.kind = s->private_network ? BV_NETWORK_PRIVATE : BV_NETWORK_HOST;
    autofree char *text = bv_network_text(&n);
    return json_string(text);
}

static json_t *list_json(char *const *list)
{
    json_t *array = json_array();
    for (size_t i = 0; list && list[i]; i++)
        bv_json_append(array, bv_json_bytes(list[i]));
    return array;
}

json_t *bv_spec_record(const struct bv_spec *s, const char *job_id)
{
    char now[BV_TIME_TEXT];
    bv_time_text(bv_clock_ns(CLOCK_REALTIME), now);

    json_t *r = json_object();
    bv_json_set(r, "format", json_string(RECORD_FORMAT));
    bv_json_set(r, "job", json_string(job_id));
    bv_json_set(r, "uid", json_integer(getuid()));
    bv_json_set(r, "created", json_string(now));
    bv_json_set(r, "engine", json_string(s->engine ? s->engine : "criu"));
    bv_json_set(r, "command", list_json(s->argv));
    bv_json_set(r, "cwd", bv_json_bytes(s->cwd));
    bv_json_set(r, "network", network_json(s));
    if (s->tcp != BV_TCP_REFUSE)
        bv_json_set(r, "tcp", json_string(bv_tcp_name(s->tcp)));
    bv_json_set(r, "tmp", json_string(s->private_tmp ? "private" : "shared"));
    if (s->cpu_baseline)
        bv_json_set(r, "cpu_baseline", json_string(bv_cpu_baseline_name(s->cpu_baseline)));
    bv_json_set(r, "preload", json_boolean(s->preload));
    bv_json_set(r, "environment", list_json(s->environment));
    bv_json_set(r, "capture", list_json(s->capture));
    bv_json_set(r, "no_capture", list_json(s->no_capture));
    bv_json_set(r, "capture_limit", json_integer((json_int_t)s->capture_limit));
    if (s->copy_of)
        bv_json_set(r, "copy_of", json_string(s->copy_of));

    json_t *binds = json_array();
    for (size_t i = 0; i < s->bind_count; i++) {
        json_t *b = json_object();
        bv_json_set(b, "host", bv_json_bytes(s->binds[i].host));
        bv_json_set(b, "job", bv_json_bytes(s->binds[i].job));
        bv_json_append(binds, b);
    }
    bv_json_set(r, "binds", binds);
    return r;
}

static int parse_list(const json_t *record, const char *key, char ***ret, struct bv_error *err)
{
    json_t *array;
    if (bv_json_array(record, key, LIST_MAX, &array, err) < 0)
        return -1;
    size_t n = json_array_size(array);
    *ret = bv_alloc((n + 1) * sizeof(char *));
    for (size_t i = 0; i < n; i++)
        if (bv_json_unescape(json_array_get(array, i), &(*ret)[i], err) < 0)
            return bv_wrap(err, "\"%s\"", key);
    return 0;
}

static int parse_path(const json_t *object, const char *key, char **ret, struct bv_error *err)
{
    if (bv_json_get_bytes(object, key, ret, err) < 0)
        return -1;
    return bv_is_clean_path(*ret) ? 0 : bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is no clean absolute path", key);
}

/* One of two words. */
static int parse_choice(const json_t *record, const char *key, const char *no, const char *yes, int *ret,
                        struct bv_error *err)
{
    const char *word;
    if (bv_json_str(record, key, &word, err) < 0)
        return -1;
    *ret = strcmp(word, yes) == 0;
    return *ret || strcmp(word, no) == 0 ? 0
                                         : bv_fail(err, BV_ECORRUPT, 0, "\"%s\" is neither %s nor %s", key, no, yes);
}

/* A Bivouac that knows less of networks refuses a record that says more, which is right: the job would miss it. */
static int parse_network(const json_t *record, struct bv_spec *s, struct bv_error *err)
{
    const char *text;
    struct bv_error why = {0};
    if (bv_json_str(record, "network", &text, err) < 0)
        return -1;
    if (bv_value_network(text, &s->network, &why) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "\"network\": %s", why.text);
    s->private_network = s->network.kind == BV_NETWORK_PRIVATE;
    return s->network.kind != BV_NETWORK_AUTO ? 0 : bv_fail(err, BV_ECORRUPT, 0, "\"network\" is not decided");
}

static int parse_tcp(const json_t *record, enum bv_tcp *ret, struct bv_error *err)
{
    const char *word;
    int place;
    if (!json_object_get(record, "tcp"))
        return 0;
    if (bv_json_str(record, "tcp", &word, err) < 0)
        return -1;
    if (bv_value_word(word, BV_TCP_WORDS, &place, NULL) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "\"tcp\" is no word that is known");
    *ret = (enum bv_tcp)place;
    return 0;
}

/* Records of jobs that are kept to nothing do not have it. */
static int parse_baseline(const json_t *record, enum bv_cpu_baseline *ret, struct bv_error *err)
{
    const char *name;
    *ret = BV_CPU_NO_BASELINE;
    if (!json_object_get(record, "cpu_baseline"))
        return 0;
    if (bv_json_str(record, "cpu_baseline", &name, err) < 0)
        return -1;
    int b = bv_cpu_baseline_parse(name);
    if (b < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "\"cpu_baseline\" is no level that is known");
    *ret = (enum bv_cpu_baseline)b;
    return 0;
}

static int parse_binds(const json_t *record, struct bv_spec *s, struct bv_error *err)
{
    json_t *array;
    if (bv_json_array(record, "binds", LIST_MAX, &array, err) < 0)
        return -1;
    s->binds = bv_alloc((json_array_size(array) + 1) * sizeof(s->binds[0]));
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct bv_bind *b = &s->binds[s->bind_count++];
        if (parse_path(json_array_get(array, i), "host", &b->host, err) < 0 ||
            parse_path(json_array_get(array, i), "job", &b->job, err) < 0)
            return -1;
    }
    return 0;
}

/* What records of the first days do not have. */
static int parse_later(const json_t *record, struct bv_spec *s, struct bv_error *err)
{
    if (json_object_get(record, "preload") && bv_json_bool(record, "preload", &s->preload, err) < 0)
        return -1;
    if (!json_object_get(record, "environment"))
        return 0;
    if (parse_list(record, "environment", &s->environment, err) < 0)
        return -1;
    for (size_t i = 0; s->environment[i]; i++)
        if (strcspn(s->environment[i], "=") == 0 || !strchr(s->environment[i], '='))
            return bv_fail(err, BV_ECORRUPT, 0, "\"environment\" has what is not NAME=VALUE");
    return 0;
}

static int parse(const json_t *record, struct bv_spec *s, struct bv_error *err)
{
    const char *format, *engine = json_string_value(json_object_get(record, "engine"));
    const char *copy_of = json_string_value(json_object_get(record, "copy_of"));
    if (bv_json_str(record, "format", &format, err) < 0)
        return -1;
    if (strcmp(format, RECORD_FORMAT) != 0)
        return bv_fail(err, BV_ESTORE, 0, "the job's record has format '%.40s', this Bivouac knows '%s'", format,
                       RECORD_FORMAT);
    if (parse_list(record, "command", &s->argv, err) < 0 || parse_path(record, "cwd", &s->cwd, err) < 0 ||
        parse_network(record, s, err) < 0 || parse_tcp(record, &s->tcp, err) < 0 ||
        parse_choice(record, "tmp", "shared", "private", &s->private_tmp, err) < 0 ||
        parse_baseline(record, &s->cpu_baseline, err) < 0 || parse_list(record, "capture", &s->capture, err) < 0 ||
        parse_list(record, "no_capture", &s->no_capture, err) < 0 ||
        bv_json_u64(record, "capture_limit", INT64_MAX, &s->capture_limit, err) < 0 ||
        parse_binds(record, s, err) < 0 || parse_later(record, s, err) < 0)
        return -1;
    if (!s->argv[0])
        return bv_fail(err, BV_ECORRUPT, 0, "\"command\" is empty");
    for (size_t i = 0; s->capture[i]; i++)
        if (!bv_is_clean_path(s->capture[i]))
            return bv_fail(err, BV_ECORRUPT, 0, "\"capture\" names no clean absolute path");
    if (copy_of)
        s->copy_of = bv_strdup(copy_of);
    if (engine)
        s->engine = bv_strdup(engine);
    return 0;
}

int bv_spec_parse(const json_t *record, struct bv_spec *ret, struct bv_error *err)
{
    struct bv_spec s = {0};
    if (parse(record, &s, err) < 0) {
        bv_spec_free(&s);
        return bv_wrap(err, "job record");
    }
    *ret = s;
    return 0;
}
