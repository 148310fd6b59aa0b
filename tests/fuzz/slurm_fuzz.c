/* SPDX-License-Identifier: Apache-2.0 */
/* Features of a node, and the constraint that a user has given a job, in the hands of the controller's hook; flags of a
 * CPU as a manifest has them. The first two lines are the first two. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "proc/cpu.h"
#include "sched/slurm/slurm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree char *text = bv_alloc(size + 1);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text;
    const char *features = strsep(&rest, "\n");
    const char *own = rest ? strsep(&rest, "\n") : "";

    autofree char *need = bv_slurm_need(features);
    autofree char *all = bv_slurm_constrain(own, need);
    autofree char *lacking = bv_slurm_lacking(features, need);
    if (*lacking)
        abort();
    if (all && *need) {
        /* What was added is there, and to do it again changes nothing. */
        autofree char *again = bv_slurm_constrain(all, need);
        if (!again || strcmp(again, all) != 0 || strlen(all) < strlen(need) ||
            strcmp(all + strlen(all) - strlen(need), need) != 0)
            abort();
    }
    autofree char *flags = bv_cpu_features("x86_64", rest ? rest : features);
    return 0;
}
