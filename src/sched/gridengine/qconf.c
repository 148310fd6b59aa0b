/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/gridengine/qconf.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/command.h"
#include "sched/gridengine/gridengine.h"

#define TIMEOUT   60.0 /* s */
#define WORDS_MAX 8
#define BLANK     " \t"

char *bv_gridengine_ckpt_text(const char *bivouac, const char *dir)
{
    static const char args[] = "$job_pid $job_id $ja_task_id";
    return bv_asprintf("ckpt_name          " BV_GRIDENGINE_CKPT "\n"
                       "interface          application-level\n"
                       "ckpt_command       %s gridengine ckpt %s\n"
                       "migr_command       %s gridengine migr %s\n"
                       "restart_command    NONE\n"
                       "clean_command      %s gridengine clean %s\n"
                       "ckpt_dir           %s\n"
                       "signal             NONE\n"
                       "when               xsmr\n",
                       bivouac, args, bivouac, args, bivouac, args, dir ? dir : "NONE");
}

/* The line at *at with those that continue it, without trailing space; *at is moved behind. NULL at the end. */
static char *next_line(const char **at)
{
    if (!**at)
        return NULL;
    char *line = bv_alloc(strlen(*at) + 1);
    size_t n = 0;
    for (int more = 1; more && **at;) {
        size_t length = strcspn(*at, "\n");
        memcpy(line + n, *at, length);
        n += length;
        *at += length + ((*at)[length] == '\n');
        more = n > 0 && line[n - 1] == '\\';
        n -= (size_t)more;
        /* What continues a line is indented, and the words are one list. */
        if (more) {
            *at += strspn(*at, BLANK);
            while (n > 0 && strchr(BLANK, line[n - 1]))
                n--;
            line[n++] = ' ';
        }
    }
    while (n > 0 && strchr(BLANK, line[n - 1]))
        n--;
    line[n] = '\0';
    return line;
}

/* The value behind the name in a line; NULL if it has another name. */
static const char *value_in(const char *line, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0 || !line[n] || !strchr(BLANK, line[n]))
        return NULL;
    return line + n + strspn(line + n, BLANK);
}

char *bv_gridengine_attribute(const char *text, const char *name)
{
    for (;;) {
        autofree char *line = next_line(&text);
        const char *value = line ? value_in(line, name) : NULL;
        if (!line)
            return NULL;
        if (value)
            return bv_strdup(value);
    }
}

int bv_gridengine_listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        size_t length = strcspn(p, " \t,");
        if (length == n && n > 0 && strncmp(p, word, n) == 0)
            return 1;
        p += length;
    }
    return 0;
}

int bv_gridengine_agrees(const char *text, const char *wanted)
{
    for (;;) {
        autofree char *line = next_line(&wanted);
        if (!line)
            return 1;
        size_t n = strcspn(line, BLANK);
        autofree char *name = bv_strndup(line, n);
        autofree char *has = bv_gridengine_attribute(text, name);
        const char *value = value_in(line, name);
        /* "none" is written as one likes. */
        if (value &&
            (!has || (strcmp(has, value) != 0 && (strcasecmp(value, "NONE") != 0 || strcasecmp(has, "NONE") != 0))))
            return 0;
    }
}

int bv_gridengine_qconf(const char *const *words, char **ret, struct bv_error *err)
{
    autocommand struct bv_command_result r = {0};
    char *argv[WORDS_MAX + 2] = {(char *)"qconf"}, complaint[512];
    for (size_t i = 0; words[i] && i < WORDS_MAX; i++)
        argv[i + 1] = (char *)words[i];
    if (bv_command_run(argv[0], argv, TIMEOUT, &r, err) < 0)
        return err && err->code == BV_ENOCMD ? bv_wrap(err, "are Grid Engine's commands in PATH?") : -1;
    if (r.status != 0) {
        bv_command_complaint(&r, complaint, sizeof(complaint));
        return bv_fail(err, BV_EINTERNAL, 0, "qconf %s: %s", words[0], complaint[0] ? complaint : "it failed");
    }
    if (ret)
        *ret = steal_ptr(&r.out);
    return 0;
}
