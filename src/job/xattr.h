/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "base/json.h"

/* Extended attributes of the job's files: those that are the user's ("user."). Not access control lists: in the capsule
 * nobody but the user has a name, so that lists of others can be neither read nor set. */

/* Of the open file: an object, name% -> value in hexadecimal; NULL if it has none, or they cannot be read. */
json_t *bv_xattr_save(int fd);

/* Give them to the open file; where its file system, or its owner, does not allow any they are left out. `saved` may be
 * NULL, and is not trusted. Errors: BV_ECORRUPT, BV_ENOSPACE, BV_ESTORE. */
int bv_xattr_restore(int fd, const json_t *saved, struct bv_error *err);
