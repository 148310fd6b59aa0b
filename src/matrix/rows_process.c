/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

const struct matrix_row matrix_rows_process[] = {
    {"serial", "process", "a program that computes", MATRIX_WORDS("@process", "serial")},
    {"threads", "process", "threads with memory of their own, a mutex and a condition",
     MATRIX_WORDS("@process", "threads")},
    {"fork-tree", "process", "a tree with pipes, a zombie and a stopped child", MATRIX_WORDS("@process", "fork-tree")},
    {"shell", "process", "a shell script with a pipeline in the background", MATRIX_WORDS("@shell.sh")},
    {"static", "process", "a static binary", MATRIX_WORDS("@static", "static")},
    {"signals", "process", "signals that are blocked, ignored, handled and pending",
     MATRIX_WORDS("@process", "signals")},
    {"timers", "process", "interval timers, POSIX timers and a timerfd", MATRIX_WORDS("@process", "timers")},
    {"ticking", "process", "a timer with a period, which is over while the job is frozen",
     MATRIX_WORDS("@process", "ticking")},
    {"limits", "process", "nice value, resource limits, umask and name", MATRIX_WORDS("@process", "limits")},
    {"sessions", "process", "sessions and process groups", MATRIX_WORDS("@process", "sessions")},
    {"terminal", "process", "a terminal of its own, with its settings and size", MATRIX_WORDS("@process", "terminal")},
    {NULL},
};
