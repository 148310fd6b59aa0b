/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/summary.h"
#include "job/capture.h"
#include "store/event.h"
#include "store/pin.h"

static const struct {
    const char *key, *name;
} phase[] = {
    {"frozen_s", "freeze"}, {"drain_s", "drain"}, {"write_s", "write"}, {"sync_s", "sync"}, {"total_s", "in all"}};

#define PHASES (sizeof(phase) / sizeof(phase[0]))

#define LIST_MAX (256u << 20) /* bytes of capture.json that are read */

/* The list of the job's files, as the checkpoint has it. */
static int read_files(struct bv_gen *g, json_t **ret, struct bv_error *err)
{
    ssize_t i = bv_gen_find(g, BV_CAPTURE_JSON);
    if (i < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint has no list of files");
    uint64_t size = bv_gen_stream(g, (size_t)i).size;
    if (size > LIST_MAX)
        return bv_fail(err, BV_ECORRUPT, 0, "the checkpoint's list of files is larger than %u MiB", LIST_MAX >> 20);

    autoclose int fd = memfd_create(BV_CAPTURE_JSON, MFD_CLOEXEC);
    if (fd < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot create a memory file");
    if (bv_gen_stream_copy(g, (size_t)i, fd, err) < 0)
        return -1;
    autofree char *text = bv_alloc(size + 1);
    if (bv_pread_full(fd, text, size, 0) != (ssize_t)size)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot read the list of files");
    return bv_json_parse(text, size, ret, err);
}

/* How long the phases of the checkpoint took, which only the history knows: nothing can tell of its own sync. Keys that
 * are not known are null. */
static json_t *read_phases(const struct bv_job *job, unsigned generation)
{
    autojson json_t *events = NULL;
    const json_t *made = NULL;
    if (bv_event_read(job, &events, NULL) < 0)
        events = json_array();
    for (size_t i = json_array_size(events); i-- > 0 && !made;) {
        const json_t *e = json_array_get(events, i);
        const char *what = json_string_value(json_object_get(e, "event"));
        if (what && strcmp(what, "checkpointed") == 0 &&
            json_integer_value(json_object_get(e, "generation")) == (json_int_t)generation)
            made = e;
    }

    json_t *phases = json_object();
    for (size_t k = 0; k < PHASES; k++) {
        json_t *seconds = json_object_get(made, phase[k].key);
        bv_json_set(phases, phase[k].key, json_is_number(seconds) ? json_incref(seconds) : json_null());
    }
    return phases;
}

static unsigned long long size_of(const json_t *entry)
{
    json_int_t n = json_integer_value(json_object_get(entry, "size"));
    return n > 0 ? (unsigned long long)n : 0;
}

static int is_word(const json_t *entry, const char *key, const char *word)
{
    const char *value = json_string_value(json_object_get(entry, key));
    return value && strcmp(value, word) == 0;
}

static void print_file(const json_t *entry, const char *class, const char *dir)
{
    char size[16];
    autofree char *path = cmd_safe_text(json_object_get(entry, "path"));
    cmd_size_text(size_of(entry), size);
    int bare = strcmp(class, "recorded") == 0;
    printf("  %-11s %10s  %s%s%s%s\n", class, size, dir, *dir ? "/" : "", path,
           bare ? "  (recorded only: its content is not in the checkpoint)" : "");
}

static void print_directory(const json_t *d)
{
    char size[16];
    unsigned long long bytes = 0;
    size_t files = 0;
    const json_t *entries = json_object_get(d, "entries");
    autofree char *path = cmd_safe_text(json_object_get(d, "path"));
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *e = json_array_get(entries, i);
        if (is_word(e, "type", "file")) {
            files++;
            bytes += size_of(e);
        }
    }
    cmd_size_text(bytes, size);
    printf("  %-11s %10s  %s (%zu file%s%s)\n", "directory", size, path, files, files == 1 ? "" : "s",
           json_is_true(json_object_get(d, "volatile")) ? ", of the capsule" : "");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *e = json_array_get(entries, i);
        if (is_word(e, "type", "file") && !json_object_get(e, "content"))
            print_file(e, "recorded", path);
    }
}

static void print_files(const json_t *all)
{
    const json_t *files = json_object_get(all, "files"), *directories = json_object_get(all, "directories");
    puts("\nfiles");
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *e = json_array_get(files, i);
        autofree char *class = cmd_safe_text(json_object_get(e, "class"));
        print_file(e, class, "");
    }
    for (size_t i = 0; i < json_array_size(directories); i++)
        print_directory(json_array_get(directories, i));
}

