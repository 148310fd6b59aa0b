/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of "docker run": what of it can be part of a job, as dockerd's API has it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/runtime/docker.h"

#define DEFAULT_SOCKET "/var/run/docker.sock"

enum kind {
    FLAG,   /* true */
    WORD,   /* a string */
    LIST,   /* one more string of an array */
    ENV,    /* NAME=VALUE, or NAME of our own environment */
    VOLUME, /* a string of an array, in which the host's path is made absolute */
    LABEL,  /* KEY=VALUE */
    NAME,
    REFUSED,
};

struct option {
    const char *name;
    char brief; /* 0 = none */
    enum kind kind;
    int of_host;     /* it belongs to "HostConfig" */
    const char *key; /* of the API; of REFUSED, what to do */
};

static const struct option options[] = {
    {"--name", 0, NAME, 0, NULL},
    {"--volume", 'v', VOLUME, 1, "Binds"},
    {"--env", 'e', ENV, 0, "Env"},
    {"--workdir", 'w', WORD, 0, "WorkingDir"},
    {"--user", 'u', WORD, 0, "User"},
    {"--hostname", 'h', WORD, 0, "Hostname"},
    {"--network", 0, WORD, 1, "NetworkMode"},
    {"--net", 0, WORD, 1, "NetworkMode"},
    {"--label", 'l', LABEL, 0, "Labels"},
    {"--cap-add", 0, LIST, 1, "CapAdd"},
    {"--cap-drop", 0, LIST, 1, "CapDrop"},
    {"--cpuset-cpus", 0, WORD, 1, "CpusetCpus"},
    {"--cpuset-mems", 0, WORD, 1, "CpusetMems"},
    {"--init", 0, FLAG, 1, "Init"},
    {"--read-only", 0, FLAG, 1, "ReadonlyRootfs"},
    {"--detach", 'd', REFUSED, 0, "Bivouac waits for the container: leave this option out"},
    {"--tty", 't', REFUSED, 0, "a container with a terminal cannot be checkpointed: leave this option out"},
    {"--interactive", 'i', REFUSED, 0,
     "a container's standard input cannot be kept over a restart: leave this option out"},
    {"--rm", 0, REFUSED, 0, "Bivouac itself removes the container at the end of each attempt: leave this option out"},
    {"--restart", 0, REFUSED, 0, "Bivouac restarts the container, from its checkpoints: leave this option out"},
    {"--log-driver", 0, REFUSED, 0, "the output goes through Bivouac: leave this option out"},
};

static const struct option *find(const char *word, size_t n, char brief)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (brief ? options[i].brief == brief : strlen(options[i].name) == n && strncmp(options[i].name, word, n) == 0)
            return &options[i];
    return NULL;
}

/* The object or array `key` of `object`, made if it is not there. */
static json_t *sub(json_t *object, const char *key, json_t *empty)
{
    autojson json_t *made = empty;
    json_t *there = json_object_get(object, key);
    if (there)
        return there;
    bv_json_set(object, key, json_incref(made));
    return made;
}

static json_t *text(const char *value, struct bv_error *err)
{
    json_t *t = json_string(value);
    if (!t)
        bv_fail(err, BV_EUSAGE, 0, "dockerd takes nothing that is not UTF-8");
    return t;
}

static int append(json_t *list, const char *value, struct bv_error *err)
{
    json_t *t = text(value, err);
    if (!t)
        return -1;
    bv_json_append(list, t);
    return 0;
}

/* As the docker program does it, "./DIR:..." is what is below the current directory. */
static int add_volume(const char *cwd, const char *value, json_t *list, struct bv_error *err)
{
    if (!strchr(value, ':'))
        return bv_fail(err, BV_EUSAGE, 0, "-v %s: write HOST-DIRECTORY:DIRECTORY, so that it is there after a restart",
                       value);
    autofree char *whole = value[0] == '.' ? bv_asprintf("%s/%s", cwd, value) : bv_strdup(value);
    return append(list, whole, err);
}

static int add_env(const char *value, json_t *list, struct bv_error *err)
{
    const char *own = strchr(value, '=') ? NULL : getenv(value);
    if (!strchr(value, '=') && !own)
        return 0;
    autofree char *whole = own ? bv_asprintf("%s=%s", value, own) : bv_strdup(value);
    return append(list, whole, err);
}

static int add_label(const char *value, json_t *labels, struct bv_error *err)
{
    size_t n = strcspn(value, "=");
    autofree char *key = bv_strndup(value, n);
    autojson json_t *name = text(key, err); /* is it UTF-8? */
    json_t *t = name ? text(value[n] ? value + n + 1 : "", err) : NULL;
    if (!t)
        return -1;
    bv_json_set(labels, key, t);
    return 0;
}

