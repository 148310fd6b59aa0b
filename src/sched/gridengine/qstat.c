/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/gridengine/qstat.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/command.h"
#include "sched/number.h"

#define TIMEOUT 60.0 /* s */
#define ROOT    "<job_info"
#define END     "</job_info>"
#define BEGIN   "<JB_job_number>"
#define CLOSE   "</JB_job_number>"

void bv_gridengine_known_free(struct bv_gridengine_known *k)
{
    free(k->job);
    *k = (struct bv_gridengine_known){0};
}

/* qstat writes it by itself, with these very tags: no more of XML is needed than to find them. */
int bv_gridengine_known_parse(const char *xml, struct bv_gridengine_known *ret, struct bv_error *err)
{
    struct bv_gridengine_known k = {0};
    const char *root = strstr(xml, ROOT), *end = root ? strstr(root, END) : NULL;
    if (!end)
        return bv_fail(err, BV_EPROTO, 0, "what qstat says of the jobs has no end");
    for (const char *p = strstr(root, BEGIN); p; p = strstr(p, BEGIN)) {
        char number[24];
        p += strlen(BEGIN);
        const char *close = strstr(p, CLOSE);
        size_t n = close ? (size_t)(close - p) : sizeof(number);
        unsigned long long job = 0;
        snprintf(number, sizeof(number), "%.*s", n < sizeof(number) ? (int)n : 0, p);
        if (bv_sched_number(number, 1000000000000000ULL, &job) < 0) {
            bv_gridengine_known_free(&k);
            return bv_fail(err, BV_EPROTO, 0, "qstat says something of a job that is not understood");
        }
        k.job = bv_realloc(k.job, k.count + 1, sizeof(*k.job));
        k.job[k.count++] = job;
    }
    *ret = k;
    return 0;
}

int bv_gridengine_known(struct bv_gridengine_known *ret, struct bv_error *err)
{
    autocommand struct bv_command_result r = {0};
    char complaint[512];
    const struct passwd *who = getpwuid(getuid());
    if (!who)
        return bv_fail(err, BV_EINTERNAL, 0, "user %u has no name", (unsigned)getuid());
    autofree char *user = bv_strdup(who->pw_name);
    /* All of it said, since files of the site and of the user can have other defaults. */
    char *argv[] = {(char *)"qstat", (char *)"-u", user, (char *)"-s", (char *)"a", (char *)"-xml", NULL};
    if (bv_command_run(argv[0], argv, TIMEOUT, &r, err) < 0)
        return -1;
    if (r.status != 0) {
        bv_command_complaint(&r, complaint, sizeof(complaint));
        return bv_fail(err, BV_EINTERNAL, 0, "qstat does not say which jobs there are: %s", complaint);
    }
    return bv_gridengine_known_parse(r.out, ret, err);
}

int bv_gridengine_knows(const struct bv_gridengine_known *k, unsigned long long job)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->job[i] == job)
            return 1;
    return 0;
}