static void print_findings(const json_t *findings)
{
    static const char *const keys[] = {"weight", "command", "text", "remedy"};
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        char *text[4];
        for (size_t k = 0; k < 4; k++) {
            const json_t *value = json_object_get(f, keys[k]);
            text[k] = json_is_string(value) ? cmd_safe_text(value) : bv_strdup("");
        }
        printf("%s  %-8s %s%s%s %s\n", i ? "" : "\nfindings\n", text[0], text[1], *text[1] ? ": " : "", text[2],
               text[3]);
        for (size_t k = 0; k < 4; k++)
            free(text[k]);
    }
}

static void print_stdio(const json_t *stdio)
{
    printf("%-11s", "stdio");
    for (size_t i = 0; i < json_array_size(stdio); i++) {
        autofree char *kind = cmd_safe_text(json_object_get(json_array_get(stdio, i), "kind"));
        printf("%s%s", i ? ", " : "", kind);
    }
    putchar('\n');
}

static void print_pair(const char *title, const json_t *object, const char *first, const char *second)
{
    autofree char *a = cmd_safe_text(json_object_get(object, first));
    autofree char *b = cmd_safe_text(json_object_get(object, second));
    printf("%-11s%s %s\n", title, a, b);
}

static void print_phases(const json_t *phases)
{
    printf("%-11s", "phases");
    for (size_t k = 0; k < PHASES; k++) {
        const json_t *seconds = json_object_get(phases, phase[k].key);
        printf("%s%s ", k ? ", " : "", phase[k].name);
        if (json_is_number(seconds))
            printf("%.3f s", json_number_value(seconds));
        else
            putchar('?');
    }
    putchar('\n');
}

static void print_text(const struct bv_job *job, const struct cmd_generation *g, const struct bv_gen *gen,
                       const json_t *phases, const json_t *files)
{
    char raw[16], new[16], stored[16], zero[16];
    const json_t *content = bv_gen_content(gen), *relocated = json_object_get(content, "relocated");
    cmd_size_text(g->raw_bytes, raw);
    cmd_size_text(g->new_bytes, new);
    cmd_size_text(g->stored_bytes, stored);
    cmd_size_text(g->zero_bytes, zero);
    printf("%-11s%s@%u\n", "checkpoint", job->id, g->number);
    printf("%-11s%s, by attempt %d, reason: %s\n", "created", g->created,
           (int)json_integer_value(json_object_get(bv_gen_manifest(gen), "attempt")), g->reason);
    print_pair("host", json_object_get(content, "host"), "name", "kernel");
    print_pair("engine", json_object_get(content, "engine"), "name", "version");
    if (g->pin) {
        autofree char *reason = cmd_safe_bytes(g->pin);
        printf("%-11syes%s%s\n", "pinned", *reason ? ", " : "", reason);
    }
    if (g->frozen_s > 0)
        printf("%-11s%.3f s\n", "frozen", g->frozen_s);
    else
        printf("%-11suntil it was ended\n", "frozen");
    print_phases(phases);
    printf("%-11s%s stored of %s, %s of it zeros, %s new\n", "bytes", stored, raw, zero, new);
    print_stdio(json_object_get(content, "stdio"));
    if (relocated) {
        autofree char *where = cmd_safe_text(relocated);
        printf("%-11s%s\n", "moved to", where);
    }
    for (size_t i = 0; i < json_array_size(g->warnings); i++) {
        autofree char *text = cmd_safe_text(json_array_get(g->warnings, i));
        printf("%-11s%s\n", i ? "" : "warnings", text);
    }
    print_findings(json_object_get(content, "findings"));
    print_files(files);
}

static void print_json(const struct bv_job *job, const struct cmd_generation *g, const struct bv_gen *gen,
                       json_t *phases, json_t *files)
{
    autojson json_t *all = cmd_generation_json(g);
    const json_t *manifest = bv_gen_manifest(gen);
    bv_json_set(all, "job", json_string(job->id));
    bv_json_set(all, "attempt", json_incref(json_object_get(manifest, "attempt")));
    bv_json_set(all, "content", json_deep_copy(bv_gen_content(gen)));
    bv_json_set(all, "phases", json_incref(phases));
    bv_json_set(all, "files", json_incref(files));
    cmd_print_json(all);
}

int show_generation(const struct bv_job *job, unsigned generation, int json, struct bv_error *err)
{
    autogen struct bv_gen *gen = NULL;
    autojson json_t *files = NULL;
    struct cmd_generation g;
    if (bv_gen_open(job, generation, &gen, err) < 0 || read_files(gen, &files, err) < 0)
        return bv_wrap(err, "%s@%u", job->id, generation);
    cmd_generation_describe(gen, generation, &g);
    bv_pin_find(job, generation, &g.pin);
    autojson json_t *phases = read_phases(job, generation);
    if (json)
        print_json(job, &g, gen, phases, files);
    else
        print_text(job, &g, gen, phases, files);
    json_decref(g.warnings);
    free(g.pin);
    return 0;
}
