/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "config/value.h"

#define ACTIONS "pass|checkpoint|checkpoint-and-stop|ignore" /* in the order of enum bv_signal_action */

/* The number of "SIGUSR1", "USR1" or "10"; 0 if there is none. */
static int number_of(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    if (digits && digits <= 2 && !name[digits])
        return atoi(name) < BV_SIGNALS ? atoi(name) : 0;
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < BV_SIGNALS; i++) {
        const char *known = sigabbrev_np(i);
        if (known && strcmp(known, name) == 0)
            return i;
    }
    return 0;
}

/* Those that nobody can take, those that tell of an error of the supervisor itself, and the one by which it learns that
 * a child has ended. */
static int is_taken(int number)
{
    static const int taken[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGCHLD};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (taken[i] == number)
            return 1;
    return 0;
}

static int parse_one(char *pair, struct bv_signal_actions *a, struct bv_error *err)
{
    char *action = strchr(pair, '=');
    if (!action)
        return bv_fail(err, BV_EUSAGE, 0, "write SIGNAL=ACTION, not '%.100s'", pair);
    *action++ = '\0';
    int number = number_of(pair), place;
    if (!number)
        return bv_fail(err, BV_EUSAGE, 0, "there is no signal '%.100s'", pair);
    if (is_taken(number))
        return bv_fail(err, BV_EUSAGE, 0, "SIG%s cannot be given another meaning", sigabbrev_np(number));
    if (bv_value_word(action, ACTIONS, &place, err) < 0)
        return -1;
    a->of[number] = (unsigned char)place;
    return 0;
}

int bv_value_signals(const char *text, struct bv_signal_actions *ret, struct bv_error *err)
{
    struct bv_signal_actions a = {0};
    autofree char *copy = bv_strdup(text);
    for (char *pair = copy, *next; pair; pair = next) {
        next = strchr(pair, ',');
        if (next)
            *next++ = '\0';
        if (parse_one(pair, &a, err) < 0)
            return -1;
    }
    *ret = a;
    return 0;
}
