/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/value.h"

/* What a user or a site can set for a run. One table (settings_table.c) describes every setting: it makes the options
 * of run and restart with their help, the variables BIVOUAC_…, and the keys of the two files.
 *
 * A setting may come from several places. The nearest to the user counts: an option, then the environment, then the job
 * file, then the site file, then the default. What a farther place says must be a valid value all the same. */

enum bv_layer {
    BV_LAYER_NONE, /* nobody has said anything yet */
    BV_LAYER_DEFAULT,
    BV_LAYER_SITE,        /* /etc/bivouac/bivouac.conf, or the file in $BIVOUAC_SITE_CONFIG */
    BV_LAYER_JOB_FILE,    /* --config FILE, or the file in $BIVOUAC_CONFIG */
    BV_LAYER_ENVIRONMENT, /* BIVOUAC_KEY */
    BV_LAYER_OPTION,      /* --key */
};

/* "default", "site file", … Static. */
const char *bv_layer_name(enum bv_layer layer);

#define BV_EVERY_OFF  0.0
#define BV_EVERY_AUTO (-1.0)
#define BV_LEAD_AUTO  (-1.0)

enum bv_on_bad_checkpoint {
    BV_ON_BAD_FAIL,  /* end with an error: a silent fresh start would lose days */
    BV_ON_BAD_FRESH, /* start the command again */
};

enum bv_preload { BV_PRELOAD_NO, BV_PRELOAD_YES, BV_PRELOAD_AUTO };

#define BV_SETTINGS_MAX 32

/* Where a value comes from. */
struct bv_source {
    enum bv_layer layer;
    char *text;  /* as it was written */
    char *where; /* "--every", "BIVOUAC_EVERY", "FILE:LINE"; "" for a default */
};

/* Durations are in seconds, sizes in bytes. Filled by bv_settings_set() and bv_settings_load(); plain to read. */
struct bv_settings {
    char *store; /* NULL = the user's own, ~/.bivouac */
    struct bv_network network;
    int tcp;    /* enum bv_tcp */
    int engine; /* place in the table's words; 0 = auto */
    int private_tmp;
    char *cpu_ignored; /* features with blanks between them, NULL = none */
    int cpu_baseline;  /* place in "none|x86-64-v2|x86-64-v3" */
    int preload;       /* enum bv_preload */
    uint64_t capture_limit;
    int on_bad_checkpoint; /* enum bv_on_bad_checkpoint */
    uint64_t staging;      /* 0 = what the machine can spare */
    double lease;

    double every;        /* > 0, BV_EVERY_OFF or BV_EVERY_AUTO */
    double mtbf;         /* mean time between failures that "auto" reckons with */
    int64_t deadline_ns; /* CLOCK_REALTIME, 0 = none */
    double lead;         /* from the last checkpoint's begin to the deadline, at least; or BV_LEAD_AUTO */
    struct bv_signal_actions on_signal; /* all BV_SIGNAL_PASS = none */
    double grace;                       /* from a signal that ends the attempt to its end, at most */
    double timeout;                     /* of one checkpoint */
    int overrun;                        /* a deadline may be overrun, max_restarts times */
    unsigned max_restarts;              /* that an overrun may cost */
    double time_budget;                 /* of all attempts together, 0 = none */
    unsigned max_attempts;              /* 0 = no limit */
    unsigned requeue_exit;              /* exit status after a checkpoint that ended the attempt */

    unsigned keep;   /* generations */
    double keep_for; /* 0 = no limit */
    int keep_on_success;
    const char *quota_job_name; /* static: what messages call quota_job if it is another's limit; NULL = quota-job */
    uint64_t quota_job, quota_user, quota_store; /* 0 = none */

    struct bv_source source[BV_SETTINGS_MAX]; /* in the order of the table */
    int64_t now_ns;                           /* CLOCK_REALTIME to which "+2h" is added */
};

enum bv_setting_type {
    BV_TYPE_PATH,     /* char *, allocated */
    BV_TYPE_WORD,     /* int: place in `argument`, "host|private" */
    BV_TYPE_BOOL,     /* int */
    BV_TYPE_COUNT,    /* unsigned */
    BV_TYPE_SIZE,     /* uint64_t */
    BV_TYPE_DURATION, /* double */
    BV_TYPE_TIME,     /* int64_t */
    BV_TYPE_SIGNALS,  /* struct bv_signal_actions */
    BV_TYPE_FEATURES, /* char *, allocated */
    BV_TYPE_NETWORK,  /* struct bv_network */
};

/* Who takes it as an option. */
#define BV_FOR_RUN     1
#define BV_FOR_RESTART 2
#define BV_FOR_BOTH    (BV_FOR_RUN | BV_FOR_RESTART)
#define BV_FOR_PRUNE   4

/* Words that stand for a value which no number says: "auto", "off", "none". */
struct bv_special {
    const char *word;
    double value;
};

struct bv_setting {
    const char *key;
    char letter;          /* of the option "-s", 0 = none */
    const char *argument; /* what the help calls its value */
    const char *fallback; /* the default; NULL = said in `help` */
    const char *help;
    enum bv_setting_type type;
    size_t offset;                /* in struct bv_settings */
    double min, max;              /* of COUNT and DURATION; max 0 = that of the type */
    struct bv_special special[2]; /* word NULL = none */
    unsigned flags;
};

/* The table, which ends with a NULL key. */
extern const struct bv_setting bv_setting_table[];

/* The setting that users know by this key; NULL if there is none. */
const struct bv_setting *bv_setting_find(const char *key);

/* The key that looks most like `key`; NULL if none does. */
const char *bv_setting_nearest(const char *key);

/* "BIVOUAC_CAPTURE_LIMIT" for "capture-limit". Allocated. */
char *bv_setting_variable(const struct bv_setting *setting);

void bv_settings_init(struct bv_settings *s);
void bv_settings_free(struct bv_settings *s);
#define autosettings __attribute__((cleanup(bv_settings_free)))

/* Set one from one place, unless a nearer one has set it already; within one layer the last one counts, but a file must
 * not say it twice. `where` is copied. Errors: BV_EUSAGE, the text begins with where and what. */
int bv_settings_set(struct bv_settings *s, const struct bv_setting *setting, const char *text, enum bv_layer layer,
                    const char *where, struct bv_error *err);

/* Read what the options have left open: the environment, the job file (`job_file`; NULL = the one in $BIVOUAC_CONFIG,
 * if any), the site file, the defaults. Errors: BV_EUSAGE for what is in a file or variable, or a job file that is
 * missing; BV_EDENIED for a file that may not be read, or a site file that others can write. */
int bv_settings_load(struct bv_settings *s, const char *job_file, struct bv_error *err);

/* One file alone, as if it were `layer`. */
int bv_settings_load_file(struct bv_settings *s, const char *path, enum bv_layer layer, struct bv_error *err);

/* The text of a file named `name`; for tests. */
int bv_settings_parse(struct bv_settings *s, const char *text, size_t size, const char *name, enum bv_layer layer,
                      struct bv_error *err);

/* A variable "BIVOUAC_…" of the environment that means nothing: *position (0 at first) is moved behind it. Returns its
 * "NAME=value", or NULL if there is no more. */
const char *bv_settings_unknown_variable(size_t *position);
