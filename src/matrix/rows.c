/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

#include <string.h>

static const struct matrix_row *const tables[] = {
    matrix_rows_process,   matrix_rows_files, matrix_rows_network, matrix_rows_mpi,
    matrix_rows_container, matrix_rows_moved, matrix_rows_cpu,     matrix_rows_objects,
};

static const char *const names[MATRIX_OUTCOMES] = {
    [MATRIX_WORKS] = "works", [MATRIX_LOST] = "lost",         [MATRIX_REFUSED] = "refused",
    [MATRIX_FAILS] = "fails", [MATRIX_NOT_HERE] = "not-here",
};

const char *matrix_outcome_name(enum matrix_outcome outcome)
{
    return names[outcome];
}

enum matrix_outcome matrix_outcome_find(const char *name, size_t n)
{
    for (size_t i = 0; i < MATRIX_OUTCOMES; i++)
        if (strlen(names[i]) == n && strncmp(names[i], name, n) == 0)
            return (enum matrix_outcome)i;
    return MATRIX_OUTCOMES;
}

const struct matrix_row *matrix_row(size_t i)
{
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
        for (const struct matrix_row *row = tables[t]; row->name; row++)
            if (i-- == 0)
                return row;
    return NULL;
}

size_t matrix_row_count(void)
{
    size_t n = 0;
    while (matrix_row(n))
        n++;
    return n;
}
