/* SPDX-License-Identifier: Apache-2.0 */
/* reseal FILE: gives an edited manifest its canonical form and its digest back, so that not the digest but what the
 * manifest says must be refused. */

#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "store/digest.h"

#define MANIFEST_MAX (64 << 20)

int main(int argc, char **argv)
{
    autofree char *text = NULL;
    autojson json_t *j = NULL;
    struct bv_error err = {0};
    size_t size = 0;

    if (argc != 2 || bv_read_file(AT_FDCWD, argv[1], MANIFEST_MAX, &text, &size, &err) < 0 ||
        bv_json_parse(text, size, &j, &err) < 0) {
        fprintf(stderr, "reseal: %s\n", err.text);
        return 1;
    }
    json_object_del(j, "digest");
    autofree char *body = bv_json_canonical(j);
    struct bv_digest digest = bv_digest_of(body, strlen(body));
    char digest_text[BV_DIGEST_TEXT];
    bv_digest_text(&digest, digest_text);
    bv_json_set(j, "digest", json_string(digest_text));

    autofree char *sealed = bv_json_canonical(j);
    FILE *f = fopen(argv[1], "we");
    if (!f || fprintf(f, "%s\n", sealed) < 0 || fclose(f) != 0) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
