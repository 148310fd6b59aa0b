/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define LAST_MIN 20 /* characters */

char **cmd_table_add(struct cmd_table *t)
{
    t->cell = bv_realloc(t->cell, (t->rows + 1) * t->columns, sizeof(t->cell[0]));
    char **row = &t->cell[t->rows++ * t->columns];
    for (size_t k = 0; k < t->columns; k++)
        row[k] = NULL;
    return row;
}

void cmd_table_free(struct cmd_table *t)
{
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cell[i]);
    free(t->cell);
    t->cell = NULL;
    t->rows = 0;
}

static int begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += (size_t)begins_character(*text);
    return n;
}

size_t cmd_text_cut(const char *text, size_t columns)
{
    size_t i = 0;
    for (size_t seen = 0; text[i]; i++) {
        seen += (size_t)begins_character(text[i]);
        if (seen > columns)
            break;
    }
    return i;
}

/* Row 0 are the titles. */
static const char *cell_of(const struct cmd_table *t, size_t row, size_t column)
{
    const char *text = row ? t->cell[(row - 1) * t->columns + column] : t->title[column];
    return text ? text : "-";
}

void cmd_table_print(const struct cmd_table *t, FILE *out, size_t width)
{
    size_t before = 0;
    autofree size_t *wide = bv_alloc((t->columns + 1) * sizeof(*wide));
    for (size_t k = 0; k + 1 < t->columns; k++) {
        for (size_t i = 0; i <= t->rows; i++)
            if (characters(cell_of(t, i, k)) > wide[k])
                wide[k] = characters(cell_of(t, i, k));
        before += wide[k] + 2;
    }
    size_t room = width > before + LAST_MIN ? width - before : LAST_MIN;
    for (size_t i = 0; i <= t->rows; i++) {
        for (size_t k = 0; k + 1 < t->columns; k++) {
            const char *text = cell_of(t, i, k);
            fprintf(out, "%s%*s", text, (int)(wide[k] - characters(text)) + 2, "");
        }
        const char *last = cell_of(t, i, t->columns - 1);
        fprintf(out, "%.*s\n", (int)(width ? cmd_text_cut(last, room) : strlen(last)), last);
    }
}
