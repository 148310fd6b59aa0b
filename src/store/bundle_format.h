/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What both sides of a bundle know of it (doc/format/bundle.md). Private to src/store. */

#define BV_BUNDLE_FORMAT "bivouac-bundle 1"
#define BV_BUNDLE_HEAD   "bivouac-bundle"
#define BV_BUNDLE_JOB    "job/"
#define BV_BUNDLE_FILES  "files/"
#define BV_BUNDLE_END    "end"

#define BV_BUNDLE_HEAD_MAX (64u << 10)
#define BV_BUNDLE_STEP     (1u << 20) /* bytes that are moved at once */
#define BV_BUNDLE_DEPTH    64         /* of directories in directories */
