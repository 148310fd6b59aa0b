/* SPDX-License-Identifier: Apache-2.0 */
/* The ad of a job of HTCondor, and the head of the file that it carries. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sched/condor/condor.h"

/* A head that was accepted is written as one that is accepted, and means the same. */
static void write_again(const struct bv_condor_head *h)
{
    autoclose int fd = memfd_create("head", MFD_CLOEXEC);
    struct bv_condor_head again = {0};
    if (fd < 0 || bv_condor_head_write(fd, h, NULL) < 0 || bv_condor_head_read(fd, &again, NULL) != 1)
        abort();
    if (again.end != h->end || again.number != h->number || again.count != h->count ||
        again.checkpoints != h->checkpoints)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree char *text = bv_alloc(size + 1);
    autocondorjob struct bv_condor_job j = {0};
    struct bv_condor_head h = {0};
    struct bv_error err = {0};
    if (size)
        memcpy(text, data, size);
    if (bv_condor_job_parse(text, &j, &err) == 0) {
        if (!(j.interval >= 1) || !(j.vacate >= 1))
            abort();
        autofree char *quoted = j.store ? bv_condor_quote(j.store) : NULL;
        bv_condor_job_check(&j, &err);
    }
    if (bv_condor_head_parse(text, size, size, &h, &err) == 0)
        write_again(&h);
    return 0;
}
