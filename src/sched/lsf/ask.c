/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/command.h"

int bv_lsf_command(const char *const *argv, double timeout, char **ret, struct bv_error *err)
{
    const char *bin = getenv("LSF_BINDIR");
    autofree char *path = bin && bin[0] == '/' ? bv_asprintf("%s/%s", bin, argv[0]) : bv_strdup(argv[0]);
    autocommand struct bv_command_result r = {0};
    struct bv_error e = {0};
    char complaint[512];
    if (bv_command_run(path, (char *const *)argv, timeout, &r, &e) < 0)
        return e.code == BV_ENOCMD ? bv_fail(err, e.code, 0, "cannot find %s (LSF_BINDIR, PATH)", argv[0])
                                   : bv_fail(err, e.code, 0, "%s", e.text);
    if (r.status != 0) {
        bv_command_complaint(&r, complaint, sizeof(complaint));
        return bv_fail(err, BV_EINTERNAL, 0, "%s failed: %s", argv[0], complaint);
    }
    *ret = steal_ptr(&r.out);
    return 0;
}

/* " RUNLIMIT" stands over "  60.0 min of hosta", alone or as the first of several columns. */
unsigned bv_lsf_run_limit(const char *bjobs)
{
    const char *at = bjobs;
    while ((at = strstr(at, "RUNLIMIT")) != NULL) {
        const char *line = at;
        while (line > bjobs && line[-1] != '\n')
            line--;
        size_t blanks = strspn(line, " \t");
        const char *below = strchr(at, '\n');
        at += strlen("RUNLIMIT");
        char *end;
        if (line + blanks + strlen("RUNLIMIT") != at || !below)
            continue;
        below += 1 + strspn(below + 1, " \t");
        double minutes = *below >= '0' && *below <= '9' ? strtod(below, &end) : 0;
        if (minutes > 0 && minutes < 1e8 && strncmp(end, " min", 4) == 0)
            return (unsigned)minutes + ((double)(unsigned)minutes < minutes);
    }
    return 0;
}

unsigned long long bv_lsf_submitted(const char *brestart)
{
    const char *at = brestart;
    while ((at = strstr(at, "Job <")) != NULL) {
        at += strlen("Job <");
        char text[BV_LSF_ID_TEXT] = "";
        struct bv_lsf_id id;
        size_t n = strcspn(at, ">");
        if (n >= sizeof(text) || strncmp(at + n, "> is submitted", strlen("> is submitted")) != 0)
            continue;
        memcpy(text, at, n);
        if (bv_lsf_id_parse(text, &id, NULL) == 0)
            return id.job;
    }
    return 0;
}
