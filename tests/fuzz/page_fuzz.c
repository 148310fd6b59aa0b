/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the history and the record of a job hold, the page about it is text without controls, and has no element
 * that we did not write. The record is the first line, the history what follows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/output.h"
#include "cli/report_page.h"
#include "store/event_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int condition)
{
    if (!condition)
        abort();
}

/* The elements of the page. */
static int is_ours(const char *name)
{
    static const char *const ours[] = {
        "!DOCTYPE",   "body",   "br",      "code",  "dd",   "defs",  "details", "div",  "dl",    "dt",
        "figcaption", "figure", "footer",  "h1",    "h2",   "head",  "header",  "html", "line",  "main",
        "meta",       "p",      "pattern", "rect",  "span", "style", "summary", "svg",  "table", "tbody",
        "td",         "text",   "th",      "thead", "time", "title", "tr"};
    name += *name == '/';
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        size_t n = strlen(ours[i]);
        if (strncmp(name, ours[i], n) == 0 && (name[n] == '>' || name[n] == ' ' || name[n] == '/'))
            return 1;
    }
    return 0;
}

static void check(const char *page)
{
    for (const char *p = page; *p; p++) {
        need((unsigned char)*p >= 0x20 || *p == '\n');
        need(*p != '<' || is_ours(p + 1));
    }
    for (const char *line = page; *line;) { /* it is UTF-8: nothing of it would have to be written otherwise */
        size_t n = strcspn(line, "\n");
        autofree char *copy = strndup(line, n);
        autofree char *plain = cmd_plain_text(copy);
        need(strcmp(copy, plain) == 0);
        line += n + (line[n] == '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bv_timeline t;
    struct cmd_job_state state = {.state = CMD_ENDED, .text = "ended (exit 0)"};
    struct bv_timeline_facts facts = {.now_ns = 1795299999000000000};
    const uint8_t *line = memchr(data, '\n', size);
    size_t first = line ? (size_t)(line - data) : size;
    autojson json_t *record = json_loadb((const char *)data, first, JSON_REJECT_DUPLICATES, NULL);
    autojson json_t *events = bv_events_parse((const char *)data + first, size - first, 0);
    autofree char *page = NULL;
    size_t length;
    FILE *out = open_memstream(&page, &length);
    need(out != NULL);
    bv_timeline_build(events, &facts, &t);
    report_page(out, "job", record, &state, &t);
    need(fclose(out) == 0 && strlen(page) == length);
    check(page);
    bv_timeline_free(&t);
    return 0;
}
