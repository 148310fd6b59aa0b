/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of podman. Where its options end, must be known: ours come behind the user's. */
#include <string.h>

#include "engine/runtime/runtime.h"

static const char waits[] = "Bivouac waits for the container: leave this option out";
static const char input[] = "the container has Bivouac's own standard input: leave this option out";
static const char terminal[] = "a container with a terminal cannot be checkpointed: leave this option out";
static const char output[] = "the container's output is Bivouac's: leave this option out";
static const char file[] = "Bivouac has such a file of its own: leave this option out";
static const char another[] = "Bivouac touches no other container of that name: remove it, and leave this option out";
static const char remote[] = "a container of another host cannot be checkpointed from here: run Bivouac there";
static const char pod[] = "a container of a pod cannot be checkpointed: leave this option out";
static const char groups[] = "Bivouac needs the control groups that podman makes by itself: leave this option out";
static const char unsure[] = "Bivouac cannot restore such a container: leave this option out";
static const char descriptors[] = "descriptors of the caller cannot be checkpointed: leave this option out";
static const char restart[] = "whether a job is run again is not podman's affair here: leave this option out";

struct option {
    const char *name;
    char brief;
    int is_flag;
    const char *refused; /* NULL = it can be used */
};

static const struct option global_options[] = {
    {"cdi-spec-dir", 0, 0, NULL},
    {"cgroup-manager", 0, 0, NULL},
    {"config", 0, 0, NULL},
    {"events-backend", 0, 0, NULL},
    {"hooks-dir", 0, 0, NULL},
    {"imagestore", 0, 0, NULL},
    {"log-level", 0, 0, NULL},
    {"module", 0, 0, NULL},
    {"network-cmd-path", 0, 0, NULL},
    {"network-config-dir", 0, 0, NULL},
    {"root", 0, 0, NULL},
    {"runroot", 0, 0, NULL},
    {"runtime", 0, 0, NULL},
    {"runtime-flag", 0, 0, NULL},
    {"storage-driver", 0, 0, NULL},
    {"storage-opt", 0, 0, NULL},
    {"syslog", 0, 1, NULL},
    {"tmpdir", 0, 0, NULL},
    {"volumepath", 0, 0, NULL},
    {"conmon", 0, 0, "Bivouac stands in for it: leave this option out"},
    {"connection", 'c', 0, remote},
    {"identity", 0, 0, remote},
    {"remote", 'r', 1, remote},
    {"ssh", 0, 0, remote},
    {"url", 0, 0, remote},
    {0},
};

static const struct option run_options[] = {
    {"add-host", 0, 0, NULL},
    {"annotation", 0, 0, NULL},
    {"arch", 0, 0, NULL},
    {"authfile", 0, 0, NULL},
    {"blkio-weight", 0, 0, NULL},
    {"blkio-weight-device", 0, 0, NULL},
    {"cap-add", 0, 0, NULL},
    {"cap-drop", 0, 0, NULL},
    {"cgroup-conf", 0, 0, NULL},
    {"cgroup-parent", 0, 0, NULL},
    {"cgroupns", 0, 0, NULL},
    {"cpu-period", 0, 0, NULL},
    {"cpu-quota", 0, 0, NULL},
    {"cpu-rt-period", 0, 0, NULL},
    {"cpu-rt-runtime", 0, 0, NULL},
    {"cpu-shares", 'c', 0, NULL},
    {"cpus", 0, 0, NULL},
    {"cpuset-cpus", 0, 0, NULL},
    {"cpuset-mems", 0, 0, NULL},
    {"decryption-key", 0, 0, NULL},
    {"device", 0, 0, NULL},
    {"device-cgroup-rule", 0, 0, NULL},
    {"device-read-bps", 0, 0, NULL},
    {"device-read-iops", 0, 0, NULL},
    {"device-write-bps", 0, 0, NULL},
    {"device-write-iops", 0, 0, NULL},
    {"dns", 0, 0, NULL},
    {"dns-option", 0, 0, NULL},
    {"dns-search", 0, 0, NULL},
    {"entrypoint", 0, 0, NULL},
    {"env", 'e', 0, NULL},
    {"env-file", 0, 0, NULL},
    {"env-host", 0, 1, NULL},
    {"env-merge", 0, 0, NULL},
    {"expose", 0, 0, NULL},
    {"gidmap", 0, 0, NULL},
    {"group-add", 0, 0, NULL},
    {"group-entry", 0, 0, NULL},
    {"hostname", 'h', 0, NULL},
    {"hosts-file", 0, 0, NULL},
    {"hostuser", 0, 0, NULL},
    {"http-proxy", 0, 1, NULL},
    {"image-volume", 0, 0, NULL},
    {"init", 0, 1, NULL},
    {"init-path", 0, 0, NULL},
    {"ip", 0, 0, NULL},
    {"ip6", 0, 0, NULL},
    {"ipc", 0, 0, NULL},
    {"label", 'l', 0, NULL},
    {"label-file", 0, 0, NULL},
    {"mac-address", 0, 0, NULL},
    {"memory", 'm', 0, NULL},
    {"memory-reservation", 0, 0, NULL},
    {"memory-swap", 0, 0, NULL},
    {"memory-swappiness", 0, 0, NULL},
    {"mount", 0, 0, NULL},
    {"name", 0, 0, NULL},
    {"net", 0, 0, NULL},
    {"network", 0, 0, NULL},
    {"network-alias", 0, 0, NULL},
    {"no-healthcheck", 0, 1, NULL},
    {"no-hostname", 0, 1, NULL},
    {"no-hosts", 0, 1, NULL},
    {"oom-kill-disable", 0, 1, NULL},
    {"oom-score-adj", 0, 0, NULL},
    {"os", 0, 0, NULL},
    {"passwd", 0, 1, NULL},
    {"passwd-entry", 0, 0, NULL},
    {"personality", 0, 0, NULL},
    {"pid", 0, 0, NULL},
    {"pids-limit", 0, 0, NULL},
    {"platform", 0, 0, NULL},
    {"privileged", 0, 1, NULL},
    {"publish", 'p', 0, NULL},
    {"publish-all", 'P', 1, NULL},
    {"pull", 0, 0, NULL},
    {"quiet", 'q', 1, NULL},
    {"read-only", 0, 1, NULL},
    {"read-only-tmpfs", 0, 1, NULL},
    {"retry", 0, 0, NULL},
    {"retry-delay", 0, 0, NULL},
    {"rm", 0, 1, NULL}, /* which is done in any case */
    {"seccomp-policy", 0, 0, NULL},
    {"secret", 0, 0, NULL},
    {"security-opt", 0, 0, NULL},
    {"shm-size", 0, 0, NULL},
    {"stop-signal", 0, 0, NULL},
    {"stop-timeout", 0, 0, NULL},
    {"subgidname", 0, 0, NULL},
    {"subuidname", 0, 0, NULL},
    {"sysctl", 0, 0, NULL},
    {"tls-verify", 0, 1, NULL},
    {"tmpfs", 0, 0, NULL},
    {"tz", 0, 0, NULL},
    {"uidmap", 0, 0, NULL},
    {"ulimit", 0, 0, NULL},
    {"umask", 0, 0, NULL},
    {"unsetenv", 0, 0, NULL},
    {"unsetenv-all", 0, 1, NULL},
    {"user", 'u', 0, NULL},
    {"userns", 0, 0, NULL},
    {"uts", 0, 0, NULL},
    {"variant", 0, 0, NULL},
    {"volume", 'v', 0, NULL},
    {"volumes-from", 0, 0, NULL},
    {"workdir", 'w', 0, NULL},
    {"attach", 'a', 0, output},
    {"cgroups", 0, 0, groups},
    {"cidfile", 0, 0, file},
    {"conmon-pidfile", 0, 0, file},
    {"detach", 'd', 1, waits},
    {"detach-keys", 0, 0, waits},
    {"interactive", 'i', 1, input},
    {"log-driver", 0, 0, output},
    {"log-opt", 0, 0, output},
    {"pidfile", 0, 0, file},
    {"pod", 0, 0, pod},
    {"pod-id-file", 0, 0, pod},
    {"preserve-fd", 0, 0, descriptors},
    {"preserve-fds", 0, 0, descriptors},
    {"replace", 0, 1, another},
    {"restart", 0, 0, restart},
    {"rootfs", 0, 1, unsure},
    {"systemd", 0, 0, unsure},
    {"tty", 't', 1, terminal},
    {0},
};

