/* SPDX-License-Identifier: Apache-2.0 */
/* What Grid Engine and its users say: the first byte says which. Words are separated by line breaks. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sched/gridengine/methods.h"
#include "sched/gridengine/qconf.h"
#include "sched/gridengine/qstat.h"
#include "sched/gridengine/start.h"

#define WORDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int split(char *text, char *ret[WORDS_MAX + 1])
{
    int n = 0;
    for (char *word; n < WORDS_MAX && (word = strsep(&text, "\n"));)
        ret[n++] = word;
    ret[n] = NULL;
    return n;
}

static void arguments(char *text)
{
    char *words[WORDS_MAX + 1], name[BV_JOB_ID_MAX + 1];
    struct bv_gridengine_args a;
    struct bv_gridengine_id again;
    int n = split(text, words);
    if (bv_gridengine_args_parse(n, words, &a, NULL) < 0)
        return;
    bv_gridengine_name(a.id, name);
    if (a.pid < 2 || a.id.task == 0 || bv_job_id_check(name, NULL) < 0 || !bv_gridengine_name_parse(name, &again) ||
        again.job != a.id.job || again.task != a.id.task)
        abort();
}

static void command(char *text)
{
    char *words[WORDS_MAX + 1];
    int script, n = split(text, words);
    if (n < 5)
        return;
    struct bv_gridengine_how how = {words[0], words[1], words[2], words[3]};
    autofree char **all = bv_gridengine_command(&how, n - 4, words + 4, &script);
    int count = 0;
    while (all[count])
        count++;
    /* Every word is there, in its order, at the end. */
    for (int i = 0; i < n - 4; i++)
        if (all[count - (n - 4) + i] != words[4 + i])
            abort();
    if (script >= 0 && all[script] != words[4])
        abort();
}

static void attribute(char *text)
{
    char *rest = text;
    const char *name = strsep(&rest, "\n");
    if (!rest)
        return;
    autofree char *value = bv_gridengine_attribute(rest, name);
    if (value && strchr(value, '\n'))
        abort();
    if (!bv_gridengine_agrees(rest, "") || bv_gridengine_listed(rest, ""))
        abort();
    bv_gridengine_agrees(rest, rest);
}

static void known(const char *text)
{
    struct bv_gridengine_known k;
    if (bv_gridengine_known_parse(text, &k, NULL) < 0)
        return;
    if (k.count && !bv_gridengine_knows(&k, k.job[k.count - 1]))
        abort();
    bv_gridengine_known_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bv_gridengine_id id;
    if (size == 0)
        return 0;
    autofree char *text = bv_alloc(size);
    memcpy(text, data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        arguments(text);
        break;
    case 1:
        command(text);
        break;
    case 2:
        attribute(text);
        break;
    case 3:
        known(text);
        break;
    default:
        bv_gridengine_name_parse(text, &id);
    }
    return 0;
}
