/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sched/sched.h"

/* HTCondor. The starter runs a job in a sandbox, a directory that has another name after each eviction, and carries
 * files between it and the access point. What is known of the job stands in a file of the sandbox, its ad. */

extern const struct bv_sched bv_sched_condor;

/* --- ads: lines "Name = value" (HTCondor manual, "ClassAds", the old syntax) --- */

#define BV_CONDOR_AD_MAX (4u << 20)

/* The value of `name`, whatever its case, as it is written; NULL if the ad does not have it. Allocated. */
char *bv_condor_ad_value(const char *ad, const char *name);

/* The value if it is a string, a number that is finite, or true or false. Returns 1; 0 if there is none, or it is an
 * expression or of another kind. *ret is allocated for a string. */
int bv_condor_ad_string(const char *ad, const char *name, char **ret);
int bv_condor_ad_number(const char *ad, const char *name, double *ret);
int bv_condor_ad_bool(const char *ad, const char *name, int *ret);

/* --- the job --- */

struct bv_condor_job {
    unsigned cluster, proc;
    unsigned universe;
    int is_docker;
    int is_listed;   /* the user lists his output files, so that ours has to be among them, and exist */
    double interval; /* BivouacInterval: s between checkpoints, > 0 */
    double vacate;   /* s from SIGTERM to SIGKILL */
    uint64_t disk;   /* bytes that the user has asked for, 0 = he has not */
    char *network;   /* BivouacNetwork, NULL = none */
    char *store;     /* BivouacStore, NULL = in the sandbox */
};

/* What of an ad we need; the ad is hostile. Errors: BV_EUSAGE (names the attribute and what to write). */
int bv_condor_job_parse(const char *ad, struct bv_condor_job *ret, struct bv_error *err);

/* The same of the file that $_CONDOR_JOB_AD names. Returns 0 if there is none: HTCondor does not run us. */
int bv_condor_job_read(struct bv_condor_job *ret, struct bv_error *err);
void bv_condor_job_free(struct bv_condor_job *j);

/* Can such a job be checkpointed? Errors: BV_EBLOCKED (says why not, and what to do). */
int bv_condor_job_check(const struct bv_condor_job *j, struct bv_error *err);

/* Does the ad say checkpoint_restart = true? */
int bv_condor_wants_restart(void);
#define autocondorjob __attribute__((cleanup(bv_condor_job_free)))

/* --- the file that is carried --- */

#define BV_CONDOR_FILE     "_bivouac.ckpt"
#define BV_CONDOR_NEW_FILE "_bivouac.ckpt.new"
#define BV_CONDOR_HEAD     4096u
#define BV_CONDOR_EXPORTS  4u

enum bv_condor_end { BV_CONDOR_GOES_ON, BV_CONDOR_EXITED, BV_CONDOR_SIGNALED };

/* How the file begins: what became of the job so far, and where in the file its checkpoints are, the newest first. Each
 * is what bv_export() writes. doc/format/condor.md. */
struct bv_condor_head {
    double cpu_s;         /* of all attempts */
    double frozen_s;      /* of all checkpoints */
    uint64_t checkpoints; /* that were carried */
    uint64_t peak_kib;    /* the most memory that a process had */
    enum bv_condor_end end;
    int number; /* exit status or signal */
    size_t count;
    struct {
        unsigned generation;
        uint64_t offset, size;
    } exports[BV_CONDOR_EXPORTS];
};

/* Write it at the beginning of `fd`. */
int bv_condor_head_write(int fd, const struct bv_condor_head *h, struct bv_error *err);

/* Read and check it; the bytes are hostile. Returns 0 if the file is empty, 1 if it has a head.
 * Errors: BV_ECORRUPT, BV_ESTORE (another format). */
int bv_condor_head_read(int fd, struct bv_condor_head *ret, struct bv_error *err);

/* The same of the bytes that the file begins with. `size` is that of the whole file. For tests. */
int bv_condor_head_parse(const char *text, size_t text_size, uint64_t size, struct bv_condor_head *ret,
                         struct bv_error *err);

/* --- what the access point is told --- */

/* Set an attribute in the job's ad by condor_chirp: `value` is an expression. Best effort, within some seconds: a job
 * without an I/O proxy (want_io_proxy) cannot. Returns 0, or -1. */
int bv_condor_tell(const char *attribute, const char *value);

/* Why the job cannot go on: to the starter, which then has the job held, where HTCondor gives us a file for that, and
 * into the ad as BivouacFailed. */
void bv_condor_tell_failure(const char *text);

/* `text` as a string of an ad, in quotes. Allocated. */
char *bv_condor_quote(const char *text);
