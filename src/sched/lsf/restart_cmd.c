/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lsf/restart_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define JOBFILE     "bivouac.jobfile"
#define JOBFILE_MAX (16 << 20)
#define MARK        "# LSBATCH: User input\n"

char *bv_lsf_quote(const char *text)
{
    char *quoted = bv_alloc(4 * strlen(text) + 3), *to = quoted;
    *to++ = '\'';
    for (const char *p = text; *p; p++) {
        if (*p == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = *p;
        }
    }
    *to = '\'';
    return quoted;
}

static int own_program(char ret[PATH_MAX], struct bv_error *err)
{
    ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
    if (n <= 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot tell where this program is");
    ret[n] = '\0';
    return 0;
}

static int is_on(const char *value)
{
    return value && (*value == 'y' || *value == 'Y' || *value == '1');
}

/* The header of the job file that LSF has made, up to where the user's commands begin, and ours in their place. */
static int write_job_file(const struct bv_lsf_place *p, const char *command, struct bv_error *err)
{
    const char *path = getenv("LSB_CHKFILENAME");
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    autofree char *text = NULL;
    size_t size;
    if (!name || !bv_is_component(name))
        return bv_fail(err, BV_EUSAGE, 0, "LSB_CHKFILENAME does not name the job file");
    if (bv_read_file(p->dirfd, name, JOBFILE_MAX, &text, &size, err) < 0)
        return -1;
    char *mark = strstr(text, MARK);
    if (!mark)
        return bv_fail(err, BV_ECORRUPT, 0, "%s/%s is no job file of LSF", p->path, name);
    mark[strlen(MARK)] = '\0';
    autofree char *whole = bv_asprintf("%s%s\n", text, command);
    if (bv_publish(p->dirfd, JOBFILE, whole, strlen(whole), 1, err) < 0)
        return -1;
    return fchmodat(p->dirfd, JOBFILE, 0700, 0) == 0 ? 0 : bv_fail(err, BV_ESTORE, errno, "cannot make a job file");
}

int bv_lsf_restart_cmd_write(const struct bv_lsf_place *p, enum bv_lsf_restart what, struct bv_error *err)
{
    char program[PATH_MAX];
    if (own_program(program, err) < 0)
        return -1;
    autofree char *quoted = bv_lsf_quote(program), *where = bv_lsf_quote(p->path);
    autofree char *command =
        bv_asprintf("exec %s lsf restart %s%s", quoted, what == BV_LSF_REFUSE ? "--refuse " : "", where);
    autofree char *lines = NULL;
    if (is_on(getenv("LSB_USE_MY_JOBFILE"))) {
        autofree char *file = bv_asprintf("%s/" JOBFILE, p->path);
        if (write_job_file(p, command, err) < 0)
            return -1;
        lines = bv_asprintf("LSB_RESTART_CMD=%s\nLSB_USE_MY_JOBFILE=Y\n", file);
    } else {
        lines = bv_asprintf("LSB_RESTART_CMD=%s\n", command);
    }
    if (strchr(command, '\n') || strcspn(lines, "\n") >= BV_LSF_LINE_MAX - 1)
        return bv_fail(err, BV_EUSAGE, 0,
                       "the path of the checkpoint directory %s is too long for LSF, or has a line break", p->path);
    return bv_publish(p->dirfd, BV_LSF_RESTART_CMD, lines, strlen(lines), 1, err);
}
