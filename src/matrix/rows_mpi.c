/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

/* Whoever is root wants to try it all the same. */
#define AS_ROOT "--env", "OMPI_ALLOW_RUN_AS_ROOT=1", "--env", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"

const struct matrix_row matrix_rows_mpi[] = {
    {"mpirun", "mpi", "a launcher of MPI, here of two programs without it",
     MATRIX_WORDS("mpirun", "-n", "2", "@process", "serial"), .options = MATRIX_WORDS(AS_ROOT), .needs = "mpirun"},
    {"openmpi", "mpi", "two ranks of Open MPI that exchange messages",
     MATRIX_WORDS("mpirun.openmpi", "--oversubscribe", "-n", "2", "./ring"), .options = MATRIX_WORDS(AS_ROOT),
     .needs = "mpicc.openmpi mpirun.openmpi", .prepare = MATRIX_WORDS("mpicc.openmpi", "-o", "ring", "@mpi.c")},
    {"mpich", "mpi", "two ranks of MPICH that exchange messages", MATRIX_WORDS("mpirun.mpich", "-n", "2", "./ring"),
     .needs = "mpicc.mpich mpirun.mpich", .prepare = MATRIX_WORDS("mpicc.mpich", "-o", "ring", "@mpi.c")},
    {NULL},
};
