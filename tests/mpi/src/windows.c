/* SPDX-License-Identifier: Apache-2.0 */
/* windows [STEPS]: ranks write into each other's memory, through a window with fences and through shared memory, and
 * into two files of MPI-IO: each at its own place, and in turns at the shared one. All of it is checked. */

#include "../../apps/src/app.h"

#include <mpi.h>

enum { WORDS = 2048, EVERY = 20 };

static uint32_t word(unsigned step, int rank, unsigned i)
{
    return mix(step * 131071 + (uint32_t)rank * 8191 + i);
}

/* Each rank puts into its right neighbour's part. */
static void put_and_check(MPI_Win win, const uint32_t *mine, unsigned step, int rank, int size)
{
    uint32_t out[WORDS];

    for (unsigned i = 0; i < WORDS; i++)
        out[i] = word(step, rank, i);
    MPI_Win_fence(0, win);
    MPI_Put(out, WORDS, MPI_UINT32_T, (rank + 1) % size, 0, WORDS, MPI_UINT32_T, win);
    MPI_Win_fence(0, win);
    for (unsigned i = 0; i < WORDS; i++)
        CHECK(mine[i] == word(step, (rank + size - 1) % size, i));
}

/* Each rank writes into its own part, and reads that of its right neighbour directly. */
static void share_and_check(MPI_Win win, uint32_t *mine, unsigned step, int rank, int size)
{
    MPI_Aint bytes;
    int unit;
    uint32_t *theirs;

    for (unsigned i = 0; i < WORDS; i++)
        mine[i] = word(step, rank, i + 1);
    MPI_Win_sync(win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_sync(win);
    MPI_Win_shared_query(win, (rank + 1) % size, &bytes, &unit, &theirs);
    for (unsigned i = 0; i < WORDS; i++)
        CHECK(theirs[i] == word(step, (rank + 1) % size, i + 1));
    MPI_Barrier(MPI_COMM_WORLD);
}

static MPI_File open_file(const char *name)
{
    MPI_File f;

    CHECK(MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL, &f) == MPI_SUCCESS);
    return f;
}

static void write_files(MPI_File placed, MPI_File ordered, unsigned step, int rank, int size)
{
    uint32_t w[4], back[4];
    MPI_Offset at = (MPI_Offset)((step - 1) * (unsigned)size + (unsigned)rank) * (MPI_Offset)sizeof(w);

    for (unsigned i = 0; i < 4; i++)
        w[i] = word(step, rank, i);
    CHECK(MPI_File_write_at_all(placed, at, w, 4, MPI_UINT32_T, MPI_STATUS_IGNORE) == MPI_SUCCESS);
    CHECK(MPI_File_read_at(placed, at, back, 4, MPI_UINT32_T, MPI_STATUS_IGNORE) == MPI_SUCCESS);
    CHECK(memcmp(w, back, sizeof(w)) == 0);
    CHECK(MPI_File_write_ordered(ordered, w, 4, MPI_UINT32_T, MPI_STATUS_IGNORE) == MPI_SUCCESS);
}

int main(int argc, char **argv)
{
    unsigned steps = argument(argc, argv, 1, 200);
    uint32_t *put_to, *shared;
    MPI_Win window, memory;
    int rank, size;

    CHECK(MPI_Init(&argc, &argv) == MPI_SUCCESS);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Win_allocate(WORDS * sizeof(uint32_t), sizeof(uint32_t), MPI_INFO_NULL, MPI_COMM_WORLD, &put_to, &window);
    MPI_Win_allocate_shared(WORDS * sizeof(uint32_t), sizeof(uint32_t), MPI_INFO_NULL, MPI_COMM_WORLD, &shared,
                            &memory);
    MPI_Win_lock_all(0, memory);
    MPI_File placed = open_file("placed.bin"), ordered = open_file("ordered.bin");

    for (unsigned step = 1; step <= steps; step++) {
        put_and_check(window, put_to, step, rank, size);
        share_and_check(memory, shared, step, rank, size);
        write_files(placed, ordered, step, rank, size);
        if (rank == 0 && step % EVERY == 0) {
            printf("step %u\n", step);
            fflush(stdout);
        }
        pause_ms(10);
    }
    MPI_File_close(&placed);
    MPI_File_close(&ordered);
    MPI_Win_unlock_all(memory);
    MPI_Win_free(&memory);
    MPI_Win_free(&window);
    CHECK(MPI_Finalize() == MPI_SUCCESS);
    return 0;
}
