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
    SOCKET, /* where dockerd is */
};

/* What an option is for dockerd. */
struct member {
    enum kind kind;
    int of_host;     /* it belongs to "HostConfig" */
    const char *key; /* of the API */
};

#define OF_CONTAINER(kind, key) (&(const struct member){kind, 0, key})
#define OF_HOST(kind, key)      (&(const struct member){kind, 1, key})

static const char detached[] = "Bivouac waits for the container: leave this option out";
static const char terminal[] = "a container with a terminal cannot be checkpointed: leave this option out";
static const char input[] = "a container's standard input cannot be kept over a restart: leave this option out";
static const char removed[] = "Bivouac itself removes the container at the end of each attempt: leave this option out";
static const char restarted[] = "Bivouac restarts the container, from its checkpoints: leave this option out";
static const char output[] = "the output goes through Bivouac: leave this option out";

static const struct runtime_option global_options[] = {
    {"--host", 'H', 1, NULL, OF_CONTAINER(SOCKET, NULL)},
    {0},
};

static const struct runtime_option run_options[] = {
    {"--name", 0, 1, NULL, OF_CONTAINER(NAME, NULL)},
    {"--volume", 'v', 1, NULL, OF_HOST(VOLUME, "Binds")},
    {"--env", 'e', 1, NULL, OF_CONTAINER(ENV, "Env")},
    {"--workdir", 'w', 1, NULL, OF_CONTAINER(WORD, "WorkingDir")},
    {"--user", 'u', 1, NULL, OF_CONTAINER(WORD, "User")},
    {"--hostname", 'h', 1, NULL, OF_CONTAINER(WORD, "Hostname")},
    {"--network", 0, 1, NULL, OF_HOST(WORD, "NetworkMode")},
    {"--net", 0, 1, NULL, OF_HOST(WORD, "NetworkMode")},
    {"--label", 'l', 1, NULL, OF_CONTAINER(LABEL, "Labels")},
    {"--cap-add", 0, 1, NULL, OF_HOST(LIST, "CapAdd")},
    {"--cap-drop", 0, 1, NULL, OF_HOST(LIST, "CapDrop")},
    {"--cpuset-cpus", 0, 1, NULL, OF_HOST(WORD, "CpusetCpus")},
    {"--cpuset-mems", 0, 1, NULL, OF_HOST(WORD, "CpusetMems")},
    {"--init", 0, 0, NULL, OF_HOST(FLAG, "Init")},
    {"--read-only", 0, 0, NULL, OF_HOST(FLAG, "ReadonlyRootfs")},
    {"--detach", 'd', 0, detached, NULL},
    {"--tty", 't', 0, terminal, NULL},
    {"--interactive", 'i', 0, input, NULL},
    {"--rm", 0, 0, removed, NULL},
    {"--restart", 0, 1, restarted, NULL},
    {"--log-driver", 0, 1, output, NULL},
    {0},
};

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

struct parse {
    struct docker_command *command;
    const char *cwd;
    const char *host; /* NULL = not given */
};

static int take(const struct runtime_option *o, const char *value, void *arg, struct bv_error *err)
{
    struct parse *p = arg;
    struct docker_command *d = p->command;
    const struct member *m = o->more;
    json_t *to = m->of_host ? json_object_get(d->create, "HostConfig") : d->create, *t = NULL;
    switch (m->kind) {
    case SOCKET:
        p->host = value;
        return 0;
    case NAME:
        free(d->name);
        d->name = bv_strdup(value);
        if (d->name[strspn(d->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
            return bv_fail(err, BV_EUSAGE, 0, "--name %s: a name has letters, digits, '_', '.' and '-'", value);
        return 0;
    case VOLUME:
        d->volumes++;
        return add_volume(p->cwd, value, sub(to, m->key, json_array()), err);
    case ENV:
        return add_env(value, sub(to, m->key, json_array()), err);
    case LABEL:
        return add_label(value, sub(to, m->key, json_object()), err);
    case LIST:
        return append(sub(to, m->key, json_array()), value, err);
    case WORD:
        t = text(value, err);
        if (t)
            bv_json_set(to, m->key, t);
        return t ? 0 : -1;
    case FLAG:
    default:
        if (value)
            return bv_fail(err, BV_EUSAGE, 0, "%s takes no value: leave =%s out", o->name, value);
        bv_json_set(to, m->key, json_true());
        return 0;
    }
}

static int set_socket(const char *host, struct docker_command *ret, struct bv_error *err)
{
    if (!host)
        host = getenv("DOCKER_HOST");
    if (host && *host && strncmp(host, "unix://", 7) != 0)
        return bv_fail(err, BV_EUSAGE, 0, "dockerd must be on this host, and %s is not unix://PATH", host);
    ret->socket = bv_strdup(host && *host ? host + 7 : DEFAULT_SOCKET);
    return 0;
}

/* IMAGE [COMMAND...] */
static int set_image(char *const *words, json_t *create, struct bv_error *err)
{
    json_t *image = text(words[0], err);
    if (!image)
        return -1;
    bv_json_set(create, "Image", image);
    for (size_t i = 1; words[i]; i++)
        if (append(sub(create, "Cmd", json_array()), words[i], err) < 0)
            return -1;
    return 0;
}

int docker_parse(const struct bv_engine_container *c, struct docker_command *ret, struct bv_error *err)
{
    struct runtime_command command;
    struct parse p = {.command = ret, .cwd = c->cwd};
    const struct runtime_syntax syntax = {.global = global_options, .own = run_options, .take = take, .arg = &p};
    ret->create = json_pack("{s:{s:{s:s}}, s:{}, s:b, s:b}", "HostConfig", "LogConfig", "Type", "none", "Labels",
                            "AttachStdout", 1, "AttachStderr", 1);
    if (runtime_parse(c->argv, &syntax, &command, err) < 0 || set_socket(p.host, ret, err) < 0)
        return -1;
    const json_t *host = json_object_get(ret->create, "HostConfig");
    const char *network = json_string_value(json_object_get(host, "NetworkMode"));
    if (!network || strcmp(network, "none") != 0)
        return bv_fail(err, BV_EUSAGE, 0,
                       "a container of docker is checkpointed without a network only: write docker run --network none");
    return set_image(c->argv + command.end, ret->create, err);
}

void docker_command_free(struct docker_command *d)
{
    free(d->socket);
    free(d->name);
    json_decref(d->create);
}
