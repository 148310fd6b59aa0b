/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/index.h"
#include "store/layout.h"

void bv_manifest_free(struct bv_manifest *m)
{
    json_decref(m->json);
    free(m->packs);
    *m = (struct bv_manifest){0};
}

static json_t *file_json(const struct bv_file_ref *f)
{
    char text[BV_DIGEST_TEXT];
    json_t *j = json_object();
    bv_digest_text(&f->digest, text);
    bv_json_set(j, "size", json_integer((json_int_t)f->size));
    bv_json_set(j, "digest", json_string(text));
    return j;
}

static json_t *totals_json(const struct bv_gen_stats *s)
{
    json_t *j = json_object();
    bv_json_set(j, "streams", json_integer((json_int_t)s->streams));
    bv_json_set(j, "raw_bytes", json_integer((json_int_t)s->raw_bytes));
    bv_json_set(j, "zero_bytes", json_integer((json_int_t)s->zero_bytes));
    bv_json_set(j, "same_bytes", json_integer((json_int_t)s->same_bytes));
    bv_json_set(j, "new_bytes", json_integer((json_int_t)s->new_bytes));
    bv_json_set(j, "stored_bytes", json_integer((json_int_t)s->stored_bytes));
    bv_json_set(j, "linked_bytes", json_integer((json_int_t)s->linked_bytes));
    return j;
}

static struct bv_digest digest_of_json(const json_t *j)
{
    autofree char *text = bv_json_canonical(j);
    return bv_digest_of(text, strlen(text));
}

char *bv_manifest_build(const struct bv_manifest *m, const struct bv_gen_stats *totals, const json_t *content)
{
    char time[BV_TIME_TEXT], digest_text[BV_DIGEST_TEXT];
    autojson json_t *j = json_object();
    bv_time_text(bv_clock_ns(CLOCK_REALTIME), time);
    bv_json_set(j, "format", json_string(BV_MANIFEST_FORMAT));
    bv_json_set(j, "job", json_string(m->job));
    bv_json_set(j, "generation", json_integer(m->generation));
    bv_json_set(j, "attempt", json_integer(m->attempt));
    bv_json_set(j, "created", json_string(time));
    bv_json_set(j, "index", file_json(&m->index));

    json_t *packs = json_array();
    for (size_t i = 0; i < m->pack_count; i++) {
        char name[BV_PACK_NAME];
        json_t *pack = file_json(&m->packs[i]);
        bv_pack_name(m->packs[i].generation, name);
        bv_json_set(pack, "name", json_string(name));
        bv_json_append(packs, pack);
    }
    bv_json_set(j, "packs", packs);
    bv_json_set(j, "totals", totals_json(totals));
    bv_json_set(j, "content", content ? json_deep_copy(content) : json_object());

    struct bv_digest digest = digest_of_json(j);
    bv_digest_text(&digest, digest_text);
    bv_json_set(j, "digest", json_string(digest_text));
    autofree char *text = bv_json_canonical(j);
    return bv_asprintf("%s\n", text);
}

/* --- reading --- */

static int get_file(const json_t *j, struct bv_file_ref *ret, struct bv_error *err)
{
    const char *digest;
    if (bv_json_u64(j, "size", BV_SIZE_LIMIT, &ret->size, err) < 0 || bv_json_str(j, "digest", &digest, err) < 0)
        return -1;
    if (bv_digest_parse(digest, &ret->digest) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "\"digest\" is no " BV_DIGEST_PREFIX " digest");
    return 0;
}

/* Is the text exactly what its own value would be written as, and is the digest in it that of the rest? So no byte of
 * the file can change unnoticed, white space included. Takes the digest out of `j` and puts it back. */
