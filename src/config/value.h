/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* Values as people write them, in options, variables and files. Each function reads the whole text, without blanks
 * around it. All fail with BV_EUSAGE and a sentence that says what to write instead. */

#define BV_DURATION_MAX 1e9 /* s */

/* Seconds: "90", "2.5", "30s", "1h30m", "2d", or as Slurm has it "H:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS". */
int bv_value_duration(const char *text, double *ret, struct bv_error *err);

/* Bytes: "4096", "64K", "256M", "2G", "1T"; at most INT64_MAX. */
int bv_value_size(const char *text, uint64_t *ret, struct bv_error *err);

/* A number without sign, in decimal; at most UINT32_MAX. */
int bv_value_count(const char *text, uint32_t *ret, struct bv_error *err);

/* "yes", "true", "on", "1" = 1; "no", "false", "off", "0" = 0. */
int bv_value_bool(const char *text, int *ret, struct bv_error *err);

/* A moment of CLOCK_REALTIME: "2026-11-22T10:00", with seconds or not, local time or with "Z" in UTC; "@1795341600";
 * or "+2h", that duration after `now_ns`. */
int bv_value_time(const char *text, int64_t now_ns, int64_t *ret_ns, struct bv_error *err);

/* A path in a file of settings, which many users may share: absolute, or below the user's home with "~/"; "%u" is the
 * user's name, "%%" a percent sign. Allocated. */
int bv_value_path(const char *text, char **ret, struct bv_error *err);

/* One of the words of "host|private": *ret is its place. */
int bv_value_word(const char *text, const char *words, int *ret, struct bv_error *err);

enum bv_network_kind { BV_NETWORK_HOST, BV_NETWORK_PRIVATE, BV_NETWORK_AUTO };
enum bv_outside { BV_OUTSIDE_NONE, BV_OUTSIDE_AUTO, BV_OUTSIDE_PASTA, BV_OUTSIDE_SLIRP4NETNS };

/* The network of a job. What a private one has besides: a program that carries its connections to other hosts, or an
 * address of its own on a bridge of the host; never both. Texts are allocated, NULL = not said. */
struct bv_network {
    enum bv_network_kind kind;
    enum bv_outside outside;
    char *address; /* "192.0.2.7/24" or "2001:db8::7/64"; comes with `bridge` */
    char *bridge;  /* name of an interface */
    char *gateway; /* an address of the same family */
    char *mac;     /* "02:00:00:00:00:07" */
};

/* "host", "auto", "private" or "private,KEY=VALUE,...", with the members of struct bv_network as keys, each once.
 * The texts in *ret are as they were written, and safe to show. */
int bv_value_network(const char *text, struct bv_network *ret, struct bv_error *err);

/* The inverse. Allocated. */
char *bv_network_text(const struct bv_network *n);
struct bv_network bv_network_copy(const struct bv_network *n);
void bv_network_free(struct bv_network *n);

/* "none", "auto", "pasta", "slirp4netns". Static. */
const char *bv_outside_name(enum bv_outside outside);

/* What a checkpoint does about TCP connections to outside of the job. */
enum bv_tcp {
    BV_TCP_REFUSE, /* there is none */
    BV_TCP_CLOSE,  /* after a restart they are closed */
    BV_TCP_KEEP,   /* they go with the address of the job, if the job did not go on behind the checkpoint */
};
#define BV_TCP_WORDS "refuse|close|keep"

/* "refuse", "close", "keep". Static. */
const char *bv_tcp_name(enum bv_tcp tcp);

/* What a supervisor does when it gets a signal. */
enum bv_signal_action {
    BV_SIGNAL_PASS, /* hand it on to the job */
    BV_SIGNAL_CHECKPOINT,
    BV_SIGNAL_CHECKPOINT_AND_STOP,
    BV_SIGNAL_IGNORE,
};

#define BV_SIGNALS 65 /* the kernel's numbers are 1 to 64 */

struct bv_signal_actions {
    unsigned char of[BV_SIGNALS]; /* enum bv_signal_action, by the signal's number */
};

/* "SIGUSR1=checkpoint,SIGTERM=checkpoint-and-stop": a signal by its name, with or without SIG, or by its number.
 * Signals that are not named are passed on. */
int bv_value_signals(const char *text, struct bv_signal_actions *ret, struct bv_error *err);

/* "ignore:avx512f,sha_ni": the features, as /proc/cpuinfo calls them, with a blank between any two. Allocated. */
int bv_value_features(const char *text, char **ret, struct bv_error *err);
