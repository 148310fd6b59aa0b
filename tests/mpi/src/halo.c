/* SPDX-License-Identifier: Apache-2.0 */
/* halo [STEPS [MS]]: a ring of ranks; each step exchanges borders with both neighbours and sums over all. Rank 0 prints
 * the sum now and then. Files tell where it is: "in-init" exists from just before MPI_Init, "in-finalize" from just
 * before MPI_Finalize, in which all wait for the last one, that comes MS later. */

#include "../../apps/src/app.h"

#include <fcntl.h>
#include <mpi.h>

enum { CELLS = 4096, BORDER = 512, EVERY = 20 };

static void tell(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT, 0644);

    CHECK(fd >= 0);
    close(fd);
}

static void exchange(uint32_t *cell, int rank, int size)
{
    int left = (rank + size - 1) % size, right = (rank + 1) % size;
    uint32_t from_left[BORDER], from_right[BORDER];
    MPI_Request request[4];

    MPI_Irecv(from_left, BORDER, MPI_UINT32_T, left, 1, MPI_COMM_WORLD, &request[0]);
    MPI_Irecv(from_right, BORDER, MPI_UINT32_T, right, 2, MPI_COMM_WORLD, &request[1]);
    MPI_Isend(cell + CELLS - BORDER, BORDER, MPI_UINT32_T, right, 1, MPI_COMM_WORLD, &request[2]);
    MPI_Isend(cell, BORDER, MPI_UINT32_T, left, 2, MPI_COMM_WORLD, &request[3]);
    CHECK(MPI_Waitall(4, request, MPI_STATUSES_IGNORE) == MPI_SUCCESS);
    for (int i = 0; i < BORDER; i++) {
        cell[i] ^= mix(from_left[i]);
        cell[CELLS - BORDER + i] += mix(from_right[i]);
    }
}

static uint32_t sum_of(const uint32_t *cell)
{
    uint32_t own = 0, all = 0;

    for (int i = 0; i < CELLS; i++)
        own = own * 31 + cell[i];
    CHECK(MPI_Allreduce(&own, &all, 1, MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD) == MPI_SUCCESS);
    return all;
}

int main(int argc, char **argv)
{
    static uint32_t cell[CELLS];
    unsigned steps = argument(argc, argv, 1, 400);
    int rank, size;

    tell("in-init");
    CHECK(MPI_Init(&argc, &argv) == MPI_SUCCESS);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < CELLS; i++)
        cell[i] = mix((uint32_t)(rank * CELLS + i));

    for (unsigned step = 1; step <= steps; step++) {
        exchange(cell, rank, size);
        uint32_t sum = sum_of(cell);
        if (rank == 0 && step % EVERY == 0) {
            printf("step %u of %d ranks: %08x\n", step, size, sum);
            fflush(stdout);
        }
        pause_ms(5);
    }
    tell("in-finalize");
    if (rank == size - 1)
        pause_ms(argument(argc, argv, 2, 0));
    CHECK(MPI_Finalize() == MPI_SUCCESS);
    return 0;
}
