/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/options.h"
#include "job/supervisor.h"

/* What run and restart have in common: an attempt of a job, as the options of both describe it. */
struct cmd_attempt {
    struct bv_supervise_options o; /* o.settings is `settings`; o.chdir comes from `chdir_path` at the end */
    struct bv_settings settings;
    const char *job_file; /* borrowed from the command line */
    char *chdir_path;
    int hold_exit, tell_signal; /* cli/run.h */
};

/* `a` must stay where it is: it points into itself. */
void cmd_attempt_init(struct cmd_attempt *a);
void cmd_attempt_free(struct cmd_attempt *a);

/* Append the options that both have: the settings of `who` (BV_FOR_…), and those that are none. As
 * cmd_add_options(). */
void cmd_add_attempt(struct cmd_option *list, unsigned who, struct cmd_attempt *a);

/* As cmd_fail(), with the exit status that is to be told of it. */
int cmd_attempt_fail(const struct cmd_attempt *a, const struct bv_error *err);

/* Run the supervisor and end as the job did: its exit status is ours, and its deadly signal too. */
int cmd_supervise(const struct cmd_attempt *a);

/* Die of the signal that the job died of, so that whoever waits for us sees no difference; without a core dump. Returns
 * the exit status to end with if the signal does not end a process. */
int cmd_die_of(int number);
