/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The ads that HTCondor's starter writes beside a job: one "Name = value" a line, in old ClassAd syntax. Only literals
 * are understood; what is an expression is as if it were not there. The text is hostile: anybody may add attributes. */

#define BV_CONDOR_AD_MAX (4u << 20)

struct bv_condor_ad {
    char *text; /* NULL = an ad without attributes */
    size_t size;
};

/* Errors: BV_ENOJOB if there is no such file, BV_ECORRUPT if it is too large, BV_EDENIED … */
int bv_condor_ad_read(const char *path, struct bv_condor_ad *ret, struct bv_error *err);
void bv_condor_ad_free(struct bv_condor_ad *ad);
#define autoad __attribute__((cleanup(bv_condor_ad_free)))

/* Does the ad say anything of it? */
int bv_condor_ad_has(const struct bv_condor_ad *ad, const char *name);

/* The value of an attribute; upper and lower case of its name are one. Returns 1, or 0 if there is none of this type.
 * *ret of a string is allocated. */
int bv_condor_ad_int(const struct bv_condor_ad *ad, const char *name, int64_t *ret);
int bv_condor_ad_bool(const struct bv_condor_ad *ad, const char *name, int *ret);
int bv_condor_ad_string(const struct bv_condor_ad *ad, const char *name, char **ret);

/* A string as a literal of an ad: "say \"yes\"". Allocated. */
char *bv_condor_quote(const char *text);

/* Is `word` one of the list, whose separators are commas and white space? */
int bv_condor_list_has(const char *list, const char *word);
