/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the last checkpoint of an attempt once more. The job is ended on its word, so that it is looked at first; in a
 * process of its own, since that takes as long as it takes. */
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/msg.h"
#include "job/writer.h"

#define SEND_TIMEOUT 60 /* s; the supervisor always reads */

struct verifier {
    const struct bv_job *job;
    unsigned generation;
};

static int tell(int sock, json_t *message)
{
    autojson json_t *owned = message;
    return bv_msg_send(sock, owned, NULL, 0, bv_deadline_in(SEND_TIMEOUT), NULL);
}

static int verify(const struct verifier *v, int sock, struct bv_error *err)
{
    autogen struct bv_gen *g = NULL;
    if (bv_gen_open(v->job, v->generation, &g, err) < 0)
        return -1;
    bv_fault_point("last-verify");
    if (tell(sock, json_pack("{s:s}", "is", "opened")) < 0)
        return bv_fail(err, BV_EINTERNAL, 0, "the supervisor does not listen");
    return bv_gen_verify(g, err);
}

static void verifier_main(const void *arg, int sock)
{
    struct bv_error err = {0};
    prctl(PR_SET_NAME, "bivouac-verify");
    if (verify(arg, sock, &err) < 0)
        tell(sock,
             json_pack("{s:s, s:i, s:o}", "is", "failed", "code", (int)err.code, "text", bv_json_bytes(err.text)));
    else
        tell(sock, json_pack("{s:s}", "is", "verified"));
    _exit(0);
}

int bv_verifier_start(const struct bv_job *job, unsigned generation, struct bv_writer *ret, struct bv_error *err)
{
    struct verifier v = {job, generation};
    return bv_writer_fork(verifier_main, &v, ret, err);
}
