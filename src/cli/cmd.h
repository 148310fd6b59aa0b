/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/json.h"
#include "store/attempt.h"
#include "store/store.h"

/* One function per command, in a file of its own; argv[0] is the command's name. Returns the exit status. */
int bv_cmd_run(int argc, char **argv);
int bv_cmd_checkpoint(int argc, char **argv);
int bv_cmd_restart(int argc, char **argv);
int bv_cmd_migrate(int argc, char **argv);
int bv_cmd_list(int argc, char **argv);
int bv_cmd_show(int argc, char **argv);
int bv_cmd_history(int argc, char **argv);
int bv_cmd_top(int argc, char **argv);
int bv_cmd_metrics(int argc, char **argv);
int bv_cmd_report(int argc, char **argv);
int bv_cmd_verify(int argc, char **argv);
int bv_cmd_delete(int argc, char **argv);
int bv_cmd_pin(int argc, char **argv);
int bv_cmd_unpin(int argc, char **argv);
int bv_cmd_prune(int argc, char **argv);
int bv_cmd_export(int argc, char **argv);
int bv_cmd_import(int argc, char **argv);
int bv_cmd_config(int argc, char **argv);
int bv_cmd_doctor(int argc, char **argv);
int bv_cmd_preflight(int argc, char **argv);
int bv_cmd_matrix(int argc, char **argv);
int bv_cmd_rehearse(int argc, char **argv);
int bv_cmd_lsf(int argc, char **argv);
int bv_cmd_slurm(int argc, char **argv);
int bv_cmd_gridengine(int argc, char **argv);
int bv_cmd_condor(int argc, char **argv);

/* HTCondor's USER_JOB_WRAPPER, under its own name ("condor-wrapper"): argv is the command of any job. */
int bv_condor_wrapper(int argc, char **argv);

/* --- helpers that commands share (common.c) --- */

/* Report `err` on standard error (with `json`, as an object {"error": …} on standard output too); returns its code as
 * the exit status. */
int cmd_fail(const struct bv_error *err, int json);

/* "bivouac COMMAND: <problem>, see --help"; returns BV_EUSAGE. */
int cmd_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print a JSON value, indented, and a newline. */
void cmd_print_json(const json_t *j);

/* "1.2 GiB" */
void cmd_size_text(unsigned long long bytes, char ret[16]);

/* An absolute path without "." and "..", symbolic links resolved where it exists. Allocated. Errors: BV_EUSAGE. */
int cmd_absolute(const char *path, char **ret, struct bv_error *err);

/* Append to a NULL-terminated, allocated list; takes the string. */
void cmd_list_add(char ***list, char *string);

/* The path of the store: `named`, or if that is NULL $BIVOUAC_STORE, or that of the site file, or the default.
 * Allocated. Errors: those of bv_settings_load(), BV_ESTORE. */
int cmd_store_path(const char *named, char **ret, struct bv_error *err);

/* Open the store (NULL = that of cmd_store_path()), which must exist, and in it the job of "JOB" or "JOB@GEN". */
int cmd_open_store(const char *path, struct bv_store *ret, struct bv_error *err);
int cmd_open_job(struct bv_store *s, const char *ref, struct bv_job *ret, unsigned *ret_generation,
                 struct bv_error *err);
