/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "matrix/matrix.h"

/* The tables of rows, one for each file rows_*.c; each ends with a row without a name. */
extern const struct matrix_row matrix_rows_process[];
extern const struct matrix_row matrix_rows_files[];
extern const struct matrix_row matrix_rows_network[];
extern const struct matrix_row matrix_rows_mpi[];
extern const struct matrix_row matrix_rows_container[];
extern const struct matrix_row matrix_rows_moved[];
extern const struct matrix_row matrix_rows_cpu[];
extern const struct matrix_row matrix_rows_objects[];
