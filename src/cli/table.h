/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* Text in columns that are as wide as what is in them. */

struct cmd_table {
    const char *const *title; /* of each column */
    size_t columns;
    char **cell; /* row by row; allocated, NULL is shown as "-" */
    size_t rows;
};

/* The cells of a new row, all NULL; valid until the next call. */
char **cmd_table_add(struct cmd_table *t);

/* With its titles. The last column is cut to what a terminal of `width` columns has room for on the line, but some of
 * it is always shown; 0 = no terminal. */
void cmd_table_print(const struct cmd_table *t, FILE *out, size_t width);

/* The bytes of the first `columns` characters of the text; all of it if there are no more. */
size_t cmd_text_cut(const char *text, size_t columns);

void cmd_table_free(struct cmd_table *t);
#define autotable __attribute__((cleanup(cmd_table_free)))
