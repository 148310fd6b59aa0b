/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

/* Other machines, as far as one can have them on this one. */
const struct matrix_row matrix_rows_cpu[] = {
    {"lesser-cpu", "cpu", "a restart where the CPU lacks what the job may have used",
     MATRIX_WORDS("@process", "serial"), .needs = "unshare mount", .restart_in = MATRIX_WORDS("@lesser-cpu.sh")},
    {"cpu-baseline", "cpu", "a job that is kept to x86-64-v2", MATRIX_WORDS("@process", "serial"),
     .options = MATRIX_WORDS("--cpu-baseline", "x86-64-v2")},
    {"younger-host", "cpu", "a restart on a host that was booted later", MATRIX_WORDS("@process", "clocks"),
     .needs = "unshare", .restart_in = MATRIX_WORDS("@younger-host.sh")},
    {NULL},
};
