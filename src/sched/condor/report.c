/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/condor/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "proc/cpu.h"
#include "base/command.h"
#include "sched/condor/ad.h"
#include "store/event.h"
#include "store/generation.h"

#define CHIRP_TIMEOUT 5.0 /* s: the starter answers at once, or is about to kill us */

/* --- what there is to tell --- */

static void add_event(const json_t *e, struct bv_condor_report *r)
{
    const char *event = json_string_value(json_object_get(e, "event"));
    if (event && strcmp(event, "ended") == 0)
        r->cpu_s += json_number_value(json_object_get(e, "cpu_s"));
    if (!event || strcmp(event, "checkpointed") != 0)
        return;
    json_int_t memory = json_integer_value(json_object_get(e, "memory_bytes"));
    r->checkpoints++;
    r->frozen_s += json_number_value(json_object_get(e, "frozen_s"));
    if (memory > 0 && (uint64_t)memory > r->memory)
        r->memory = (uint64_t)memory;
}

static char *needs_of(const struct bv_job *j, unsigned generation)
{
    autogen struct bv_gen *g = NULL;
    json_t *host;
    const char *machine, *cpu;
    if (bv_gen_open(j, generation, &g, NULL) < 0 || bv_json_object(bv_gen_content(g), "host", &host, NULL) < 0 ||
        bv_json_str(host, "machine", &machine, NULL) < 0 || bv_json_str(host, "cpu", &cpu, NULL) < 0)
        return NULL;
    char *names = bv_cpu_features(machine, cpu);
    for (char *c = names; *c; c++)
        if (*c == ',')
            *c = ' ';
    return names;
}

void bv_condor_report_read(const struct bv_job *j, struct bv_condor_report *ret)
{
    struct rusage used;
    autojson json_t *events = NULL;
    autofree unsigned *list = NULL;
    size_t n = 0;
    *ret = (struct bv_condor_report){0};
    if (getrusage(RUSAGE_CHILDREN, &used) == 0)
        ret->memory = (uint64_t)used.ru_maxrss << 10;
    if (bv_event_read(j, &events, NULL) == 0)
        for (size_t i = 0; i < json_array_size(events); i++)
            add_event(json_array_get(events, i), ret);
    if (bv_generation_list(j, &list, &n, NULL) == 0 && n > 0)
        ret->needs = needs_of(j, list[n - 1]);
}

void bv_condor_report_free(struct bv_condor_report *r)
{
    free(r->needs);
    *r = (struct bv_condor_report){0};
}

/* --- condor_chirp --- */

/* It stands among HTCondor's own programs, and these are not in PATH. */
static char *find_chirp(void)
{
    char name[] = "condor_config_val", what[] = "LIBEXEC";
    char *argv[] = {name, what, NULL};
    autocommand struct bv_command_result r = {0};
    if (bv_command_run(name, argv, CHIRP_TIMEOUT, &r, NULL) < 0 || r.status != 0)
        return NULL;
    r.out[strcspn(r.out, "\n")] = '\0';
    return r.out[0] == '/' ? bv_asprintf("%s/condor_chirp", r.out) : NULL;
}

/* -1 if there is no use in a further one. */
static int set_attribute(const char *chirp, const char *attribute, const char *value)
{
    char name[] = "condor_chirp", set[] = "set_job_attr";
    autofree char *a = bv_strdup(attribute), *v = bv_strdup(value);
    char *argv[] = {name, set, a, v, NULL};
    autocommand struct bv_command_result r = {0};
    return bv_command_run(chirp, argv, CHIRP_TIMEOUT, &r, NULL) < 0 || r.status != 0 ? -1 : 0;
}

struct attribute {
    const char *name;
    char *value;
};

/* The list ends with a NULL value; they are freed. */
static void set_all(const struct attribute *list)
{
    const char *config = getenv("_CONDOR_CHIRP_CONFIG");
    int can = (config && *config) || access(".chirp.config", R_OK) == 0;
    autofree char *chirp = can ? find_chirp() : NULL;
    int rc = can ? 0 : -1;
    for (const struct attribute *a = list; a->value; a++) {
        if (rc == 0)
            rc = set_attribute(chirp ? chirp : "condor_chirp", a->name, a->value);
        free(a->value);
    }
}

void bv_condor_report_send(const struct bv_condor_report *r)
{
    const struct attribute list[] = {
        {"BivouacCpuNeeds", bv_condor_quote(r->needs ? r->needs : "")},
        {"BivouacCpuSeconds", bv_asprintf("%.2f", r->cpu_s)},
        {"BivouacPeakMemoryKiB", bv_asprintf("%llu", (unsigned long long)(r->memory >> 10))},
        {"BivouacCheckpoints", bv_asprintf("%u", r->checkpoints)},
        {"BivouacFrozenSeconds", bv_asprintf("%.3f", r->frozen_s)},
        {NULL, NULL},
    };
    set_all(list);
}

void bv_condor_report_end(int status)
{
    if (status < 100)
        return;
    const struct attribute list[] = {{"BivouacProgramStatus", bv_asprintf("%d", status)}, {NULL, NULL}};
    set_all(list);
}

void bv_condor_report_failure(const struct bv_error *e)
{
    const char *path = getenv("_CONDOR_WRAPPER_ERROR_FILE");
    autofree char *text = bv_asprintf("Bivouac: %s", e->text);
    autoclose int fd = path && *path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    const struct attribute list[] = {{"BivouacFailed", bv_condor_quote(e->text)}, {NULL, NULL}};
    if (fd >= 0 && bv_write_full(fd, text, strlen(text)) < 0)
        close_fd(&fd); /* the attribute may still get through */
    set_all(list);
}
