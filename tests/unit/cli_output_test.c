/* SPDX-License-Identifier: Apache-2.0 */
/* Text that any reader takes, and files that are whole. */
#include "unit.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/output.h"

static void assert_plain(const char *bytes, const char *expected)
{
    autofree char *plain = cmd_plain_text(bytes);
    assert_string_equal(plain, expected);
}

static void text_stays_as_it_is(void **state)
{
    (void)state;
    assert_plain("", "");
    assert_plain("./run --n=3 <a> & 'b' \\x41", "./run --n=3 <a> & 'b' \\x41");
    assert_plain("Zür\xc3\xbc"
                 "ck \xe2\x82\xac \xf0\x9f\x98\x80",
                 "Zür\xc3\xbc"
                 "ck \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void what_is_no_utf8_is_written_byte_by_byte(void **state)
{
    (void)state;
    assert_plain("a\xff", "a\\xff");
    assert_plain("\xc3", "\\xc3");
    assert_plain("\xc3(", "\\xc3(");
    assert_plain("\xe2\x82", "\\xe2\\x82");
    assert_plain("\x80\xbf", "\\x80\\xbf");
    assert_plain("\xc0\xaf", "\\xc0\\xaf");                   /* overlong */
    assert_plain("\xe0\x80\xaf", "\\xe0\\x80\\xaf");          /* overlong */
    assert_plain("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
    assert_plain("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond the last character */
    assert_plain("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
}

static void what_cannot_be_seen_is_written_byte_by_byte(void **state)
{
    (void)state;
    assert_plain("\x1b[2J\a\n\t\x7f", "\\x1b[2J\\x07\\x0a\\x09\\x7f");
    assert_plain("\xc2\x9b", "\\xc2\\x9b"); /* a control of the second kind */
    assert_plain("a\xe2\x80\xae"
                 "b",
                 "a\\xe2\\x80\\xaeb"); /* right to left */
    assert_plain("\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf", "\\xe2\\x81\\xa6\\xe2\\x80\\x8b\\xef\\xbb\\xbf");
    assert_plain("\xef\xbf\xbf", "\\xef\\xbf\\xbf"); /* no character */
}

static void a_string_that_is_none_is_a_question_mark(void **state)
{
    (void)state;
    autojson json_t *good = bv_json_bytes("a\xff"), *bad = json_string("%zz");
    autofree char *a = cmd_plain_json(good), *b = cmd_plain_json(bad), *c = cmd_plain_json(NULL);
    assert_string_equal(a, "a\\xff");
    assert_string_equal(b, "?");
    assert_string_equal(c, "?");
}

static void a_file_is_written_whole_with_its_mode_or_not_at_all(void **state)
{
    (void)state;
    struct stat st;
    char dir[] = "/tmp/bivouac-output.XXXXXX", path[64], text[8] = "";
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
    assert_ok(cmd_write_file(path, "first", 5, 0600, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_ok(cmd_write_file(path, "second", 6, 0644, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(bv_read_full(fd, text, sizeof(text)), 6);
    assert_memory_equal(text, "second", 6);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_fails_saying(BV_EUSAGE, "no regular file", cmd_write_file(path, "x", 1, 0600, &err));
    assert_int_equal(unlink(path), 0);
    assert_fails_saying(BV_EUSAGE, "no regular file", cmd_write_file("/tmp/", "x", 1, 0600, &err));
    assert_fails_saying(BV_EUSAGE, "directory", cmd_write_file("/nowhere/x", "x", 1, 0600, &err));
    assert_int_equal(rmdir(dir), 0); /* nothing is left in it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_as_it_is),
        cmocka_unit_test(what_is_no_utf8_is_written_byte_by_byte),
        cmocka_unit_test(what_cannot_be_seen_is_written_byte_by_byte),
        cmocka_unit_test(a_string_that_is_none_is_a_question_mark),
        cmocka_unit_test(a_file_is_written_whole_with_its_mode_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
