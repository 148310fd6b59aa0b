/* SPDX-License-Identifier: Apache-2.0 */
/* The job's network: how it reaches other hosts, and what becomes of its connections. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/past.h"
#include "job/ports.h"
#include "job/supervisor_private.h"

#define TOLD 3 /* connections that are named */

int network_check(struct supervisor *s, struct bv_error *err)
{
    const struct bv_network *n = &s->spec.network;
    if (n->outside != BV_OUTSIDE_NONE && bv_outside_check(bv_outside_name(n->outside), err) < 0)
        return -1;
    return link_check(s, err);
}

int network_check_ports(const struct supervisor *s, const struct restart *r, struct bv_error *err)
{
    return r->generation && !s->spec.private_network ? bv_ports_check(r->content, err) : 0;
}

int network_attach(struct supervisor *s, struct bv_error *err)
{
    enum bv_outside outside = s->spec.network.outside;
    if (outside == BV_OUTSIDE_NONE)
        return link_up(s, err);
    if (bv_outside_start(bv_outside_name(outside), s->capsule.init, &s->outside, err) < 0)
        return -1;
    return bv_capsule_own_addresses(&s->capsule, err);
}

void network_on_ended(struct supervisor *s)
{
    const char *name = s->outside.name;
    int status = bv_outside_ended(&s->outside);
    bv_warn("%s has ended (%s %d): job %s does not reach other hosts any more, until it is restarted", name,
            WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
            s->job.id);
    autojson json_t *fields = json_pack("{s:s, s:i}", "program", name, "status", status);
    bv_event_append(&s->job, "network-lost", s->attempt.number, fields, NULL);
}

static int has_been_used(const struct supervisor *s, unsigned generation)
{
    autojson json_t *events = NULL;
    return bv_event_read(&s->job, &events, NULL) < 0 || bv_past_has_kept(events, generation, s->attempt.number);
}

int network_closes(const struct supervisor *s, const struct restart *r)
{
    const char *leave = json_string_value(json_object_get(r->content, "leave"));
    int is_copy = s->base != r->generation;
    if (s->spec.tcp != BV_TCP_KEEP)
        return s->spec.tcp == BV_TCP_CLOSE;
    return !leave || strcmp(leave, "dead") != 0 || is_copy || has_been_used(s, r->generation);
}

int network_resume(struct supervisor *s, const struct restart *r, struct bv_error *err)
{
    /* Told before it is so: connections that are closed without need are better than such as hang. */
    if (s->spec.tcp == BV_TCP_KEEP && !network_closes(s, r)) {
        autojson json_t *fields = json_pack("{s:i}", "generation", (int)r->generation);
        if (bv_event_append(&s->job, BV_EVENT_KEPT, s->attempt.number, fields, err) < 0)
            return -1;
    }
    return network_attach(s, err);
}

/* "192.0.2.7 port 80 (pid 1003, curl), …" */
static char *list(const json_t *outside)
{
    char *text = bv_strdup("");
    for (size_t i = 0; i < json_array_size(outside) && i < TOLD; i++) {
        const json_t *c = json_array_get(outside, i);
        const char *remote = json_string_value(json_object_get(c, "remote"));
        const char *command = json_string_value(json_object_get(c, "command"));
        char *longer = bv_asprintf("%s%s%.48s port %d (pid %d, %.64s)", text, i ? ", " : "", remote ? remote : "?",
                                   (int)json_integer_value(json_object_get(c, "remote_port")),
                                   (int)json_integer_value(json_object_get(c, "pid")), command ? command : "?");
        free(text);
        text = longer;
    }
    return text;
}

void network_note_closed(struct supervisor *s, const struct restart *r)
{
    const json_t *outside = json_object_get(json_object_get(r->content, "network"), "outside");
    size_t n = json_array_size(outside);
    if (n == 0 || !network_closes(s, r))
        return;
    autofree char *which = list(outside);
    if (!s->options->quiet)
        bv_note("%zu TCP connection%s to outside of job %s %s closed: %s%s", n, n == 1 ? "" : "s", s->job.id,
                n == 1 ? "is" : "are", which, n > TOLD ? ", ..." : "");
    autojson json_t *fields = json_pack("{s:O}", "connections", (json_t *)outside);
    bv_event_append(&s->job, "connections-closed", s->attempt.number, fields, NULL);
}
