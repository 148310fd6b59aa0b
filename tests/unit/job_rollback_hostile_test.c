/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of files, and staged files, as somebody else would like them. */
#include "job_rollback_fixture.h"

/* --- hostile lists --- */

#define STAT "\"mode\":384,\"uid\":0,\"gid\":0,\"size\":1,\"mtime_ns\":0"

static void a_hostile_list_is_refused_before_anything_is_touched(void **state)
{
    struct files_fixture *f = *state;
    static const struct {
        const char *text;
        enum bv_code code;
    } table[] = {
        {"", BV_ECORRUPT},
        {"[]", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 2\",\"files\":[],\"directories\":[]}", BV_ESTORE},
        {"{\"format\":\"bivouac-capture 1\"}", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":{}}", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[1],\"directories\":[]}", BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"class\":\"append\",\"path\":\"rel\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"class\":\"append\",\"path\":\"/a/../b\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"class\":\"evil\",\"path\":\"/a\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{\"mode\":32768,\"uid\":0,\"gid\":0,\"size\":1,\"mtime_ns\":0,"
         "\"class\":\"append\",\"path\":\"/a\"}],\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[{" STAT ",\"content\":-1,\"class\":\"append\",\"path\":\"/a\"}],"
         "\"directories\":[]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":\"../x\",\"volatile\":false,"
         "\"entries\":[],\"no_capture\":[]}]}",
         BV_ECORRUPT},
        {"{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":\"/tmp\",\"volatile\":1,"
         "\"entries\":[],\"no_capture\":[]}]}",
         BV_ECORRUPT},
    };
    json_t *kept = NULL;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        put_text(f->staging, BV_CAPTURE_JSON, table[i].text);
        assert_fails(table[i].code, put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
        assert_null(kept);
    }
}

static void an_entry_does_not_leave_its_directory(void **state)
{
    struct files_fixture *f = *state;
    static const char *const bad[] = {"../victim", "/tmp/x", "", ".", "..", "a/../../victim", "a//b", "./a", "a/"};
    static const char *const types[] = {"file", "dir", "link", "fifo"};
    json_t *kept = NULL;
    put_text(f->dir->fd, "victim", "must stay");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
            autofree char *text =
                bv_asprintf("{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":"
                            "\"%s/data\",\"volatile\":false,\"no_capture\":[],\"entries\":[{" STAT
                            ",\"path\":\"%s\",\"type\":\"%s\",\"target\":\"x\",\"content\":0}]}]}",
                            f->dir->path, bad[i], types[k]);
            put_text(f->staging, BV_CAPTURE_JSON, text);
            assert_fails_saying(BV_ECORRUPT, "not valid", put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
        }
    assert_text(f->dir->fd, "victim", "must stay");
}

static void an_entry_is_not_put_through_a_link(void **state)
{
    struct files_fixture *f = *state;
    static const char *const types[] = {"file", "dir", "link", "fifo"};
    json_t *kept = NULL;
    autoclose int elsewhere = make_dir(f->dir->fd, "elsewhere");
    assert_int_equal(symlinkat("../elsewhere", f->work, "link"), 0);
    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        autofree char *text = bv_asprintf("{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":"
                                          "\"%s/data\",\"volatile\":false,\"no_capture\":[],\"entries\":[{" STAT
                                          ",\"path\":\"link/x\",\"type\":\"%s\",\"target\":\"x\",\"content\":0}]}]}",
                                          f->dir->path, types[k]);
        put_text(f->staging, BV_CAPTURE_JSON, text);
        assert_fails_saying(BV_ECHANGED, "link/x", put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
        assert_missing(elsewhere, "x");
    }
}

static void an_entry_of_an_unknown_type_is_refused(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    autofree char *text =
        bv_asprintf("{\"format\":\"bivouac-capture 1\",\"files\":[],\"directories\":[{\"path\":\"%s/data\","
                    "\"volatile\":false,\"no_capture\":[],\"entries\":[{" STAT
                    ",\"path\":\"x\",\"type\":\"device\",\"content\":0}]}]}",
                    f->dir->path);
    put_text(f->staging, BV_CAPTURE_JSON, text);
    assert_fails_saying(BV_ECORRUPT, "not valid", put_back(f, BV_ROLLBACK_ACCEPT_CHANGED, &kept, &err));
    assert_missing(f->work, "x");
}

static void a_link_in_the_place_of_a_staged_copy_is_not_followed(void **state)
{
    struct files_fixture *f = *state;
    json_t *kept = NULL;
    put_text(f->work, "db", "0123456789");
    put_text(f->dir->fd, "secret", "9876543210");
    capture_opened(f, {"db", O_RDWR, 0, 0, 0});
    put_text(f->work, "db", "x");
    assert_int_equal(unlinkat(f->staging, "files/0", 0), 0);
    assert_int_equal(symlinkat("../../../../../secret", f->staging, "files/0"), 0);
    assert_fails(BV_ECORRUPT, put_back(f, 0, &kept, &err));
    assert_text(f->work, "db", "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        files_test(a_hostile_list_is_refused_before_anything_is_touched),
        files_test(an_entry_does_not_leave_its_directory),
        files_test(an_entry_is_not_put_through_a_link),
        files_test(an_entry_of_an_unknown_type_is_refused),
        files_test(a_link_in_the_place_of_a_staged_copy_is_not_followed),
    };
    return cmocka_run_group_tests(tests, private_shm, NULL);
}
