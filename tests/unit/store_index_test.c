/* SPDX-License-Identifier: Apache-2.0 */
/* The index says what was put into it, and refuses what no writer would write. */
#include "store_fixture.h"

#include "store/index.h"
#include "store/pack_read.h"

/* Two packs, the second with two blocks, and stream "a": a page of zeros, then a page and 100 bytes of block 1. */
static void make(struct bv_index *x)
{
    bv_index_init(x, 7);
    bv_index_pack(x, &(struct bv_pack_ref){.generation = 3, .size = BV_PACK_HEADER + BV_BLOCK_HEADER + 50});
    bv_index_block(x, 5000, 50);
    bv_index_pack(x, &(struct bv_pack_ref){.generation = 7, .size = BV_PACK_HEADER + 2 * BV_BLOCK_HEADER + 9000});
    bv_index_block(x, 8192, 8192);
    bv_index_block(x, 4096, 808);
    assert_ok(bv_index_stream(x, "a", &err));
    bv_index_zeros(x, 0, 4096);
    bv_index_bytes(x, 0, (struct bv_extent){.length = 4096, .block = 1, .skip = 5});
    bv_index_bytes(x, 0, (struct bv_extent){.length = 100, .block = 2, .skip = 0});
    x->pages = bv_alloc(2 * sizeof(*x->pages));
    x->pages[1].bytes[3] = 9;
}

static int parses(const struct bv_index *x)
{
    autobuffer struct bv_buffer bytes = {0};
    autoindex struct bv_index back = {0};
    struct bv_error err = {0};
    bv_index_encode(x, &bytes);
    int rc = bv_index_parse(bytes.bytes, bytes.size, &back, &err);
    if (rc < 0)
        assert_int_equal(err.code, BV_ECORRUPT);
    return rc == 0;
}

static void an_index_comes_back_from_its_bytes(void **state)
{
    (void)state;
    autobuffer struct bv_buffer bytes = {0};
    autoindex struct bv_index x = {0}, back = {0};
    make(&x);
    bv_index_encode(&x, &bytes);
    assert_ok(bv_index_parse(bytes.bytes, bytes.size, &back, &err));
    assert_int_equal(back.generation, 7);
    assert_int_equal(back.stream_count, 1);
    assert_string_equal(back.streams[0].name, "a");
    assert_int_equal(back.streams[0].size, 8292);
    assert_int_equal(back.extent_count, 3);
    assert_int_equal(back.extents[0].block, BV_EXTENT_ZERO);
    assert_int_equal(back.extents[1].skip, 5);
    assert_int_equal(back.block_count, 3);
    assert_int_equal(back.blocks[2].offset, BV_PACK_HEADER + BV_BLOCK_HEADER + 8192);
    assert_int_equal(back.blocks[2].pack, 1);
    assert_int_equal(back.page_count, 2);
    assert_int_equal(back.pages[1].bytes[3], 9);
    assert_int_equal(bv_index_find(&back, "a"), 0);
    assert_int_equal(bv_index_find(&back, "b"), -1);
}

static void adjoining_extents_are_one(void **state)
{
    (void)state;
    autoindex struct bv_index x = {0};
    make(&x);
    bv_index_bytes(&x, 0, (struct bv_extent){.length = 50, .block = 2, .skip = 100});
    assert_int_equal(x.extent_count, 3);
    bv_index_bytes(&x, 0, (struct bv_extent){.length = 50, .block = 2, .skip = 151});
    assert_int_equal(x.extent_count, 4);
    bv_index_zeros(&x, 0, 1);
    bv_index_zeros(&x, 0, 1);
    assert_int_equal(x.extent_count, 5);
    /* Never with those of the stream before. */
    assert_ok(bv_index_stream(&x, "b", &err));
    bv_index_zeros(&x, 1, 1);
    assert_int_equal(x.extent_count, 6);
    assert_int_equal(x.streams[1].first, 5);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    autobuffer struct bv_buffer bytes = {0};
    autoindex struct bv_index x = {0}, back = {0};
    make(&x);
    bv_index_encode(&x, &bytes);
    for (size_t n = 0; n < bytes.size; n++) {
        autofree uint8_t *cut = bv_alloc(n); /* so that the sanitizer sees a read behind the end */
        memcpy(cut, bytes.bytes, n);
        assert_fails(BV_ECORRUPT, bv_index_parse(cut, n, &back, &err));
    }
    bv_put_u16(&bytes, 0);
    assert_fails(BV_ECORRUPT, bv_index_parse(bytes.bytes, bytes.size, &back, &err));
}

