/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <archive.h>
#include <stdint.h>

#include "base/error.h"
#include "store/digest.h"
#include "store/export.h"
#include "store/export_format.h"

/* The stream of an export as its reader sees it: one member after the other, each a regular file with a known name and
 * a bounded size, and no way to go elsewhere. All errors of the bytes are BV_ECORRUPT. Private to src/store. */

struct bv_import_stream {
    int fd, sys_errno;
    struct archive *archive;
    uint8_t *buffer;
    XXH3_state_t *digest;
    char name[BV_EXPORT_NAME]; /* of the member at hand; "" behind the last */
    uint64_t size;
    const struct bv_transfer_watch *watch;
    uint64_t done, total; /* for the watch */
    int is_told_off;
};

/* Open it, and go to the first member. */
int bv_import_open(struct bv_import_stream *s, int fd, const struct bv_transfer_watch *watch, struct bv_error *err);
void bv_import_close(struct bv_import_stream *s);

/* Is the member at hand called so? */
static inline int bv_import_at(const struct bv_import_stream *s, const char *name)
{
    return strcmp(s->name, name) == 0;
}

/* Take the member at hand, which must be called so and have at most `max` bytes, into memory, with a NUL behind it.
 * *ret is freed by the caller. */
int bv_import_take(struct bv_import_stream *s, const char *name, uint64_t max, char **ret, size_t *ret_size,
                   struct bv_error *err);

/* Take the member at hand, which must be called so and have exactly `size` bytes, into the new file `file`, and sync
 * it. `what` is for the message when space runs out. */
int bv_import_store(struct bv_import_stream *s, const char *name, uint64_t size, int dirfd, const char *file,
                    const char *what, struct bv_error *err);

/* Take the member at hand, which must be the end, with the right digest and nothing behind it. */
int bv_import_end(struct bv_import_stream *s, struct bv_error *err);
