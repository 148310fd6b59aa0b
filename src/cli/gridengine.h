/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "sched/gridengine/gridengine.h"

/* The parts of "bivouac gridengine" (cmd_gridengine.c). Each returns an exit status. */

/* The starter_method of a queue: argv[0] is its own name, the others are the command. A job of the checkpointing
 * environment runs under Bivouac, every other one is executed as if there were no starter. */
int cmd_gridengine_starter(int argc, char **argv);

struct cmd_gridengine_install {
    const char *dir;     /* for the stores of all users, NULL = jobs choose */
    int dry_run, force;  /* force: also in the place of another starter_method */
    char *const *queues; /* NULL-terminated, at least one */
};
int cmd_gridengine_install(const struct cmd_gridengine_install *o);

struct cmd_gridengine_reap {
    const char *store;
    double older_than; /* s */
    int yes, json;
};
int cmd_gridengine_reap(const struct cmd_gridengine_reap *o);
