/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "sched/command.h"
#include "sched/condor/condor.h"

#define CHIRP_TIME 10.0 /* s */

/* Where packages and the tar file of HTCondor have it; it is in no PATH. */
static const char *const places[] = {"condor_chirp", "/usr/libexec/condor/condor_chirp",
                                     "/usr/lib/condor/libexec/condor_chirp", "/usr/lib64/condor/condor_chirp"};

int bv_condor_tell(const char *attribute, const char *value)
{
    char name[] = "condor_chirp", verb[] = "set_job_attr";
    if (!getenv("_CONDOR_CHIRP_CONFIG"))
        return -1;
    autofree char *first = bv_strdup(attribute), *second = bv_strdup(value);
    char *argv[] = {name, verb, first, second, NULL};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        autocommand struct bv_command_result r = {0};
        struct bv_error e = {0};
        if (bv_command_run(places[i], argv, CHIRP_TIME, &r, &e) == 0 && r.status != 126 && r.status != 127)
            return r.status == 0 ? 0 : -1;
        if (e.code && e.code != BV_ENOCMD)
            return -1;
    }
    return -1;
}

char *bv_condor_quote(const char *text)
{
    char *out = bv_alloc(2 * strlen(text) + 3);
    size_t n = 0;
    out[n++] = '"';
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            out[n++] = '\\';
        out[n++] = *c >= ' ' && *c <= '~' ? *c : '?';
    }
    out[n++] = '"';
    return out;
}

void bv_condor_tell_failure(const char *text)
{
    const char *file = getenv("_CONDOR_WRAPPER_ERROR_FILE");
    autofree char *quoted = bv_condor_quote(text);
    bv_condor_tell("BivouacFailed", quoted);
    if (!file || file[0] != '/')
        return;
    autoclose int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    autofree char *line = bv_asprintf("bivouac: %s\n", text);
    /* Nobody can be told that this fails; standard error has it. */
    if (fd >= 0 && bv_write_full(fd, line, strlen(line)) < 0)
        return;
}