static int check_itself(json_t *j, const char *text, size_t size, struct bv_error *err)
{
    autofree char *again = bv_json_canonical(j);
    size_t n = strlen(again);
    if (size != n + 1 || memcmp(text, again, n) != 0 || text[n] != '\n')
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest is not in its canonical form");

    struct bv_digest said, is;
    autojson json_t *member = json_incref(json_object_get(j, "digest"));
    const char *digest = json_string_value(member);
    if (!digest || bv_digest_parse(digest, &said) < 0)
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest has no digest of itself");
    json_object_del(j, "digest");
    is = digest_of_json(j);
    bv_json_set(j, "digest", json_incref(member));
    if (!bv_digest_same(&said, &is))
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest does not match its own digest");
    return 0;
}

static int check_format(const json_t *j, struct bv_error *err)
{
    const char *format;
    if (bv_json_str(j, "format", &format, err) < 0)
        return -1;
    if (strcmp(format, BV_MANIFEST_FORMAT) == 0)
        return 0;
    if (strncmp(format, "bivouac-generation ", strlen("bivouac-generation ")) == 0)
        return bv_fail(err, BV_ESTORE, 0, "the generation has another format than this version of Bivouac reads (2)");
    return bv_fail(err, BV_ECORRUPT, 0, "\"format\" is not that of a generation");
}

static int get_packs(const json_t *j, struct bv_manifest *m, struct bv_error *err)
{
    json_t *packs;
    if (bv_json_array(j, "packs", BV_PACKS_MAX, &packs, err) < 0)
        return -1;
    m->packs = bv_alloc(json_array_size(packs) * sizeof(*m->packs));
    for (; m->pack_count < json_array_size(packs); m->pack_count++) {
        struct bv_file_ref *f = &m->packs[m->pack_count];
        const json_t *pack = json_array_get(packs, m->pack_count);
        const char *name;
        if (bv_json_str(pack, "name", &name, err) < 0 || get_file(pack, f, err) < 0)
            return bv_wrap(err, "pack %zu", m->pack_count);
        if (!bv_is_pack_name(name, &f->generation))
            return bv_fail(err, BV_ECORRUPT, 0,
                           "pack %zu of the manifest has a name that is not pack-NNNNNN.bvp, a file of this generation",
                           m->pack_count);
        if (m->pack_count && f->generation <= f[-1].generation)
            return bv_fail(err, BV_ECORRUPT, 0, "the packs of the manifest are not in order");
    }
    return 0;
}

static int get_members(const json_t *j, struct bv_manifest *m, struct bv_error *err)
{
    uint64_t generation, attempt;
    json_t *index, *totals, *content;
    const char *created;
    if (bv_json_u64(j, "generation", BV_GENERATION_MAX, &generation, err) < 0 ||
        bv_json_u64(j, "attempt", BV_ATTEMPT_MAX, &attempt, err) < 0 || bv_json_str(j, "job", &m->job, err) < 0 ||
        bv_json_str(j, "created", &created, err) < 0 || bv_json_object(j, "totals", &totals, err) < 0 ||
        bv_json_object(j, "content", &content, err) < 0 || bv_json_object(j, "index", &index, err) < 0)
        return -1;
    if (get_file(index, &m->index, err) < 0)
        return bv_wrap(err, "\"index\"");
    m->generation = (unsigned)generation;
    m->attempt = (unsigned)attempt;
    m->content = content;
    return get_packs(j, m, err);
}

int bv_manifest_parse(const char *text, size_t size, struct bv_manifest *ret, struct bv_error *err)
{
    automanifest struct bv_manifest m = {0};
    if (bv_json_parse(text, size, &m.json, err) < 0)
        return bv_wrap(err, "the manifest");
    if (!json_is_object(m.json))
        return bv_fail(err, BV_ECORRUPT, 0, "the manifest is no JSON object");
    if (check_itself(m.json, text, size, err) < 0)
        return -1;
    if (check_format(m.json, err) < 0 || get_members(m.json, &m, err) < 0)
        return bv_wrap(err, "the manifest");
    *ret = m;
    m = (struct bv_manifest){0};
    return 0;
}
