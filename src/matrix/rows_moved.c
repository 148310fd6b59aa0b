/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

/* Restarts elsewhere, and otherwise than the job was left. */
const struct matrix_row matrix_rows_moved[] = {
    {"other-directory", "moved", "a restart in another directory", MATRIX_WORDS("@moved", "directory"),
     .flow = MATRIX_MOVE},
    {"copy", "moved", "a restart as a copy, while the first job still runs", MATRIX_WORDS("@moved", "copy"),
     .flow = MATRIX_COPY},
    {"roll-back", "moved", "files and output put back after the job went on and was killed",
     MATRIX_WORDS("@moved", "roll-back"), .flow = MATRIX_CRASH},
    {NULL},
};
