/* SPDX-License-Identifier: Apache-2.0 */
/* A row of bivouac-matrix(1): ranks that send a token round and sum up, before and after. It is compiled where it is
 * run, with nothing but MPI. */
#include <mpi.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WORDS    100000
#define PATIENCE 6000 /* naps of 10 ms */

static int rank, size, words[WORDS];

/* Each rank has had it in its hands when it is back, and all agree on the sum. */
static int go_round(int base)
{
    int left = (rank + size - 1) % size, right = (rank + 1) % size, sum = 0;
    if (rank == 0) {
        for (int i = 0; i < WORDS; i++)
            words[i] = base + i;
        MPI_Send(words, WORDS, MPI_INT, right, 1, MPI_COMM_WORLD);
    }
    MPI_Recv(words, WORDS, MPI_INT, left, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank != 0) {
        for (int i = 0; i < WORDS; i++)
            words[i]++;
        MPI_Send(words, WORDS, MPI_INT, right, 1, MPI_COMM_WORLD);
    }
    int good = 1;
    for (int i = 0; rank == 0 && i < WORDS; i++)
        good &= words[i] == base + i + size - 1;
    MPI_Allreduce(&good, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    return sum == size;
}

static int wait_for_go(void)
{
    int there = 0;
    for (int i = 0; rank == 0 && i < PATIENCE && !there; i++) {
        there = access("go", F_OK) == 0;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    MPI_Bcast(&there, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return there;
}

static void say(const char *words_to_say)
{
    if (rank == 0) {
        printf("%s\n", words_to_say);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int good = go_round(17);
    say(good ? "ready" : "the ranks do not agree from the beginning");
    good = good && wait_for_go() && go_round(4711);
    if (good)
        say("ok");
    else
        say("the ranks do not agree any more");
    MPI_Finalize();
    return good ? 0 : 1;
}
