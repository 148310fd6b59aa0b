/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "store/digest.h"
#include "store/format.h"
#include "store/generation.h"

/* The manifest of a generation: canonical JSON that names every other file with its size and digest, and itself with
 * the digest of its text without the key "digest". Private to src/store. */

struct bv_file_ref {
    unsigned generation; /* of a pack: which its name tells */
    uint64_t size;
    struct bv_digest digest;
};

struct bv_manifest {
    json_t *json; /* all of it */
    const json_t *content;
    const char *job; /* borrowed from `json` */
    unsigned generation, attempt;
    struct bv_file_ref index;
    struct bv_file_ref *packs;
    size_t pack_count;
};

void bv_manifest_free(struct bv_manifest *m);
#define automanifest __attribute__((cleanup(bv_manifest_free)))

/* The text of the file, allocated, ready to be written. Takes numbers and files from `m` (not its `json`). */
char *bv_manifest_build(const struct bv_manifest *m, const struct bv_gen_stats *totals, const json_t *content);

/* Errors: BV_ECORRUPT, or BV_ESTORE for an intact manifest of another format. */
int bv_manifest_parse(const char *text, size_t size, struct bv_manifest *ret, struct bv_error *err);
