/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>

/* Signals that would end us in the middle of what must be cleaned up. They are blocked, and asked for by whoever waits.
 */

/* Block SIGHUP, SIGINT, SIGQUIT and SIGTERM. `ret_old` gets the mask as it was. Returns 0, or -1 with errno. */
int bv_interrupt_block(sigset_t *ret_old);

/* Sleep for so many nanoseconds (less than a second) or until there is one. Returns its number, or 0. */
int bv_interrupt_nap(long nsec);
