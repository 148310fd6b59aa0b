/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/show.h"
#include "cli/summary.h"
#include "store/event.h"

static const struct cmd_syntax syntax = {
    .name = "show",
    .usage = "[OPTION]... JOB[@GENERATION]",
    .text =
        "Show what a job is, what has become of it, its checkpoints, and what its restarts have kept aside; or what is in\n"
        "one checkpoint: where it was made, what it could not keep, and the job's files.\n",
};

struct facts {
    const char *id;
    json_t *record;
    struct cmd_job_state state;
    struct cmd_generation *generation;
    size_t count;
    json_t *events, *kept;
};

static void facts_free(struct facts *f)
{
    json_decref(f->record);
    json_decref(f->events);
    json_decref(f->kept);
    cmd_job_state_free(&f->state);
    cmd_generations_free(f->generation, f->count);
}

static int facts_read(const struct bv_job *job, struct facts *ret, struct bv_error *err)
{
    ret->id = job->id;
    if (bv_job_record(job, &ret->record, err) < 0 || cmd_job_state(job, &ret->state, err) < 0 ||
        cmd_generations(job, &ret->generation, &ret->count, err) < 0 || bv_event_read(job, &ret->events, err) < 0)
        return -1;

    ret->kept = json_array();
    for (size_t i = 0; i < json_array_size(ret->events); i++) {
        json_t *e = json_array_get(ret->events, i);
        const char *what = json_string_value(json_object_get(e, "event"));
        if (what && strcmp(what, "rolled-back") == 0)
            bv_json_append(ret->kept, json_incref(e));
    }
    return 0;
}

static void print_json(const struct facts *f)
{
    autojson json_t *all = json_object();
    json_t *generations = json_array();
    for (size_t i = 0; i < f->count; i++)
        bv_json_append(generations, cmd_generation_json(&f->generation[i]));
    bv_json_set(all, "job", json_string(f->id));
    bv_json_set(all, "record", json_incref(f->record));
    bv_json_set(all, "generations", generations);
    bv_json_set(all, "kept", json_incref(f->kept));
    bv_json_set(all, "events", json_incref(f->events));
    cmd_job_state_json(&f->state, all);
    cmd_print_json(all);
}

static void print_line(const char *title, const json_t *value)
{
    if (!json_is_string(value))
        return;
    autofree char *text = cmd_safe_text(value);
    printf("%-11s%s\n", title, text);
}

static void print_list(const char *title, const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        print_line(i ? "" : title, json_array_get(array, i));
}

static void print_record(const json_t *record)
{
    autofree char *command = cmd_command_text(json_object_get(record, "command"));
    printf("%-11s%s\n", "command", command);
    print_line("directory", json_object_get(record, "cwd"));
    print_line("created", json_object_get(record, "created"));
    print_line("copy of", json_object_get(record, "copy_of"));
    print_line("network", json_object_get(record, "network"));
    print_line("tcp", json_object_get(record, "tcp"));
    print_line("tmp", json_object_get(record, "tmp"));
    print_line("kept to", json_object_get(record, "cpu_baseline"));

    if (json_is_true(json_object_get(record, "preload")))
        printf("%-11s%s\n", "preload", "yes");
    print_list("environ", json_object_get(record, "environment"));

    const json_t *binds = json_object_get(record, "binds");
    for (size_t i = 0; i < json_array_size(binds); i++) {
        autofree char *host = cmd_safe_text(json_object_get(json_array_get(binds, i), "host"));
        autofree char *job = cmd_safe_text(json_object_get(json_array_get(binds, i), "job"));
        printf("%-11s%s:%s\n", i ? "" : "bind", host, job);
    }
    print_list("capture", json_object_get(record, "capture"));
    print_list("no-capture", json_object_get(record, "no_capture"));

    char limit[16];
    cmd_size_text((unsigned long long)json_integer_value(json_object_get(record, "capture_limit")), limit);
    printf("%-11s%s a file\n", "copies", limit);
}

