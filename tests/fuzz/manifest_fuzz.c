/* SPDX-License-Identifier: Apache-2.0 */
/* The text as it is; and again signed, since no fuzzer finds a digest by chance. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "store/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *text, size_t size)
{
    automanifest struct bv_manifest m = {0};
    struct bv_error err = {0};
    if (bv_manifest_parse(text, size, &m, &err) < 0 && err.code != BV_ECORRUPT && err.code != BV_ESTORE)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char digest_text[BV_DIGEST_TEXT];
    parse((const char *)data, size);

    autojson json_t *j = NULL;
    if (bv_json_parse((const char *)data, size, &j, NULL) < 0 || !json_is_object(j))
        return 0;
    json_object_del(j, "digest");
    autofree char *body = bv_json_canonical(j);
    struct bv_digest digest = bv_digest_of(body, strlen(body));
    bv_digest_text(&digest, digest_text);
    bv_json_set(j, "digest", json_string(digest_text));
    autofree char *text = bv_json_canonical(j);
    autofree char *whole = bv_asprintf("%s\n", text);
    parse(whole, strlen(whole));
    return 0;
}
