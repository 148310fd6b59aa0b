/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/json.h"
#include "store/attempt.h"
#include "store/generation.h"

/* What the commands that look at the store (list, show, verify, delete) tell of a job and of its generations. */

enum cmd_state {
    CMD_NEW,          /* never started */
    CMD_STARTING,     /* an attempt lives, and has not begun to run the job */
    CMD_RUNNING,      /* an attempt lives */
    CMD_ENDED,        /* the job ended, by itself or by a signal */
    CMD_CHECKPOINTED, /* a checkpoint ended the attempt: to be continued */
    CMD_STOPPED,      /* the attempt was ended without a new checkpoint: to be continued */
    CMD_FAILED,       /* the attempt ended with an error of ours */
    CMD_INTERRUPTED,  /* the attempt has not ended, and does not live */
};

struct cmd_job_state {
    enum cmd_state state;
    char text[80];     /* "ended (signal 15)" */
    unsigned attempts; /* how many there were */
    struct bv_attempt_info last;
};

/* Is there an attempt now that may run the job? */
static inline int cmd_is_live(enum cmd_state s)
{
    return s == CMD_STARTING || s == CMD_RUNNING;
}

/* One word: "new", "starting", … Static. */
const char *cmd_state_name(enum cmd_state s);

int cmd_job_state(const struct bv_job *j, struct cmd_job_state *ret, struct bv_error *err);
void cmd_job_state_free(struct cmd_job_state *s);
#define autostate __attribute__((cleanup(cmd_job_state_free)))

/* Keys "state", "attempts", and "host", "pid", "lease_left_s" of a living attempt, "outcome" of one that ended. */
void cmd_job_state_json(const struct cmd_job_state *s, json_t *object);

struct cmd_generation {
    unsigned number;
    int damaged; /* manifest or index do not verify: `why` */
    struct bv_error why;
    char created[40];   /* RFC 3339 */
    int64_t created_ns; /* realtime, 0 = unknown */
    char reason[64], leave[16];
    double frozen_s; /* 0 = not known */
    uint64_t raw_bytes, new_bytes, stored_bytes, zero_bytes;
    json_t *warnings; /* strings; NULL if damaged */
    char *pin;        /* why it is pinned, "" without a reason; NULL if it is not */
};

/* All of a job, ascending; to be freed with cmd_generations_free(). A damaged one is in the list. */
int cmd_generations(const struct bv_job *j, struct cmd_generation **ret, size_t *ret_count, struct bv_error *err);

void cmd_generations_free(struct cmd_generation *all, size_t count);

/* Of an open one. The caller gives the reference of `warnings` back. */
void cmd_generation_describe(const struct bv_gen *g, unsigned number, struct cmd_generation *ret);
json_t *cmd_generation_json(const struct cmd_generation *g);

/* --- text for people --- */

/* Bytes with what could steer a terminal as \xNN. Allocated. */
char *cmd_safe_bytes(const char *bytes);

/* The decoded bytes of an escaped JSON string (bv_json_bytes), with what could steer a terminal as \xNN. Allocated. */
char *cmd_safe_text(const json_t *string);

/* An array of such strings as a shell would take them. Allocated. */
char *cmd_command_text(const json_t *array);

/* "12 s", "5 min", "3 h", "4 d" since then; "?" if unknown. */
void cmd_age_text(int64_t created_ns, char ret[24]);

/* Width of the terminal at standard output, 0 if it is none. */
unsigned cmd_terminal_width(void);