static int apply(const struct option *o, const char *cwd, const char *value, struct docker_command *d,
                 struct bv_error *err)
{
    json_t *to = o->of_host ? json_object_get(d->create, "HostConfig") : d->create, *t = NULL;
    switch (o->kind) {
    case FLAG:
        bv_json_set(to, o->key, json_true());
        return 0;
    case NAME:
        free(d->name);
        d->name = bv_strdup(value);
        if (d->name[strspn(d->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
            return bv_fail(err, BV_EUSAGE, 0, "--name %s: a name has letters, digits, '_', '.' and '-'", value);
        return 0;
    case VOLUME:
        d->volumes++;
        return add_volume(cwd, value, sub(to, o->key, json_array()), err);
    case ENV:
        return add_env(value, sub(to, o->key, json_array()), err);
    case LABEL:
        return add_label(value, sub(to, o->key, json_object()), err);
    case LIST:
        return append(sub(to, o->key, json_array()), value, err);
    case WORD:
        t = text(value, err);
        if (t)
            bv_json_set(to, o->key, t);
        return t ? 0 : -1;
    case REFUSED:
    default:
        return bv_fail(err, BV_EUSAGE, 0, "%s: %s", o->name, o->key);
    }
}

static int has_value(const struct option *o)
{
    return o->kind != FLAG && o->kind != REFUSED;
}

static int unknown(const char *word, struct bv_error *err)
{
    return bv_fail(err, BV_EUSAGE, 0, "Bivouac does not know the option %s of docker: leave it out", word);
}

/* The option at argv[*i], with its value; *i is left at the last word of it. "-de A=B" is more than one. */
static int take_option(const struct bv_engine_container *c, size_t *i, struct docker_command *d, struct bv_error *err)
{
    const char *word = c->argv[*i], *value = NULL;
    int is_long = word[1] == '-';
    for (const char *letter = word + 1;; letter++) {
        size_t n = strcspn(word, "=");
        const struct option *o = is_long ? find(word, n, 0) : find(NULL, 0, *letter);
        if (!o || (is_long && word[n] && o->kind == FLAG))
            return unknown(word, err);
        if (has_value(o)) {
            value = is_long ? word + n : letter + 1;
            value = !*value ? NULL : *value == '=' ? value + 1 : value;
            if (!value && !(value = c->argv[++*i]))
                return bv_fail(err, BV_EUSAGE, 0, "%s needs a value", word);
        }
        if (apply(o, c->cwd, value, d, err) < 0)
            return -1;
        if (is_long || value || !letter[1])
            return 0;
    }
}

/* The options of docker itself, which say where dockerd is. */
static int take_host(const struct bv_engine_container *c, size_t *i, struct docker_command *d, struct bv_error *err)
{
    const char *host = getenv("DOCKER_HOST");
    for (*i = 1; c->argv[*i] && c->argv[*i][0] == '-'; (*i)++) {
        const char *word = c->argv[*i];
        if (strncmp(word, "--host=", 7) == 0)
            host = word + 7;
        else if ((strcmp(word, "-H") == 0 || strcmp(word, "--host") == 0) && c->argv[*i + 1])
            host = c->argv[++*i];
        else
            return unknown(word, err);
    }
    if (!c->argv[*i] || strcmp(c->argv[*i], "run") != 0)
        return bv_fail(err, BV_EUSAGE, 0, "write docker run ...: only what runs a container can be a job");
    if (host && *host && strncmp(host, "unix://", 7) != 0)
        return bv_fail(err, BV_EUSAGE, 0, "dockerd must be on this host, and %s is not unix://PATH", host);
    d->socket = bv_strdup(host && *host ? host + 7 : DEFAULT_SOCKET);
    return 0;
}

int docker_parse(const struct bv_engine_container *c, struct docker_command *ret, struct bv_error *err)
{
    size_t i;
    if (take_host(c, &i, ret, err) < 0)
        return -1;
    ret->create = json_pack("{s:{s:{s:s}}, s:{}, s:b, s:b}", "HostConfig", "LogConfig", "Type", "none", "Labels",
                            "AttachStdout", 1, "AttachStderr", 1);
    for (i++; c->argv[i] && c->argv[i][0] == '-' && c->argv[i][1]; i++)
        if (take_option(c, &i, ret, err) < 0)
            return -1;
    if (!c->argv[i])
        return bv_fail(err, BV_EUSAGE, 0, "docker run: what to run is not said");
    const json_t *host = json_object_get(ret->create, "HostConfig");
    const char *network = json_string_value(json_object_get(host, "NetworkMode"));
    if (!network || strcmp(network, "none") != 0)
        return bv_fail(err, BV_EUSAGE, 0,
                       "a container of docker is checkpointed without a network only: write docker run --network none");
    json_t *image = text(c->argv[i++], err), *words = json_array();
    bv_json_set(ret->create, "Image", image ? image : json_null());
    if (c->argv[i])
        bv_json_set(ret->create, "Cmd", words);
    else
        json_decref(words);
    for (; image && c->argv[i]; i++)
        if (append(words, c->argv[i], err) < 0)
            return -1;
    return image ? 0 : -1;
}

void docker_command_free(struct docker_command *d)
{
    free(d->socket);
    free(d->name);
    json_decref(d->create);
}
