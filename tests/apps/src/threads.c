/* SPDX-License-Identifier: Apache-2.0 */
/* threads [ROUNDS]: four threads that meet in every round at a barrier made of a mutex and a condition variable, each
 * with state in thread-local storage; the sums that they leave do not depend on who came first. */

#include "app.h"

#include <pthread.h>

enum { THREADS = 4 };

static _Thread_local uint32_t own;
static _Thread_local char own_name[16];

static struct {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    unsigned here, round;
    uint32_t sum, published;
    unsigned rounds;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .all_here = PTHREAD_COND_INITIALIZER};

static uint32_t work(uint32_t x)
{
    for (int i = 0; i < 30000; i++)
        x = x * 1664525U + 1013904223U;
    return x;
}

/* Adds this thread's number to the sum of the round and waits for the others. The last one closes the round. */
static void meet(uint32_t number)
{
    pthread_mutex_lock(&shared.lock);
    unsigned round = shared.round;
    shared.sum += number;
    if (++shared.here == THREADS) {
        shared.published = shared.sum;
        shared.sum = 0;
        shared.here = 0;
        shared.round++;
        if (shared.round % 20 == 0) {
            printf("round %u: %08x\n", shared.round, shared.published);
            fflush(stdout);
        }
        pthread_cond_broadcast(&shared.all_here);
    } else {
        while (shared.round == round)
            pthread_cond_wait(&shared.all_here, &shared.lock);
    }
    pthread_mutex_unlock(&shared.lock);
}

static void *run(void *arg)
{
    unsigned id = (unsigned)(uintptr_t)arg;
    char name[16];

    own = mix(id + 1);
    snprintf(own_name, sizeof(own_name), "worker-%u", id);
    for (unsigned round = 0; round < shared.rounds; round++) {
        own = work(own ^ shared.published);
        pause_ms(1 + (id + round) % 5);
        meet(own);
        CHECK(shared.round >= round + 1);
    }
    snprintf(name, sizeof(name), "worker-%u", id);
    CHECK(strcmp(name, own_name) == 0);
    return (void *)(uintptr_t)own;
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS];

    shared.rounds = argument(argc, argv, 1, 800);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, run, (void *)i) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *result;

        CHECK(pthread_join(thread[i], &result) == 0);
        printf("thread %u ends with %08x\n", i, (uint32_t)(uintptr_t)result);
    }
    return 0;
}
