/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/runtime/runtime.h"

/* The options of two families of runtimes differ, but their verb is the same; what has a value is not looked at here.
 */
int runtime_is_run(char *const *argv)
{
    for (size_t i = 1; argv[i]; i++)
        if (strcmp(argv[i], "run") == 0)
            return 1;
    return 0;
}

static int is_option(const char *word, const struct runtime_option *o, const char **ret_value)
{
    size_t n = strlen(o->name);
    *ret_value = NULL;
    if (o->brief && strcmp(word, o->brief) == 0)
        return 1;
    if (strncmp(word, o->name, n) != 0 || (word[n] && word[n] != '='))
        return 0;
    *ret_value = word[n] ? word + n + 1 : NULL;
    return 1;
}

/* The options from `i` on; returns the place of the first other word. */
static int skip_options(char *const *argv, size_t i, const struct runtime_option *table, struct runtime_command *ret,
                        size_t *ret_next, struct bv_error *err)
{
    for (; argv[i] && argv[i][0] == '-' && argv[i][1]; i++) {
        const struct runtime_option *o = table;
        const char *value = NULL;
        while (o->name && !is_option(argv[i], o, &value))
            o++;
        if (!o->name)
            return bv_fail(err, BV_EUSAGE, 0, "Bivouac does not know the option %s of %s: leave it out", argv[i],
                           argv[0]);
        if (o->refused)
            return bv_fail(err, BV_EUSAGE, 0, "%s: %s", argv[i], o->refused);
        if (o->has_value && !value && !(value = argv[++i]))
            return bv_fail(err, BV_EUSAGE, 0, "%s needs a value", argv[i - 1]);
        if (strcmp(o->name, "--bundle") == 0)
            ret->bundle = value;
    }
    *ret_next = i;
    return 0;
}

int runtime_parse(char *const *argv, const struct runtime_option *global, const struct runtime_option *own,
                  struct runtime_command *ret, struct bv_error *err)
{
    struct runtime_command c = {0};
    if (skip_options(argv, 1, global, &c, &c.verb, err) < 0)
        return -1;
    if (!argv[c.verb] || strcmp(argv[c.verb], "run") != 0)
        return bv_fail(err, BV_EUSAGE, 0, "write %s run ...: only what runs a container can be a job", argv[0]);
    if (skip_options(argv, c.verb + 1, own, &c, &c.name, err) < 0)
        return -1;
    if (!argv[c.name])
        return bv_fail(err, BV_EUSAGE, 0, "%s run: what to run is not said", argv[0]);
    *ret = c;
    return 0;
}
