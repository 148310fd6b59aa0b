/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

#define BUBBLEWRAP "bwrap", "--die-with-parent", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid"

const struct matrix_row matrix_rows_container[] = {
    {"in-bubblewrap", "container", "inside of a container of bubblewrap, restarted in a new one",
     MATRIX_WORDS("@process", "fork-tree"), .needs = "bwrap", .run_in = MATRIX_WORDS(BUBBLEWRAP),
     .restart_in = MATRIX_WORDS(BUBBLEWRAP)},
    {"in-apptainer", "container", "inside of a container of Apptainer, restarted in a new one",
     MATRIX_WORDS("@process", "fork-tree"), .needs = "apptainer", .run_in = MATRIX_WORDS("@in-apptainer.sh"),
     .restart_in = MATRIX_WORDS("@in-apptainer.sh")},
    {"has-container", "container", "a job that itself starts a container",
     MATRIX_WORDS(BUBBLEWRAP, "@process", "serial"), .needs = "bwrap"},
    {"from-outside", "container", "a container of runc from outside, without root",
     MATRIX_WORDS("runc", "run", "--bundle", ".", "bivouac-matrix"), .needs = "runc",
     .prepare = MATRIX_WORDS("@without-root.sh", "runc", "spec", "--rootless")},
    {NULL},
};
