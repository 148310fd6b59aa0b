/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus' text format 0.0.4: for each family a HELP and a TYPE, then all its samples. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/watch.h"

static const struct cmd_syntax syntax = {
    .name = "metrics",
    .usage = "[OPTION]...",
    .text =
        "Print what is to be known of all jobs of the store as Prometheus takes it, for the textfile collector of its\n"
        "node exporter.\n",
};

struct request {
    char **stores;
    const char *output;
};

/* --- values of a job; NAN = no sample --- */

static double if_known(double value)
{
    return value >= 0 ? value : NAN;
}

static double running(const struct cmd_watched *w)
{
    return w->state.state == CMD_RUNNING;
}

static double attempts(const struct cmd_watched *w)
{
    return (double)w->timeline.attempts;
}

static double checkpoints(const struct cmd_watched *w)
{
    return (double)w->timeline.checkpoints;
}

static double failures(const struct cmd_watched *w)
{
    return (double)w->timeline.failures;
}

static double run_seconds(const struct cmd_watched *w)
{
    return w->timeline.running_s;
}

static double frozen_seconds(const struct cmd_watched *w)
{
    return w->timeline.frozen_s;
}

static double restore_seconds(const struct cmd_watched *w)
{
    return w->timeline.restore_s;
}

static double lost_seconds(const struct cmd_watched *w)
{
    return w->timeline.lost_s;
}

static double saved_seconds(const struct cmd_watched *w)
{
    return w->timeline.saved_s;
}

static double efficiency(const struct cmd_watched *w)
{
    return if_known(w->timeline.efficiency);
}

static double memory(const struct cmd_watched *w)
{
    return if_known(cmd_watched_number(w, "memory_bytes"));
}

static double cpu_seconds(const struct cmd_watched *w)
{
    return if_known(cmd_watched_number(w, "cpu_s"));
}

static double next_at(const struct cmd_watched *w)
{
    const json_t *why;
    return if_known(cmd_watched_next(w, &why));
}

/* Those of the last checkpoint. */
#define OF_LAST(name, expression)                                                                                      \
    static double name(const struct cmd_watched *w)                                                                    \
    {                                                                                                                  \
        const struct bv_timeline_checkpoint *last = cmd_watched_last(w);                                               \
        return last ? if_known((double)(expression)) : NAN;                                                            \
    }
OF_LAST(last_generation, last->generation)
OF_LAST(last_at, (double)last->at_ns / BV_NSEC_PER_SEC)
OF_LAST(last_freeze, last->frozen_s)
OF_LAST(last_drain, last->drain_s)
OF_LAST(last_write, last->write_s)
OF_LAST(last_sync, last->sync_s)
OF_LAST(last_total, last->total_s)
OF_LAST(last_raw, last->raw_bytes)
OF_LAST(last_new, last->new_bytes)
OF_LAST(last_stored, last->stored_bytes)

static const struct {
    const char *name, *type, *help;
    double (*value)(const struct cmd_watched *w);
} families[] = {
    {"bivouac_job_running", "gauge", "Whether an attempt runs the job.", running},
    {"bivouac_job_attempts_total", "counter", "Attempts of the job.", attempts},
    {"bivouac_job_checkpoints_total", "counter", "Checkpoints that were committed.", checkpoints},
    {"bivouac_job_checkpoint_failures_total", "counter", "Checkpoints that came to nothing.", failures},
    {"bivouac_job_run_seconds_total", "counter", "Time the job ran, in all attempts.", run_seconds},
    {"bivouac_job_frozen_seconds_total", "counter", "Time the job stood still for checkpoints.", frozen_seconds},
    {"bivouac_job_restore_seconds_total", "counter", "Time restarts took until the job ran.", restore_seconds},
    {"bivouac_job_lost_seconds_total", "counter", "Work that had, or has, to be repeated.", lost_seconds},
    {"bivouac_job_saved_seconds_total", "counter", "Work that restarts did not have to repeat.", saved_seconds},
    {"bivouac_job_efficiency_ratio", "gauge", "Share of the time that was work that counts.", efficiency},
    {"bivouac_job_memory_bytes", "gauge", "Memory of the job's processes.", memory},
    {"bivouac_job_cpu_seconds_total", "counter", "CPU time of the job in this attempt.", cpu_seconds},
    {"bivouac_checkpoint_generation", "gauge", "Number of the last checkpoint.", last_generation},
    {"bivouac_checkpoint_timestamp_seconds", "gauge", "When the last checkpoint was committed.", last_at},
    {"bivouac_checkpoint_freeze_seconds", "gauge", "How long the last checkpoint froze the job.", last_freeze},
    {"bivouac_checkpoint_drain_seconds", "gauge", "From the thaw until everything was taken in.", last_drain},
    {"bivouac_checkpoint_write_seconds", "gauge", "From the first byte compressed to the last written.", last_write},
    {"bivouac_checkpoint_sync_seconds", "gauge", "From the last byte written until all was durable.", last_sync},
    {"bivouac_checkpoint_duration_seconds", "gauge", "From the request to the commit.", last_total},
    {"bivouac_checkpoint_raw_bytes", "gauge", "What the last checkpoint holds.", last_raw},
    {"bivouac_checkpoint_new_bytes", "gauge", "What of it the one before did not have.", last_new},
    {"bivouac_checkpoint_stored_bytes", "gauge", "What it has added to the store.", last_stored},
    {"bivouac_checkpoint_next_timestamp_seconds", "gauge", "When the next checkpoint is due.", next_at},
};

