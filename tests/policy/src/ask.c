/* SPDX-License-Identifier: Apache-2.0 */
/* ask STORE JOB REQUEST: sends a request (JSON) to the supervisor of a running job, and prints the answer. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "job/client.h"

static int ask(char **argv, json_t **ret, struct bv_error *err)
{
    autostore struct bv_store store = {.dirfd = -1, .jobsfd = -1};
    autojob struct bv_job job = {.dirfd = -1};
    autojson json_t *request = NULL;
    struct bv_attempt_info last;
    struct bv_client_call_options how = {.timeout = 60};
    if (bv_store_open(argv[1], 0, &store, err) < 0 || bv_job_open(&store, argv[2], &job, err) < 0 ||
        bv_json_parse(argv[3], strlen(argv[3]), &request, err) < 0)
        return -1;
    int got = bv_attempt_last(&job, &last, err);
    if (got <= 0)
        return got < 0 ? -1 : bv_fail(err, BV_ENOTRUNNING, 0, "the job has no attempt");
    int rc = bv_client_call(job.id, &last, request, &how, ret, err);
    bv_attempt_info_free(&last);
    return rc;
}

int main(int argc, char **argv)
{
    struct bv_error err = {0};
    autojson json_t *answer = NULL;
    if (argc != 4)
        return BV_EUSAGE;
    if (ask(argv, &answer, &err) < 0) {
        fprintf(stderr, "ask: %s\n", err.text);
        return err.code;
    }
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    return 0;
}
