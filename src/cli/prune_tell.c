/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/prune.h"

static json_t *item_json(const struct prune_item *i, int yes)
{
    json_t *j = json_object();
    autofree char *name = prune_item_name(i);
    bv_json_set(j, "what", bv_json_bytes(name));
    bv_json_set(j, "kind", json_string(prune_kind_name(i->kind)));
    bv_json_set(j, "why", json_string(i->why));
    bv_json_set(j, "bytes", json_integer((json_int_t)i->bytes));
    if (i->job[0])
        bv_json_set(j, "job", json_string(i->job));
    if (i->generation)
        bv_json_set(j, "generation", json_integer(i->generation));
    if (yes)
        bv_json_set(j, "removed", json_boolean(i->removed));
    if (yes && !i->removed)
        bv_json_set(j, "error", bv_json_bytes(i->error.text));
    return j;
}

static void print_json(const struct bv_store *s, const struct prune_plan *p, int yes)
{
    autojson json_t *all = json_object();
    json_t *items = json_array(), *skipped = json_array();
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->count; i++) {
        bv_json_append(items, item_json(&p->items[i], yes));
        bytes += !yes || p->items[i].removed ? p->items[i].bytes : 0;
    }
    for (size_t i = 0; i < p->skipped_count; i++)
        bv_json_append(skipped,
                       json_pack("{s:s, s:o}", "job", p->skipped[i].job, "why", bv_json_bytes(p->skipped[i].why)));
    bv_json_set(all, "store", bv_json_bytes(s->path));
    bv_json_set(all, "dry_run", json_boolean(!yes));
    bv_json_set(all, "bytes", json_integer((json_int_t)bytes));
    bv_json_set(all, "items", items);
    bv_json_set(all, "left_alone", skipped);
    cmd_print_json(all);
}

static void print_text(const struct prune_plan *p, int yes)
{
    char size[16];
    uint64_t bytes = 0;
    size_t count = 0, live = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct prune_item *item = &p->items[i];
        autofree char *name = prune_item_name(item);
        if (yes && !item->removed)
            continue; /* told on standard error */
        cmd_size_text(item->bytes, size);
        printf("%10s  %s: %s\n", size, name, item->why);
        bytes += item->bytes;
        count++;
    }
    for (size_t i = 0; i < p->skipped_count; i++) {
        live += (size_t)p->skipped[i].lives;
        if (!p->skipped[i].lives)
            printf("left alone  %s: %s\n", p->skipped[i].job, p->skipped[i].why);
    }
    if (live)
        printf("left alone  %zu job%s that run%s\n", live, live == 1 ? "" : "s", live == 1 ? "s" : "");
    cmd_size_text(bytes, size);
    if (count == 0)
        puts("nothing to remove");
    else
        printf("%s %zu thing%s, %s%s\n", yes ? "removed" : "would remove", count, count == 1 ? "" : "s", size,
               yes ? "" : "; with --yes it is done");
}

int prune_tell(const struct bv_store *s, const struct prune_plan *p, int yes, int json)
{
    int status = 0;
    for (size_t i = 0; yes && i < p->count; i++) {
        const struct prune_item *item = &p->items[i];
        autofree char *name = prune_item_name(item);
        if (item->removed)
            continue;
        fprintf(stderr, "bivouac: cannot remove %s: %s\n", name, item->error.text);
        status = status ? status : (int)item->error.code;
    }
    if (json)
        print_json(s, p, yes);
    else
        print_text(p, yes);
    return status;
}
