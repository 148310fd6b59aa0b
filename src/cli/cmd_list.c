/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/summary.h"
#include "cli/table.h"

static const struct cmd_syntax syntax = {
    .name = "list",
    .usage = "[OPTION]...",
    .text = "List the jobs of the store: what has become of each, its newest checkpoint, and how much it takes.\n",
};

static const char *const titles[] = {"JOB", "STATE", "ATTEMPTS", "NEWEST", "AGE", "STORED", "PINNED", "COMMAND"};

struct job_facts {
    struct cmd_job_state state;
    struct cmd_generation *generation;
    size_t count;
    json_t *record;
};

static void facts_free(struct job_facts *f)
{
    cmd_job_state_free(&f->state);
    cmd_generations_free(f->generation, f->count);
    json_decref(f->record);
}

static int facts_read(struct bv_store *s, const char *id, struct job_facts *ret, struct bv_error *err)
{
    autojob struct bv_job job = {.dirfd = -1};
    if (bv_job_open(s, id, &job, err) < 0 || cmd_job_state(&job, &ret->state, err) < 0 ||
        cmd_generations(&job, &ret->generation, &ret->count, err) < 0)
        return -1;
    return bv_job_record(&job, &ret->record, err);
}

static uint64_t stored_of(const struct job_facts *f)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->count; i++)
        sum += f->generation[i].stored_bytes;
    return sum;
}

/* "3,7", or NULL. */
static char *pins_of(const struct job_facts *f)
{
    char *all = NULL;
    for (size_t i = 0; i < f->count; i++) {
        if (!f->generation[i].pin)
            continue;
        autofree char *before = all;
        all = bv_asprintf("%s%s%u", before ? before : "", before ? "," : "", f->generation[i].number);
    }
    return all;
}

static void fill_row(char **cell, const struct job_facts *f)
{
    char size[16], age[24];
    cell[1] = bv_strdup(f->state.text);
    cell[2] = bv_asprintf("%u", f->state.attempts);
    cell[7] = cmd_command_text(json_object_get(f->record, "command"));
    if (f->count == 0)
        return;
    const struct cmd_generation *newest = &f->generation[f->count - 1];
    cmd_size_text(stored_of(f), size);
    cmd_age_text(newest->created_ns, age);
    cell[3] = bv_asprintf("%u", newest->number);
    cell[4] = bv_strdup(newest->damaged ? "damaged" : age);
    cell[5] = bv_strdup(size);
    cell[6] = pins_of(f);
}

static json_t *facts_json(const char *id, const struct job_facts *f)
{
    json_t *j = json_object(), *generations = json_array();
    bv_json_set(j, "job", json_string(id));
    cmd_job_state_json(&f->state, j);
    bv_json_set(j, "command", json_incref(json_object_get(f->record, "command")));
    bv_json_set(j, "stored_bytes", json_integer((json_int_t)stored_of(f)));
    for (size_t i = 0; i < f->count; i++)
        bv_json_append(generations, cmd_generation_json(&f->generation[i]));
    bv_json_set(j, "generations", generations);
    return j;
}

/* A job that cannot be read is shown as such: it must not hide the others. */
static void add_job(struct bv_store *s, const char *id, struct cmd_table *table, json_t *array)
{
    struct job_facts f = {0};
    struct bv_error err = {0};
    if (facts_read(s, id, &f, &err) == 0) {
        char **cell = cmd_table_add(table);
        cell[0] = bv_strdup(id);
        fill_row(cell, &f);
        bv_json_append(array, facts_json(id, &f));
    } else if (err.code != BV_ENOJOB) { /* else it was deleted meanwhile */
        char **cell = cmd_table_add(table);
        cell[0] = bv_strdup(id);
        cell[1] = bv_strdup(err.code == BV_EDENIED ? "not yours" : "damaged");
        cell[7] = bv_strdup(err.text);
        json_t *j = json_object();
        bv_json_set(j, "job", json_string(id));
        bv_json_set(j, "state", json_string(err.code == BV_EDENIED ? "denied" : "damaged"));
        bv_json_set(j, "why", bv_json_bytes(err.text));
        bv_json_append(array, j);
    }
    facts_free(&f);
}

static int list(const char *store_path, int json, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    char **ids = NULL;
    size_t n = 0;
    if (cmd_open_store(store_path, &store, err) < 0 || bv_job_list(&store, &ids, &n, err) < 0)
        return -1;

    autotable struct cmd_table table = {.title = titles, .columns = sizeof(titles) / sizeof(titles[0])};
    autojson json_t *jobs = json_array();
    for (size_t i = 0; i < n; i++)
        add_job(&store, ids[i], &table, jobs);
    bv_job_list_free(ids, n);
    if (json) {
        autojson json_t *all = json_object();
        bv_json_set(all, "store", bv_json_bytes(store.path));
        bv_json_set(all, "jobs", json_incref(jobs));
        cmd_print_json(all);
    } else if (table.rows) {
        cmd_table_print(&table, stdout, cmd_terminal_width());
    }
    return 0;
}

int bv_cmd_list(int argc, char **argv)
{
    struct bv_error err = {0};
    const char *store = NULL;
    int json = 0, status;
    const struct cmd_option options[] = {CMD_STORE(&store), CMD_JSON(&json, "print the list as JSON"), {0}};
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (optind != argc)
        return cmd_usage("list", "no argument is needed");
    return list(store, json, &err) < 0 ? cmd_fail(&err, json) : 0;
}