static void print_state(const struct cmd_job_state *s)
{
    printf("%-11s%s, %u attempt%s\n", "state", s->text, s->attempts, s->attempts == 1 ? "" : "s");
    if (cmd_is_live(s->state))
        printf("%-11s%s, supervisor %d, lease %.0f s\n", "host", s->last.host.name, (int)s->last.pid,
               s->last.lease_left);
    if (s->state == CMD_FAILED)
        print_line("because", json_object_get(s->last.outcome, "text"));
}

static void print_pin(const struct cmd_generation *g)
{
    if (!g->pin)
        return;
    autofree char *reason = cmd_safe_bytes(g->pin);
    printf("           pinned%s%s\n", *reason ? ": " : "", reason);
}

static void print_generation(const struct cmd_generation *g)
{
    char raw[16], stored[16], frozen[16] = "-";
    if (g->damaged) {
        printf("  @%-7u damaged: %s\n", g->number, g->why.text);
        print_pin(g);
        return;
    }
    cmd_size_text(g->raw_bytes, raw);
    cmd_size_text(g->stored_bytes, stored);
    if (g->frozen_s > 0)
        snprintf(frozen, sizeof(frozen), "%.2f s", g->frozen_s);
    printf("  @%-7u %-26s %-12s frozen %-8s %10s stored of %s\n", g->number, g->created, g->reason, frozen, stored,
           raw);
    print_pin(g);
    for (size_t i = 0; i < json_array_size(g->warnings); i++) {
        autofree char *text = cmd_safe_text(json_array_get(g->warnings, i));
        printf("           warning: %s\n", text);
    }
}

static void print_kept(const json_t *kept)
{
    for (size_t i = 0; i < json_array_size(kept); i++) {
        const json_t *e = json_array_get(kept, i), *files = json_object_get(e, "files");
        autofree char *dir = cmd_safe_text(json_object_get(e, "kept_in"));
        for (size_t k = 0; k < json_array_size(files); k++) {
            const json_t *one = json_array_get(files, k);
            char size[16];
            autofree char *name = cmd_safe_text(json_object_get(one, "kept"));
            autofree char *path = cmd_safe_text(json_object_get(one, "path"));
            autofree char *why = cmd_safe_text(json_object_get(one, "why"));
            json_int_t bytes = json_integer_value(json_object_get(one, "bytes"));
            cmd_size_text(bytes > 0 ? (unsigned long long)bytes : 0, size);
            printf("  %s/%s  %s of %s (%s)\n", dir, name, size, path, why);
        }
    }
}

static void print_text(const struct facts *f)
{
    printf("%-11s%s\n", "job", f->id);
    print_record(f->record);
    print_state(&f->state);
    puts(f->count ? "\ncheckpoints" : "\nno checkpoint");
    for (size_t i = 0; i < f->count; i++)
        print_generation(&f->generation[i]);
    if (json_array_size(f->kept) == 0)
        return;
    printf("\nkept aside at restarts (below jobs/%s of the store)\n", f->id);
    print_kept(f->kept);
}

static int show(const char *store_path, const char *ref, int json, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    unsigned generation;
    if (cmd_open_store(store_path, &store, err) < 0 || cmd_open_job(&store, ref, &job, &generation, err) < 0)
        return -1;
    if (generation)
        return show_generation(&job, generation, json, err);

    struct facts f = {0};
    int rc = facts_read(&job, &f, err);
    if (rc == 0 && json)
        print_json(&f);
    else if (rc == 0)
        print_text(&f);
    facts_free(&f);
    return rc;
}

int bv_cmd_show(int argc, char **argv)
{
    struct bv_error err = {0};
    const char *store = NULL;
    int json = 0, status;
    const struct cmd_option options[] = {CMD_STORE(&store), CMD_JSON(&json, "print it as JSON"), {0}};
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (argc - optind != 1)
        return cmd_usage("show", "exactly one JOB[@GENERATION] is needed");
    return show(store, argv[optind], json, &err) < 0 ? cmd_fail(&err, json) : 0;
}
