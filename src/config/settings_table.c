/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"

#define AT(field) offsetof(struct bv_settings, field)
#define NONE      {{"none", 0}}
#define POLICY    BV_FOR_BOTH

const struct bv_setting bv_setting_table[] = {
    {"store", 's', "DIR", NULL, "where checkpoints are kept (default: $BIVOUAC_STORE, bivouac.conf(5), ~/.bivouac)",
     BV_TYPE_PATH, AT(store), .flags = BV_FOR_BOTH | BV_FOR_PRUNE},
    {"network", 0, "host|private", "host", "private: a network of the job's own, in which TCP connections are kept",
     BV_TYPE_WORD, AT(private_network), .flags = BV_FOR_RUN},
    {"tmp", 0, "shared|private", "shared", "private: a /tmp of the job's own, which is part of every checkpoint",
     BV_TYPE_WORD, AT(private_tmp), .flags = BV_FOR_RUN},
    {"capture-limit", 0, "SIZE", "256M", "largest file that is copied at a checkpoint", BV_TYPE_SIZE, AT(capture_limit),
     .flags = BV_FOR_RUN},
    {"on-bad-checkpoint", 0, "fail|fresh", "fail", "what to do if checkpoints exist and none verifies", BV_TYPE_WORD,
     AT(on_bad_checkpoint), .flags = BV_FOR_RUN},
    {"staging", 0, "SIZE", "auto", "memory to stage a checkpoint in; auto: at most half of what can be had",
     BV_TYPE_SIZE, AT(staging), .special = {{"auto", 0}}, .flags = BV_FOR_BOTH},
    {"lease", 0, "TIME", "60s", "how long another host must wait for a silent supervisor", BV_TYPE_DURATION, AT(lease),
     .max = 86400, .flags = BV_FOR_BOTH},

    {"every", 0, "TIME|auto|off", "off", "make a checkpoint so often; auto: as often as its measured cost makes best",
     BV_TYPE_DURATION, AT(every), .min = 1, .special = {{"off", BV_EVERY_OFF}, {"auto", BV_EVERY_AUTO}},
     .flags = POLICY},
    {"mtbf", 0, "TIME", "24h", "mean time between failures of this site, for --every auto", BV_TYPE_DURATION, AT(mtbf),
     .min = 1, .flags = POLICY},
    {"deadline", 0, "WHEN", "none", "end with a last checkpoint before this time, or +TIME from now", BV_TYPE_TIME,
     AT(deadline_ns), .special = NONE, .flags = POLICY},
    {"lead", 0, "TIME|auto", "auto", "begin the last checkpoint so long before the deadline; auto: as long as it takes",
     BV_TYPE_DURATION, AT(lead), .special = {{"auto", BV_LEAD_AUTO}}, .flags = POLICY},
    {"on-signal", 0, "SIGNAL=ACTION,...", "none",
     "what a signal does: checkpoint, checkpoint-and-stop, ignore, pass; others go to the job", BV_TYPE_SIGNALS,
     AT(on_signal), .special = NONE, .flags = POLICY},
    {"grace", 0, "TIME", "30s", "how long after such a signal the attempt may last", BV_TYPE_DURATION, AT(grace),
     .flags = POLICY},
    {"timeout", 0, "TIME", "180s", "give up a checkpoint that was not asked for by hand and takes longer",
     BV_TYPE_DURATION, AT(timeout), .min = 1, .flags = POLICY},
    {"overrun", 0, "yes|no", "no", "a deadline is a limit that may be overrun, max-restarts times", BV_TYPE_BOOL,
     AT(overrun), .flags = POLICY},
    {"max-restarts", 0, "N", "2", "how often an overrun may restart the job", BV_TYPE_COUNT, AT(max_restarts),
     .flags = POLICY},
    {"time-budget", 0, "TIME", "none", "how long all attempts together may run", BV_TYPE_DURATION, AT(time_budget),
     .min = 1, .special = NONE, .flags = POLICY},
    {"max-attempts", 0, "N", "none", "how many attempts there may be", BV_TYPE_COUNT, AT(max_attempts), .min = 1,
     .special = NONE, .flags = POLICY},
    {"requeue-exit", 0, "STATUS", "85", "exit status when the job was checkpointed and ended", BV_TYPE_COUNT,
     AT(requeue_exit), .min = 1, .max = 255, .flags = POLICY},

    {"keep", 0, "N", "2", "how many checkpoints are kept", BV_TYPE_COUNT, AT(keep), .min = 1,
     .flags = BV_FOR_BOTH | BV_FOR_PRUNE},
    {"keep-for", 0, "TIME", "none", "keep more of them, if they are younger than this", BV_TYPE_DURATION, AT(keep_for),
     .min = 1, .special = NONE, .flags = BV_FOR_BOTH | BV_FOR_PRUNE},
    {"keep-on-success", 0, "yes|no", "no", "keep checkpoints when the job has ended with status 0", BV_TYPE_BOOL,
     AT(keep_on_success), .flags = BV_FOR_BOTH | BV_FOR_PRUNE},
    {"quota-job", 0, "SIZE", "none", "what the job may take in the store", BV_TYPE_SIZE, AT(quota_job), .special = NONE,
     .flags = BV_FOR_BOTH},
    {"quota-user", 0, "SIZE", "none", "... all jobs of this user together", BV_TYPE_SIZE, AT(quota_user),
     .special = NONE, .flags = BV_FOR_BOTH},
    {"quota-store", 0, "SIZE", "none", "... all jobs in the store", BV_TYPE_SIZE, AT(quota_store), .special = NONE,
     .flags = BV_FOR_BOTH},
    {0},
};

_Static_assert(sizeof(bv_setting_table) / sizeof(bv_setting_table[0]) <= BV_SETTINGS_MAX + 1, "BV_SETTINGS_MAX");
