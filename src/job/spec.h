/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "capsule/capsule.h"
#include "config/value.h"
#include "proc/cpu.h"

/* What a job is: fixed when it is created, kept as its record (job.json) in the store. */

struct bv_spec {
    char **argv;  /* NULL-terminated */
    char *cwd;    /* absolute */
    char *engine; /* name; NULL = criu */
    int private_network;
    struct bv_network network; /* what a private one has besides; `kind` is said by private_network */
    enum bv_tcp tcp;
    int private_tmp;
    enum bv_cpu_baseline cpu_baseline;
    struct bv_bind *binds;
    size_t bind_count;
    int preload;        /* a library that keeps what is deleted while it is mapped (src/preload) */
    char **environment; /* "NAME=VALUE", what the job has besides what its caller has; NULL-terminated; may be NULL */
    char **capture;     /* absolute directories, NULL-terminated; may be NULL */
    char **no_capture;  /* glob patterns, NULL-terminated; may be NULL */
    uint64_t capture_limit; /* bytes per file written in place */
    char *copy_of;          /* "JOB@GEN" from which the job began, or NULL */
};

void bv_spec_free(struct bv_spec *s);
#define autospec __attribute__((cleanup(bv_spec_free)))

/* The record, a new reference, with who made it and when. */
json_t *bv_spec_record(const struct bv_spec *s, const char *job_id);

/* The inverse; the record is hostile. Errors: BV_ECORRUPT, BV_ESTORE (a newer format). */
int bv_spec_parse(const json_t *record, struct bv_spec *ret, struct bv_error *err);
