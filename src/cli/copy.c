/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/copy.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "store/generation.h"

int cmd_copy_spec(const char *store_path, const char *ref, struct bv_spec *ret, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autojson json_t *record = NULL;
    autofree unsigned *list = NULL;
    size_t n = 0;
    unsigned generation;
    if (cmd_open_store(store_path, &store, err) < 0 || cmd_open_job(&store, ref, &job, &generation, err) < 0 ||
        bv_job_record(&job, &record, err) < 0 || bv_generation_list(&job, &list, &n, err) < 0)
        return -1;
    if (!generation && n == 0)
        return bv_fail(err, BV_ENOCKPT, 0, "job %s has no checkpoint", job.id);
    if (bv_spec_parse(record, ret, err) < 0)
        return -1;
    free(ret->copy_of);
    ret->copy_of = bv_asprintf("%s@%u", job.id, generation ? generation : list[n - 1]);
    return 0;
}
