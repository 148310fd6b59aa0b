/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <stddef.h>

/* What the programs of the table's rows have in common; matrix.h says what is expected of them. They use nothing of
 * Bivouac, as it is with a user's own.
 *
 *     static void serial(void)
 *     {
 *         int n = 42;
 *         row_ready();
 *         row_check(n == 42, "the number is %d now", n);
 *     }
 *     static const struct row_case cases[] = {{"serial", serial}, {NULL}};
 *
 *     int main(int argc, char **argv)
 *     {
 *         return row_main(argc, argv, cases);
 *     } */

struct row_case {
    const char *name;
    void (*run)(void); /* returns if all is well */
};

/* Run the case that argv[1] names, and print "ok". */
int row_main(int argc, char **argv, const struct row_case *cases);

/* Print "ready" and wait until there is a file "go": until then there was a checkpoint and a restart. */
void row_ready(void);

/* Print a line of the protocol at once. */
void row_say(const char *word);
int row_exists(const char *name);
/* Wait until there is a file of that name, for a minute at most. */
void row_wait_for(const char *name);
/* For 10 ms. */
void row_nap(void);

/* Print a sentence, and end: with 1, or with 77 when this machine cannot have the object. `row_must` is for what must
 * succeed before there is anything to be checked. */
_Noreturn void row_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void row_not_here(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define row_check(condition, ...)                                                                                      \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            row_fail(__VA_ARGS__);                                                                                     \
    } while (0)
#define row_must(condition) row_check(condition, "%s:%d: %s: errno %d", __func__, __LINE__, #condition, errno)

/* Write `text` to the descriptor, read it back from the other one; fails with `what` if that does not succeed. */
void row_echo(int from, int to, const char *text, const char *what);
/* Does the file hold exactly this? */
int row_holds(const char *name, const char *text);
/* Write a new file of `size` bytes, each of which follows from its place; and check it, from its descriptor. */
void row_fill(int fd, size_t size);
int row_is_filled(int fd, size_t size);
