/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* The checks of `bivouac doctor`. Each tells what it found as it goes; shared between cmd_doctor.c and doctor_*.c. */

enum doctor_verdict {
    DOCTOR_OK,
    DOCTOR_WARN, /* works, with a condition */
    DOCTOR_FAIL, /* Bivouac cannot work here */
};

struct doctor {
    const char *store; /* as the user named it, NULL = the default */
    int json;
    json_t *checks;
    enum bv_code first; /* of the first check that failed; BV_OK = none has */
};

/* Tell one line. `code` is the exit status if it is a failure; `remedy` may be NULL. Returns 0, or -1 for a failure. */
int doctor_say(struct doctor *d, enum doctor_verdict verdict, enum bv_code code, const char *check, const char *remedy,
               const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Kernel, limits of namespaces, filters; and a real capsule. -1 if no job can run. */
int doctor_host(struct doctor *d);

/* -1 if there is no usable engine. */
int doctor_engine(struct doctor *d);

/* The settings, the store, and the directory for sockets. -1 if one cannot be used. */
int doctor_store(struct doctor *d);

/* Run, checkpoint, end and restart a small program with a UDP socket, as a user would. */
void doctor_trial(struct doctor *d);

/* That program: `directory` is where it reports and is told to end. */
int doctor_trial_program(const char *directory);
#define DOCTOR_TRIAL_OPTION "--self-test-program"
