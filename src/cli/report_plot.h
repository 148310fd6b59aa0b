/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "job/timeline.h"

/* Plots of the report, as SVG within a page of HTML. Colours are those of the page's style, by the names of classes. */

enum report_unit { REPORT_SECONDS, REPORT_BYTES };

struct report_series {
    const char *name, *class;
    const double *value; /* one for each group; < 0 = not known */
};

struct report_bars {
    const char *id, *title;
    const char *prefix; /* of the label of a group, "@" */
    const unsigned *label;
    size_t groups;
    enum report_unit unit;
    const struct report_series *series;
    size_t count;
};

/* Bars side by side for each group, with a scale. */
void report_bars(FILE *out, const struct report_bars *p);

/* A row for each attempt from `first` on, in real time: restoring, running, what of it was lost, and checkpoints. */
void report_timeline(FILE *out, const struct bv_timeline *t, size_t first);

/* The text with what HTML would take for its own replaced; it is plain (cmd_plain_text()). */
void report_text(FILE *out, const char *plain);

/* The same of an escaped JSON string. */
void report_json(FILE *out, const json_t *string);

/* "exit 0", "signal 15", "lost" */
void report_end_text(const struct bv_timeline_attempt *a, char ret[32]);

/* "0.021 s"; "?" for what is not known. */
void report_seconds_text(double seconds, char ret[24]);
