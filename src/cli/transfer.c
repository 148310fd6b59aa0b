/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/transfer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cmd.h"

#define SHOW_EVERY_NS (BV_NSEC_PER_SEC / 5)

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

static int tell(void *arg, const char *doing, uint64_t done, uint64_t total)
{
    struct cmd_transfer *t = arg;
    char did[16], all[16];
    int64_t now = t->is_shown ? bv_clock_ns(CLOCK_MONOTONIC) : 0;
    if (t->is_shown && (t->shown_ns == 0 || now - t->shown_ns >= SHOW_EVERY_NS)) {
        t->shown_ns = now;
        cmd_size_text(done, did);
        cmd_size_text(total, all);
        fprintf(stderr, "\r\033[K%s%s%s", doing, t->what[0] ? " " : "", t->what);
        if (done)
            fprintf(stderr, total ? ", %s of %s" : ", %s", did, all);
        fputs(" ...", stderr);
    }
    return caught;
}

static void catch_signals(void (*handler)(int))
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    /* No SA_RESTART: a read that waits for more of the stream is to come back. */
    struct sigaction action = {.sa_handler = handler}, old;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) /* as under nohup(1) */
            sigaction(numbers[i], &action, NULL);
}

void cmd_transfer_begin(struct cmd_transfer *t, const char *what)
{
    *t = (struct cmd_transfer){.what = what, .is_shown = isatty(STDERR_FILENO)};
    t->watch = (struct bv_transfer_watch){.tell = tell, .arg = t};
    catch_signals(on_signal);
}

void cmd_transfer_end(struct cmd_transfer *t)
{
    if (t->shown_ns)
        fputs("\r\033[K", stderr);
    catch_signals(SIG_DFL);
    if (caught)
        raise(caught);
}