/* --- text --- */

static void put_family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* name="value", escaped. */
static void put_label(FILE *out, const char *name, const char *value)
{
    autofree char *plain = cmd_plain_text(value);
    fprintf(out, "%s=\"", name);
    for (const char *p = plain; *p; p++) {
        if (*p == '\\' || *p == '"')
            fputc('\\', out);
        fputc(*p, out);
    }
    fputc('"', out);
}

static void put_jobs(FILE *out, const struct cmd_watch *all)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        put_family(out, families[i].name, families[i].type, families[i].help);
        for (size_t k = 0; k < all->jobs; k++) {
            const struct cmd_watched *w = &all->job[k];
            double value = w->why.code ? NAN : families[i].value(w);
            if (isnan(value))
                continue;
            fprintf(out, "%s{", families[i].name);
            put_label(out, "store", w->store);
            fputc(',', out);
            put_label(out, "job", w->job);
            fprintf(out, "} %.15g\n", value);
        }
    }
}

static void put_counts(FILE *out, const struct cmd_watch *all)
{
    put_family(out, "bivouac_jobs", "gauge", "Jobs of the store, by what has become of them.");
    for (size_t i = 0; i < all->stores; i++)
        for (int state = 0; state <= CMD_INTERRUPTED; state++) {
            size_t n = 0;
            for (size_t k = 0; k < all->jobs; k++)
                n +=
                    all->job[k].store == all->path[i] && !all->job[k].why.code && (int)all->job[k].state.state == state;
            fputs("bivouac_jobs{", out);
            put_label(out, "store", all->path[i]);
            fputc(',', out);
            put_label(out, "state", cmd_state_name((enum cmd_state)state));
            fprintf(out, "} %zu\n", n);
        }
    put_family(out, "bivouac_unreadable_jobs", "gauge", "Jobs of the store that cannot be read.");
    for (size_t i = 0; i < all->stores; i++) {
        size_t n = 0;
        for (size_t k = 0; k < all->jobs; k++)
            n += all->job[k].store == all->path[i] && all->job[k].why.code;
        fputs("bivouac_unreadable_jobs{", out);
        put_label(out, "store", all->path[i]);
        fprintf(out, "} %zu\n", n);
    }
}

static void put_space(FILE *out, const struct cmd_watch *all, const char *name, const char *help, int is_free)
{
    put_family(out, name, "gauge", help);
    for (size_t i = 0; i < all->stores; i++) {
        struct statvfs fs;
        if (statvfs(all->path[i], &fs) < 0)
            continue;
        fprintf(out, "%s{", name);
        put_label(out, "store", all->path[i]);
        fprintf(out, "} %.15g\n", (double)(is_free ? fs.f_bavail : fs.f_blocks) * (double)fs.f_frsize);
    }
}

static void put_all(FILE *out, const struct cmd_watch *all)
{
    put_family(out, "bivouac_build_info", "gauge", "The version of Bivouac, always 1.");
    fputs("bivouac_build_info{version=\"" BV_VERSION "\"} 1\n", out);
    put_space(out, all, "bivouac_store_size_bytes", "Size of the store's file system.", 0);
    put_space(out, all, "bivouac_store_free_bytes", "What of it is free for the user.", 1);
    put_counts(out, all);
    put_jobs(out, all);
}

static int write_all(const struct request *r, struct bv_error *err)
{
    autowatch struct cmd_watch all = {0};
    autofree char *text = NULL;
    size_t size;
    if (cmd_watch_read(r->stores, 0, &all, err) < 0)
        return -1;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get memory");
    put_all(out, &all);
    if (fclose(out) != 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot get memory");
    if (!r->output) {
        if (fwrite(text, 1, size, stdout) != size || fflush(stdout) != 0)
            return bv_fail(err, BV_EINTERNAL, errno, "cannot write to standard output");
        return 0;
    }
    /* The collector runs as another user. */
    mode_t mask = umask(0);
    umask(mask);
    return cmd_write_file(r->output, text, size, 0666 & ~mask, err);
}

int bv_cmd_metrics(int argc, char **argv)
{
    struct bv_error err = {0};
    struct request r = {0};
    int status;
    const struct cmd_option options[] = {
        {'o', "output", "FILE", "write to FILE, at once, instead of standard output", .to = &r.output},
        {'s', "store", "DIR", "where checkpoints are kept (default: $BIVOUAC_STORE, else\n~/.bivouac); may be repeated",
         .take = cmd_take_list, .to = &r.stores},
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (optind != argc)
        return cmd_usage("metrics", "no argument is needed");
    int rc = write_all(&r, &err);
    for (size_t i = 0; r.stores && r.stores[i]; i++)
        free(r.stores[i]);
    free(r.stores);
    return rc < 0 ? cmd_fail(&err, 0) : 0;
}