#define refused_with(change)                                                                                           \
    do {                                                                                                               \
        autoindex struct bv_index x = {0};                                                                             \
        make(&x);                                                                                                      \
        assert_true(parses(&x));                                                                                       \
        change;                                                                                                        \
        if (parses(&x))                                                                                                \
            fail_msg("accepted: %s", #change);                                                                         \
    } while (0)

static void impossible_extents_are_refused(void **state)
{
    (void)state;
    refused_with(x.extents[0].length = 0);
    refused_with(x.extents[0].length = 4095);
    refused_with(x.extents[0].length = 4097);
    refused_with(x.extents[0].length = UINT64_MAX);
    refused_with(x.extents[0].skip = 1);
    refused_with(x.extents[1].length = 4095);
    refused_with(x.extents[1].block = 3);
    refused_with(x.extents[1].block = UINT32_MAX - 1);
    refused_with(x.extents[1].skip = 4097);
    refused_with(x.extents[1].skip = UINT32_MAX);
    refused_with(x.extents[2].skip = 3997);
    refused_with(x.streams[0].size++);
    refused_with(x.streams[0].size--);
    refused_with(x.streams[0].size = UINT64_MAX);
    refused_with(x.streams[0].count--);
    refused_with((x.extents[0].length++, x.extents[1].length--));
    refused_with(x.page_count--);
}

static void impossible_packs_are_refused(void **state)
{
    (void)state;
    refused_with(x.packs[0].generation = 0);
    refused_with(x.packs[0].generation = 7);
    refused_with(x.packs[0].generation = 8);
    refused_with(x.packs[1].generation = 8);
    refused_with(x.packs[1].generation = 3);
    refused_with(x.packs[0].size = 63);
    refused_with(x.packs[0].size++);
    refused_with(x.packs[0].size = UINT64_MAX);
    refused_with(x.packs[1].count--);
    refused_with(x.blocks[0].raw = 0);
    refused_with(x.blocks[0].raw = BV_BLOCK_MAX + 1);
    refused_with(x.blocks[0].raw = 49);
    refused_with(x.blocks[0].stored = 0);
    refused_with(x.blocks[0].stored = 51);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    static const char *const bad[] = {"/etc/passwd", "../x", "a/../../x", "a//b", "", "a/", ".", "x\ny"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused_with((free(x.streams[0].name), x.streams[0].name = bv_strdup(bad[i])));
}

static void a_name_that_comes_twice_is_refused(void **state)
{
    (void)state;
    autoindex struct bv_index x = {0};
    make(&x);
    assert_ok(bv_index_stream(&x, "b", &err));
    assert_true(parses(&x));
    x.streams[1].name[0] = 'a';
    assert_false(parses(&x));
}

static void impossible_block_headers_are_refused(void **state)
{
    (void)state;
    uint8_t good[BV_BLOCK_HEADER] = {0, 1, 0, 0, 255, 0, 0, 0, BV_CODEC_ZSTD}, bytes[BV_BLOCK_HEADER];
    struct bv_block_header h;
    assert_int_equal(bv_block_header_parse(good, &h), 0);
    assert_int_equal(h.raw, 256);
    assert_int_equal(h.stored, 255);
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {
        {1, 0},  /* nothing in it */
        {3, 1},  /* larger than a block may be */
        {4, 0},  /* nothing stored */
        {5, 1},  /* compressed to more than it was */
        {8, 3},  /* a codec that nobody knows */
        {8, 0},  /* stored as it is, but of another size */
        {12, 1}, /* flags */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(bytes, good, sizeof(bytes));
        bytes[bad[i].at] = bad[i].value;
        assert_int_equal(bv_block_header_parse(bytes, &h), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_comes_back_from_its_bytes),
        cmocka_unit_test(adjoining_extents_are_one),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(impossible_extents_are_refused),
        cmocka_unit_test(impossible_packs_are_refused),
        cmocka_unit_test(names_that_lead_elsewhere_are_refused),
        cmocka_unit_test(a_name_that_comes_twice_is_refused),
        cmocka_unit_test(impossible_block_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
