/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the capsule and the library that it puts into the job agree on: names in the capsule's own memory file systems.
 * Everything there is part of each checkpoint, the library itself included. */

#define BV_KEEP_SHM     "/dev/shm/.bivouac"
#define BV_KEEP_TMP     "/tmp/.bivouac" /* with a private /tmp only */
#define BV_KEEP_LIBRARY BV_KEEP_SHM "/keep.so"

/* Files that were deleted while in use, each under a name of no meaning. The directories have mode 0700. */
#define BV_KEPT_SHM BV_KEEP_SHM "/deleted"
#define BV_KEPT_TMP BV_KEEP_TMP "/deleted"
