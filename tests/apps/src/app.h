/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What the test programs share. They are interrupted anywhere, so each checks what it reads back, says at once what it
 * did, and prints nothing that depends on time or on process numbers. */

/* The program's own check: a failed one ends it with status 99. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: failed: %s (errno: %s)\n", __FILE__, __LINE__, #condition, strerror(errno));       \
            _exit(99);                                                                                                 \
        }                                                                                                              \
    } while (0)

/* A number from a number; the same everywhere. */
static inline uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    return x ^ (x >> 16);
}

/* Sleeping in small steps makes a program long enough to be interrupted without loading the machine. */
static inline void pause_ms(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) < 0)
        CHECK(errno == EINTR);
}

/* The `i`th argument as a number, or `otherwise`. */
static inline unsigned argument(int argc, char **argv, int i, unsigned otherwise)
{
    return argc > i ? (unsigned)strtoul(argv[i], NULL, 10) : otherwise;
}

/* Exactly `size` bytes, however the kernel cuts them. */
static inline void read_all(int fd, void *buf, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)buf + done, size - done);
        CHECK(n > 0 || (n < 0 && errno == EINTR));
        done += n > 0 ? (size_t)n : 0;
    }
}

static inline void write_all(int fd, const void *buf, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)buf + done, size - done);
        CHECK(n > 0 || (n < 0 && errno == EINTR));
        done += n > 0 ? (size_t)n : 0;
    }
}
