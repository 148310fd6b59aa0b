/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/end_job.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sched/number.h"

void bv_lsf_pids_parse(const char *text, struct bv_lsf_pids *ret)
{
    ret->count = 0;
    for (const char *p = text; p && *p && ret->count < BV_LSF_PIDS_MAX;) {
        char word[16];
        unsigned long long number;
        p += strspn(p, " \t\n");
        size_t n = strcspn(p, " \t\n");
        if (n > 0 && n < sizeof(word)) {
            memcpy(word, p, n);
            word[n] = '\0';
            if (bv_sched_number(word, INT_MAX, &number) == 0 && number > 1)
                ret->pid[ret->count++] = (pid_t)number;
        }
        p += n;
    }
}

int bv_lsf_groups_live(const struct bv_lsf_pids *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        if (kill(-groups->pid[i], 0) == 0 || errno == EPERM)
            return 1;
    return 0;
}

void bv_lsf_end_job(const struct bv_lsf_pids *groups, const struct bv_lsf_pids *pids, double interval)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGKILL};
    for (size_t s = 0; s < sizeof(signals) / sizeof(signals[0]) && bv_lsf_groups_live(groups); s++) {
        struct bv_deadline deadline = bv_deadline_in(interval);
        for (size_t i = 0; i < groups->count; i++)
            kill(-groups->pid[i], signals[s]);
        while (signals[s] != SIGKILL && bv_lsf_groups_live(groups) && !bv_deadline_passed(deadline))
            usleep(100000);
    }
    for (size_t i = 0; i < pids->count; i++)
        kill(pids->pid[i], SIGKILL);
}
