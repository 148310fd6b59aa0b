/* SPDX-License-Identifier: Apache-2.0 */
#include "store/script.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define SCRIPT "script"

char *bv_script_path(const struct bv_store *s, const char *job_id)
{
    return bv_asprintf("%s/jobs/%s/" SCRIPT, s->path, job_id);
}

static int copy(const struct bv_job *j, const char *from, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size;
    struct bv_error why = {0};
    if (bv_read_file(AT_FDCWD, from, BV_SCRIPT_MAX, &text, &size, &why) < 0)
        return bv_fail(err, why.code == BV_ENOJOB ? BV_ENOCMD : BV_ENOEXEC, 0, "cannot read the script %s: %s", from,
                       why.text);
    return bv_publish(j->dirfd, SCRIPT, text, size, 1, err);
}

int bv_script_keep(const struct bv_job *j, const char *from, struct bv_error *err)
{
    struct stat st;
    int there = fstatat(j->dirfd, SCRIPT, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISREG(st.st_mode))
        return bv_fail(err, BV_ESTORE, 0, "the script of job %s is no file", j->id);
    if (!there && copy(j, from, err) < 0)
        return -1;
    /* Also of one that is there: whoever made it may have been killed before this. */
    if (fchmodat(j->dirfd, SCRIPT, 0700, 0) < 0)
        return bv_fail(err, bv_store_code(errno), errno, "cannot make the script of job %s executable", j->id);
    return 0;
}
