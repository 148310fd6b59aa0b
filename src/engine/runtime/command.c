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

/* --NAME or --NAME=VALUE; *ret_value is NULL if there is none in this word. */
static const struct runtime_option *find_long(const struct runtime_option *table, const char *word,
                                              const char **ret_value)
{
    size_t n = strcspn(word, "=");
    *ret_value = word[n] ? word + n + 1 : NULL;
    for (const struct runtime_option *o = table; o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, word, n) == 0)
            return o;
    return NULL;
}

/* What the letter stands for. Behind it in the word are more of them, or its value. */
static const struct runtime_option *find_brief(const struct runtime_syntax *s, const struct runtime_option *table,
                                               const char *letter, const char **ret_value)
{
    const char *rest = letter + 1;
    if (s->briefs_alone && *rest)
        return NULL;
    for (const struct runtime_option *o = table; o->name; o++) {
        if (o->brief != *letter)
            continue;
        if (*rest == '=')
            *ret_value = rest + 1;
        else
            *ret_value = *rest && o->has_value ? rest : NULL;
        return o;
    }
    return NULL;
}

/* The options in the word argv[*i], which is left at the last word that is theirs. */
static int scan_word(char *const *argv, const struct runtime_syntax *s, const struct runtime_option *table, size_t *i,
                     struct bv_error *err)
{
    const char *word = argv[*i], *letter = word + 1, *value = NULL;
    int is_long = word[1] == '-';
    do {
        const struct runtime_option *o =
            is_long ? find_long(table, word, &value) : find_brief(s, table, letter++, &value);
        if (!o)
            return bv_fail(err, BV_EUSAGE, 0, "Bivouac does not know the option %s of %s: leave it out", word, argv[0]);
        if (o->refused)
            return bv_fail(err, BV_EUSAGE, 0, "%s: %s", word, o->refused);
        if (o->has_value && !value && !(value = argv[++*i]))
            return bv_fail(err, BV_EUSAGE, 0, "%s needs a value", word);
        if (s->take && s->take(o, value, s->arg, err) < 0)
            return -1;
    } while (!is_long && !value && *letter);
    return 0;
}

/* All options from `i` on. *ret_next is the first other word. */
static int scan(char *const *argv, const struct runtime_syntax *s, const struct runtime_option *table, size_t i,
                size_t *ret_next, struct bv_error *err)
{
    for (; argv[i] && argv[i][0] == '-' && argv[i][1]; i++) {
        if (s->has_end && strcmp(argv[i], "--") == 0)
            break;
        if (scan_word(argv, s, table, &i, err) < 0)
            return -1;
    }
    *ret_next = i;
    return 0;
}

int runtime_parse(char *const *argv, const struct runtime_syntax *s, struct runtime_command *ret, struct bv_error *err)
{
    struct runtime_command c = {0};
    if (scan(argv, s, s->global, 1, &c.verb, err) < 0)
        return -1;
    if (!argv[c.verb] || strcmp(argv[c.verb], "run") != 0)
        return bv_fail(err, BV_EUSAGE, 0, "write %s run ...: only what runs a container can be a job", argv[0]);
    if (scan(argv, s, s->own, c.verb + 1, &c.end, err) < 0)
        return -1;
    if (!argv[c.end] || (s->has_end && strcmp(argv[c.end], "--") == 0 && !argv[c.end + 1]))
        return bv_fail(err, BV_EUSAGE, 0, "%s run: what to run is not said", argv[0]);
    *ret = c;
    return 0;
}
