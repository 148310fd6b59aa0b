/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>

/* How an error travels: one caller-owned object, the last parameter, filled and returned in one line.
 *
 *     if (fsync(fd) < 0)
 *         return bv_fail(err, BV_ESTORE, errno, "cannot sync %s", name);
 *
 * Every function that takes a `struct bv_error *` accepts NULL, returns 0 on success or -1 on failure, and leaves
 * the object and its other outputs untouched on success respectively failure. */

/* The numbered list of what can go wrong. The numbers are exit statuses of bivouac(1), documented in
 * bivouac-exit-codes(7); they never change their meaning. 85 is not an error: the job was checkpointed and ended. */
#define BV_CODES(X)                                                                                                    \
    X(BV_OK, 0, "success")                                                                                             \
    X(BV_EUSAGE, 2, "bad command line")                                                                                \
    X(BV_CHECKPOINTED, 85, "the job was checkpointed and ended; run it again to continue")                             \
    X(BV_EINTERNAL, 100, "a system call failed unexpectedly")                                                          \
    X(BV_ENOJOB, 101, "no such job or generation")                                                                     \
    X(BV_EDENIED, 102, "permission denied, or the job belongs to another user")                                        \
    X(BV_ESTORE, 103, "the store is missing, unusable or of another format")                                           \
    X(BV_ECORRUPT, 104, "checkpoint data does not verify")                                                             \
    X(BV_ENOSPACE, 105, "no space left for the checkpoint")                                                            \
    X(BV_EENGINE, 106, "the engine could not dump the job")                                                            \
    X(BV_ENOENGINE, 107, "the engine is missing or too old")                                                           \
    X(BV_ERESTORE, 108, "the engine could not restore the job")                                                        \
    X(BV_EHOST, 109, "this host cannot run the job (CPU, kernel, namespaces)")                                         \
    X(BV_ECHANGED, 110, "a file or executable of the job changed since the checkpoint")                                \
    X(BV_ENODIR, 111, "the working directory of the job is gone")                                                      \
    X(BV_EBUSY, 112, "the job is already supervised, or a checkpoint is in progress")                                  \
    X(BV_EFENCED, 113, "a newer attempt of the job has taken over")                                                    \
    X(BV_ETIMEOUT, 114, "a deadline passed")                                                                           \
    X(BV_EBLOCKED, 115, "something in the job cannot be checkpointed")                                                 \
    X(BV_ENOTRUNNING, 116, "the job is not running here")                                                              \
    X(BV_EPROTO, 117, "a malformed message was received")                                                              \
    X(BV_ENOCKPT, 118, "the job has no checkpoint")                                                                    \
    X(BV_EENDED, 119, "the job has already ended")                                                                     \
    X(BV_ENOPROGRESS, 120, "the job makes no progress")                                                                \
    X(BV_EATTEMPTS, 121, "the job has used up its attempts")                                                           \
    X(BV_EDIFFERS, 122, "a rehearsal ended otherwise than the undisturbed run")                                        \
    X(BV_EINCOMPARABLE, 123, "a rehearsal proves nothing: the command differs by itself, or ends too soon")            \
    X(BV_ENOEXEC, 126, "the command cannot be executed")                                                               \
    X(BV_ENOCMD, 127, "the command was not found")

enum bv_code {
#define X(name, number, text) name = number,
    BV_CODES(X)
#undef X
};

struct bv_error {
    enum bv_code code;
    int sys_errno;   /* errno of the failed call, 0 if none */
    char text[2048]; /* one sentence for the user, without the program's name */
};

/* Fill `err` (may be NULL) and return -1. A non-zero `sys_errno` is appended as ": <strerror>". */
int bv_fail(struct bv_error *err, enum bv_code code, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "<context>: " in front of the text of an error on its way up, and return -1. */
int bv_wrap(struct bv_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__ /* which looks at one file at a time */
static inline int bv_minus_one(int result)
{
    return result < 0 ? result : -1;
}
#define bv_fail(...) bv_minus_one(bv_fail(__VA_ARGS__))
#define bv_wrap(...) bv_minus_one(bv_wrap(__VA_ARGS__))
#endif

/* Which code says best why a write to the store failed: BV_ENOSPACE for ENOSPC and EDQUOT, else BV_ESTORE. */
enum bv_code bv_store_code(int sys_errno);

/* "BV_ENOSPACE" and "no space left …"; "unknown" for a number that is not in the list. Static strings. */
const char *bv_code_name(int code);
const char *bv_code_text(int code);