/* --NAME or --NAME=VALUE; *ret_value is NULL if there is none in this word. */
static const struct option *find_long(const struct option *table, const char *word, const char **ret_value)
{
    size_t n = strcspn(word, "=");
    *ret_value = word[n] ? word + n + 1 : NULL;
    for (const struct option *o = table; o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, word, n) == 0)
            return o;
    return NULL;
}

static const struct option *find_brief(const struct option *table, char letter)
{
    for (const struct option *o = table; o->name; o++)
        if (o->brief == letter)
            return o;
    return NULL;
}

/* What one word says. *ret_next: the value of its last option is the next word. */
static int look(const struct option *table, const char *const word, int *ret_next, struct bv_error *err)
{
    const struct option *o = NULL;
    const char *value = NULL, *p = word + 1;
    *ret_next = 0;
    do {
        if (word[1] == '-')
            o = find_long(table, word + 2, &value);
        else if ((o = find_brief(table, *p++)))
            value = *p && (!o->is_flag || *p == '=') ? p : NULL;
        if (!o)
            return bv_fail(err, BV_EUSAGE, 0, "Bivouac does not know the option %s of podman: leave it out", word);
        if (o->refused)
            return bv_fail(err, BV_EUSAGE, 0, "%s: %s", word, o->refused);
        *ret_next = !o->is_flag && !value;
    } while (word[1] != '-' && o->is_flag && !value && *p);
    return 0;
}

static int skip(char *const *argv, size_t i, const struct option *table, size_t *ret_end, struct bv_error *err)
{
    for (int next = 0; argv[i] && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0; i++) {
        if (look(table, argv[i], &next, err) < 0)
            return -1;
        if (next && !argv[++i])
            return bv_fail(err, BV_EUSAGE, 0, "%s needs a value", argv[i - 1]);
    }
    *ret_end = i;
    return 0;
}

int podman_parse(char *const *argv, struct podman_command *ret, struct bv_error *err)
{
    struct podman_command c = {0};
    if (skip(argv, 1, global_options, &c.verb, err) < 0)
        return -1;
    if (!argv[c.verb] || strcmp(argv[c.verb], "run") != 0)
        return bv_fail(err, BV_EUSAGE, 0, "write %s run ...: only what runs a container can be a job", argv[0]);
    if (skip(argv, c.verb + 1, run_options, &c.end, err) < 0)
        return -1;
    if (!argv[c.end] || (strcmp(argv[c.end], "--") == 0 && !argv[c.end + 1]))
        return bv_fail(err, BV_EUSAGE, 0, "%s run: what to run is not said", argv[0]);
    *ret = c;
    return 0;
}
