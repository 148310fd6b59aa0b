/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <getopt.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/options.h"

/* What a command of these tests takes. */
struct taken {
    const char *store, *mode;
    int json, force;
    double after;
    struct bv_settings settings;
};

static const struct cmd_syntax syntax = {
    .name = "try",
    .usage = "[OPTION]... JOB\n[OPTION]... --all",
    .text = "Try something.\n",
    .footer = "The end.\n",
};

#define LONG_WORDS                                                                                                     \
    "words that are many enough to need a further line of the help, which begins below the first of them, "

/* Run cmd_options() over the words, and catch what it prints. */
static enum cmd_next take(struct taken *t, int stops, char **words, int *ret_status, char **ret_output)
{
    const struct cmd_option options[] = {
        {'f', "force", NULL, "a flag", .to = &t->force},
        {0, "one", NULL, "a word", .word = "1", .to = &t->mode},
        {0, "two", NULL, LONG_WORDS LONG_WORDS "end", .word = "2", .to = &t->mode},
        {'a', "after", "TIME", "a duration", .take = cmd_take_duration, .to = &t->after},
        CMD_STORE(&t->store),
        CMD_JSON(&t->json, "JSON"),
        {0, "secret", NULL, NULL, .word = "secret", .to = &t->mode},
        {0, "with-a-very-long-name", "AND-A-LONG-ARGUMENT", "far right", .to = &t->mode},
        {0},
    };
    struct cmd_option all[CMD_OPTIONS_MAX] = {0};
    struct cmd_syntax s = syntax;
    s.stops = stops;
    cmd_add_options(all, options);
    cmd_add_settings(all, BV_FOR_RUN, &t->settings);

    int argc = 0;
    while (words[argc])
        argc++;
    fflush(stdout);
    autoclose int saved = dup(STDOUT_FILENO), caught = memfd_create("out", MFD_CLOEXEC);
    assert_true(dup2(caught, STDOUT_FILENO) >= 0);
    optind = 0; /* from the beginning */
    enum cmd_next next = cmd_options(&s, all, argc, words, ret_status);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    if (ret_output) {
        off_t size = lseek(caught, 0, SEEK_END);
        *ret_output = bv_alloc((size_t)size + 1);
        assert_int_equal(bv_pread_full(caught, *ret_output, (size_t)size, 0), size);
    }
    return next;
}

#define WORDS(...)                                                                                                     \
    (char *[])                                                                                                         \
    {                                                                                                                  \
        (char *)"try", __VA_ARGS__, NULL                                                                               \
    }
#define W(word) (char *)(word)

static void each_kind_of_option_goes_where_the_table_says(void **state)
{
    (void)state;
    struct taken t = {0};
    int status = 77;
    bv_settings_init(&t.settings);
    char **words = WORDS(W("-f"), W("--two"), W("-a90"), W("job"), W("--store=/x"), W("--lease"), W("5m"), W("--json"));
    assert_int_equal(take(&t, 0, words, &status, NULL), CMD_GO_ON);
    assert_int_equal(status, 77);
    assert_true(t.force && t.json);
    assert_string_equal(t.mode, "2");
    assert_string_equal(t.store, "/x");
    assert_float_equal(t.after, 90, 0);
    assert_float_equal(t.settings.lease, 300, 0);
    assert_string_equal(words[optind], "job"); /* what is no option comes behind them */

    assert_int_equal(take(&t, 0, WORDS(W("--two"), W("--one"), W("--secret")), &status, NULL), CMD_GO_ON);
    assert_string_equal(t.mode, "secret"); /* the last counts */
    bv_settings_free(&t.settings);
}

static void options_end_at_a_command(void **state)
{
    (void)state;
    struct taken t = {0};
    int status;
    char **words = WORDS(W("-f"), W("command"), W("--json")), **dashes = WORDS(W("--"), W("-f"));
    assert_int_equal(take(&t, 1, words, &status, NULL), CMD_GO_ON);
    assert_true(t.force && !t.json);
    assert_string_equal(words[optind], "command");
    t.force = 0;
    assert_int_equal(take(&t, 0, dashes, &status, NULL), CMD_GO_ON);
    assert_int_equal(t.force, 0);
    assert_string_equal(dashes[optind], "-f");
}

static void what_is_wrong_ends_the_command(void **state)
{
    (void)state;
    char **bad[] = {WORDS(W("--none")),          WORDS(W("-x")), WORDS(W("--store")),
                    WORDS(W("--force=1")),       WORDS(W("-a")), WORDS(W("--after"), W("soon")),
                    WORDS(W("--lease"), W("-5"))};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct taken t = {0};
        int status = 77;
        autofree char *output = NULL;
        assert_int_equal(take(&t, 0, bad[i], &status, &output), CMD_DONE);
        assert_int_equal(status, BV_EUSAGE);
        assert_string_equal(output, "");
    }
}

static void a_bad_value_is_told_as_json_where_that_was_asked_for(void **state)
{
    (void)state;
    struct taken t = {0};
    int status = 77;
    autofree char *output = NULL;
    assert_int_equal(take(&t, 0, WORDS(W("--json"), W("--after"), W("soon")), &status, &output), CMD_DONE);
    autojson json_t *j = json_loads(output, 0, NULL);
    const json_t *error = json_object_get(j, "error");
    assert_int_equal(json_integer_value(json_object_get(error, "code")), BV_EUSAGE);
    autofree char *text = NULL;
    assert_ok(bv_json_get_bytes(error, "text", &text, &err));
    assert_non_null(strstr(text, "--after: 'soon' is no duration"));
}

static void the_help_is_made_of_the_table(void **state)
{
    (void)state;
    struct taken t = {0};
    int status = 77;
    autofree char *output = NULL, *same = NULL;
    assert_int_equal(take(&t, 0, WORDS(W("--help")), &status, &output), CMD_DONE);
    assert_int_equal(status, BV_OK);
    assert_int_equal(take(&t, 0, WORDS(W("-h")), &status, &same), CMD_DONE);
    assert_string_equal(output, same);

    static const char *const lines[] = {
        "usage: bivouac try [OPTION]... JOB\n       bivouac try [OPTION]... --all\n\nTry something.\n\n",
        "\n  -f, --force ",
        "\n  -a, --after TIME ",
        "\n      --with-a-very-long-name AND-A-LONG-ARGUMENT\n                   ",
        " far right\n",
        "(default: 60s)\n",
        "\n  -h, --help ",
        "\n\nThe end.\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (!strstr(output, lines[i]))
            fail_msg("no '%s' in\n%s", lines[i], output);
    assert_null(strstr(output, "secret"));
    for (const struct bv_setting *s = bv_setting_table; s->key; s++) {
        autofree char *option = bv_asprintf("--%s ", s->key);
        assert_int_equal(strstr(output, option) != NULL, (s->flags & BV_FOR_RUN) != 0);
    }
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_option_goes_where_the_table_says),
        cmocka_unit_test(options_end_at_a_command),
        cmocka_unit_test(what_is_wrong_ends_the_command),
        cmocka_unit_test(a_bad_value_is_told_as_json_where_that_was_asked_for),
        cmocka_unit_test(the_help_is_made_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
