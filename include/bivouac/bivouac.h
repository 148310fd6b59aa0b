/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BIVOUAC_BIVOUAC_H
#define BIVOUAC_BIVOUAC_H

/* libbivouac: what plugins of schedulers and other programs may ask of Bivouac. Link with -lbivouac (pkg-config
 * bivouac).
 *
 * Each function returns 0 on success, else an exit status of bivouac-exit-codes(7), and then writes one sentence for
 * the user into `message`, cut off at `size` bytes with its NUL; `message` may be NULL. No function prints anything,
 * changes the environment, or keeps anything between two calls; all may be called from several threads. */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BIVOUAC_API 1 /* grows when something is added; nothing is ever taken away */

#define BIVOUAC_EUSAGE 2

/* The version of the library, as in "0.1.0". Static. */
const char *bivouac_version(void);

/* Is `text` a good value of the setting `key`, as in bivouac.conf(5)? BIVOUAC_EUSAGE if not, or if there is no such
 * setting. */
int bivouac_check_setting(const char *key, const char *text, char *message, size_t size);

/* Is `text` a job, "JOB" or "JOB@GENERATION"? Whether it exists is not asked. */
int bivouac_check_job(const char *text, char *message, size_t size);

/* What becomes of a job behind a checkpoint. */
enum bivouac_then {
    BIVOUAC_GO_ON, /* it runs on */
    BIVOUAC_STOP,  /* it is left stopped */
    BIVOUAC_END,   /* its supervisor ends, with status 85 */
};

/* What the supervisor of a running job of this host says of it: an object in JSON, as in doc/format/control.md, that
 * the caller frees with free(). `store` NULL = the user's default. */
int bivouac_status(const char *store, const char *job, char **ret_json, char *message, size_t size);

/* Make a checkpoint of a running job of this host, and wait until it is committed or has failed. `timeout` in seconds,
 * 0 = that of the job. `reason` is a word for its history, NULL = "request". *ret_generation may be NULL. */
int bivouac_checkpoint(const char *store, const char *job, enum bivouac_then then, double timeout, const char *reason,
                       unsigned *ret_generation, char *message, size_t size);

#ifdef __cplusplus
}
#endif

#endif
