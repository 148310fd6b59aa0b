/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "job/spec.h"

/* What becomes of a job's files.
 *
 * At a checkpoint, while the tree is frozen, the files it has open are looked at, and so are the directories named with
 * --capture and those that live only as long as the capsule (/dev/shm, a private /tmp). Content is copied only where it
 * could be needed: see the classes below. At a restart everything is put back as it was at that instant.
 *
 * The result is capture.json beside the contents (files/N) in the staging directory; its format is
 * doc/format/capture.md.
 *
 *   append      every writer has O_APPEND: length and checksums; cut back to the length
 *   sequential  written at its end only, as far as one can see: the same, and checksums of head and tail must agree
 *   in-place    written anywhere, or mapped shared: a copy of the content
 *   recorded    the same, but larger than the capture limit: size and mtime; a restart onto a changed one is refused
 *   read-only   open for reading and small: a copy, used only if the file is gone
 *
 * Small append and sequential files get a copy too, so that they can be put back when they are gone. */

#define BV_CAPTURE_JSON  "capture.json"
#define BV_CAPTURE_FILES "files"

/* Largest file of a class other than in-place whose content is copied: enough for temporary files, small against the
 * memory of a job. */
#define BV_PUT_BACK_LIMIT (16ULL << 20)

struct bv_capture;

/* The tree sees other mounts than we do: a file is what it is here, by the mount that both have. What only the tree
 * sees is memory, which the engine keeps, or becomes a warning. */
#define BV_CAPTURE_OUTSIDE 1
#define BV_CAPTURE_NO_ROOT 2 /* ... and the engine keeps all that lies on its root file system */

/* Look at the frozen tree and copy what may change once it runs again. `staging` is borrowed. `how`: 0, or the above.
 * Errors: BV_ENOSPACE, BV_ESTORE, BV_EINTERNAL. A file that cannot be read becomes a warning. */
int bv_capture_take(const struct bv_spec *spec, pid_t root, int how, int staging, struct bv_capture **ret,
                    struct bv_error *err);

/* Copy what can wait until the tree runs again, write capture.json, and free. Frees on failure too. */
int bv_capture_finish(struct bv_capture *c, struct bv_error *err);
void bv_capture_free(struct bv_capture *c);

/* Sentences for the user, at most 16: an array of strings, borrowed. */
const json_t *bv_capture_warnings(const struct bv_capture *c);

#define BV_ROLLBACK_ACCEPT_CHANGED 1 /* go on where a recorded file has changed */
#define BV_ROLLBACK_KEEP_TIMES     2 /* a file that has the right content keeps the time of its last change */

/* Put the files of a staged checkpoint back.
 * `volatiles` fills the directories that the new capsule has empty; `files` rolls back all others, unless one cannot
 * be: nothing is touched then. What it overwrites goes to `kept_fd` (a directory of the store), and a description of it
 * to the array `kept`, also when it fails later on. `moved_dir`: a directory into which recorded paths may lead by
 * symbolic links (struct bv_supervise_options); or NULL. `how`: 0, or the above.
 * Errors: BV_ECHANGED (which file, and how), BV_EDENIED, BV_EHOST, BV_ECORRUPT, BV_ENOSPACE. */
int bv_rollback_volatiles(int staging, struct bv_error *err);
int bv_rollback_files(int staging, int kept_fd, const char *moved_dir, int how, json_t *kept, struct bv_error *err);

/* `path` is missing: BV_EHOST if that is because a remote file system, which the staged checkpoint names, is not
 * mounted here; else 0. */
int bv_rollback_missing(int staging, const char *path, struct bv_error *err);

/* Make, in the empty directory `shadow` (open, and its absolute path), what the files of a staged checkpoint would be
 * after a restart; those without content become files of zeros of their size. *ret, an allocated array that is ended by
 * a NULL `host`, says where each belongs: with them bound there, the engine finds what it looks for, and the job's own
 * files are as they are. Errors: BV_ECORRUPT, BV_ENOSPACE. */
int bv_rollback_shadow(int staging, int shadow, const char *path, struct bv_bind **ret, struct bv_error *err);
