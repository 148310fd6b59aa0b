/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/transfer.h"

static const struct cmd_syntax syntax = {
    .name = "import",
    .usage = "[OPTION]... <FILE",
    .text =
        "Make a job of what 'bivouac export' has written: the job that it was, with that one checkpoint. All of it is\n"
        "verified before anything is seen in the store. Import only what you trust as you trust a program.\n",
};

/* Into a store that is made if it is not there: the import may be the first thing done on a host. */
static int import_stream(const char *store_path, const char *id, struct bv_import_result *ret, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autofree char *path = NULL;
    struct cmd_transfer t;
    if (cmd_store_path(store_path, &path, err) < 0 || bv_store_open(path, 1, &store, err) < 0)
        return -1;
    cmd_transfer_begin(&t, id ? id : "");
    int rc = bv_import(&store, STDIN_FILENO, id, &t.watch, ret, err);
    cmd_transfer_end(&t);
    return rc;
}

static void print(const struct bv_import_result *r, int json)
{
    char size[16];
    cmd_size_text(r->stored_bytes, size);
    if (!json) {
        printf("%s@%u: imported, %s\n", r->job, r->generation, size);
        return;
    }
    autojson json_t *j = json_object();
    bv_json_set(j, "job", json_string(r->job));
    bv_json_set(j, "generation", json_integer(r->generation));
    bv_json_set(j, "stored_bytes", json_integer((json_int_t)r->stored_bytes));
    cmd_print_json(j);
}

int bv_cmd_import(int argc, char **argv)
{
    struct bv_error err = {0};
    struct bv_import_result result;
    const char *store = NULL, *id = NULL;
    int json = 0, status;
    const struct cmd_option options[] = {
        {'j', "job", "ID", "call the job ID; else it has the id that it had, which must be free in this store",
         .to = &id},
        CMD_STORE(&store),
        CMD_JSON(&json, "print the result as JSON"),
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc != optind)
        return cmd_usage("import", "no argument is needed: the export is read from standard input");
    if (id && bv_job_id_check(id, &err) < 0)
        return cmd_fail(&err, json);
    if (isatty(STDIN_FILENO))
        return cmd_usage("import", "an export is not read from a terminal: redirect standard input");
    if (import_stream(store, id, &result, &err) < 0)
        return cmd_fail(&err, json);
    print(&result, json);
    return 0;
}
