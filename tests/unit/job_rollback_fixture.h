/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "job_files_fixture.h"

/* Files are captured from a real process, changed as a future that is discarded would, and put back. */

static inline int put_back(struct files_fixture *f, int how, json_t **ret_kept, struct bv_error *err)
{
    json_t *kept = json_array();
    if (bv_rollback_files(f->staging, f->kept, NULL, how, kept, err) == 0) {
        *ret_kept = kept;
        return 0;
    }
    json_decref(kept);
    return -1;
}

/* Roll back and return what was kept aside. */
static inline json_t *rolled_back(struct files_fixture *f)
{
    json_t *kept = NULL;
    assert_ok(put_back(f, 0, &kept, &err));
    assert_true(json_is_array(kept));
    return kept;
}

/* The one thing kept aside: what of which file, and why. */
static inline void assert_kept(struct files_fixture *f, const json_t *kept, const char *name, const char *text,
                               const char *why)
{
    assert_int_equal(json_array_size(kept), 1);
    const json_t *k = json_array_get(kept, 0);
    assert_non_null(strstr(json_string_value(json_object_get(k, "path")), name));
    assert_string_equal(json_string_value(json_object_get(k, "why")), why);
    assert_int_equal(json_integer_value(json_object_get(k, "bytes")), strlen(text));
    assert_text(f->kept, json_string_value(json_object_get(k, "kept")), text);
}

static inline void append_text(int dirfd, const char *name, const char *text)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(bv_write_full(fd, text, strlen(text)), 0);
}

/* A file too large for a copy, of `size` bytes with "mark" at its end. */
static inline void put_large(int dirfd, const char *name, off_t size)
{
    autoclose int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(bv_pwrite_full(fd, "mark", 4, size - 4), 0);
}

static inline void capture_work(struct files_fixture *f, char **globs)
{
    autofree char *work = path_in(f->dir, "data");
    char *list[] = {work, NULL};
    f->spec.capture = list;
    f->spec.no_capture = globs;
    capture_job(f, NULL, 0);
    f->spec.capture = f->spec.no_capture = NULL;
}
