/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* LSF starts its methods with many signals ignored or blocked. Back to what a program expects. */
void bv_lsf_reset_signals(void);

/* Run `work` in a child and return its exit status, or 100 if it died of a signal: LSF takes a method that dies of one
 * for one that succeeded. So the parent only waits, and ignores all signals that can be ignored. The child has them as
 * they were. */
int bv_lsf_in_child(int (*work)(void *arg), void *arg);
