/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of container runtimes. */
#include "unit.h"

#include "base/cleanup.h"
#include "engine/runtime/docker.h"

#define LINE(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})

static const struct runtime_option global_options[] = {
    {"--log", 'l', 1, NULL, NULL},
    {"--quiet", 'q', 0, NULL, NULL},
    {0},
};

static const struct runtime_option run_options[] = {
    {"--all", 'a', 0, NULL, NULL},           {"--bundle", 'b', 1, NULL, NULL}, {"--bundled", 0, 0, NULL, NULL},
    {"--tty", 't', 0, "no terminals", NULL}, {"--fail", 'f', 0, NULL, "fail"}, {0},
};

/* Writes down what it is given: "NAME=VALUE " or "NAME ". */
static int take(const struct runtime_option *o, const char *value, void *arg, struct bv_error *err)
{
    char *taken = arg;
    size_t n = strlen(taken);
    snprintf(taken + n, 256 - n, value ? "%s=%s " : "%s ", o->name, value);
    return o->more ? bv_fail(err, BV_EDENIED, 0, "%s", (const char *)o->more) : 0;
}

static const struct runtime_syntax clusters = {.global = global_options, .own = run_options, .has_end = 1};
static const struct runtime_syntax words = {.global = global_options, .own = run_options, .briefs_alone = 1};

/* What is taken of the line, whose options end at word `end`. */
static void assert_taken(const struct runtime_syntax *s, char *const *argv, size_t end, const char *expected)
{
    char taken[256] = "";
    struct runtime_command got;
    struct runtime_syntax how = *s;
    how.take = take;
    how.arg = taken;
    assert_ok(runtime_parse(argv, &how, &got, &err));
    assert_string_equal(taken, expected);
    assert_int_equal(got.end, end);
    assert_string_equal(argv[got.verb], "run");
}

#define assert_refused(says, s, line)                                                                                  \
    do {                                                                                                               \
        struct runtime_command got = {.verb = 77, .end = 77};                                                          \
        assert_fails_saying(BV_EUSAGE, says, runtime_parse(line, s, &got, &err));                                      \
        assert_int_equal(got.verb, 77);                                                                                \
        assert_int_equal(got.end, 77);                                                                                 \
    } while (0)

static void a_value_is_in_the_same_word_or_in_the_next(void **state)
{
    (void)state;
    assert_taken(&clusters, LINE("tool", "run", "--bundle", "x", "box"), 4, "--bundle=x ");
    assert_taken(&clusters, LINE("tool", "run", "--bundle=x=y", "box"), 3, "--bundle=x=y ");
    assert_taken(&clusters, LINE("tool", "run", "-b", "x", "box"), 4, "--bundle=x ");
    assert_taken(&clusters, LINE("tool", "run", "-bx", "box"), 3, "--bundle=x ");
    assert_taken(&clusters, LINE("tool", "run", "-b=x", "box"), 3, "--bundle=x ");
    assert_taken(&clusters, LINE("tool", "run", "-ba", "box"), 3, "--bundle=a ");
    assert_taken(&clusters, LINE("tool", "run", "-b", "--all", "box"), 4, "--bundle=--all ");
    assert_taken(&clusters, LINE("tool", "run", "--bundled", "box"), 3, "--bundled ");
}

static void an_empty_value_is_a_value(void **state)
{
    (void)state;
    assert_taken(&clusters, LINE("tool", "run", "--bundle=", "box"), 3, "--bundle= ");
    assert_taken(&clusters, LINE("tool", "run", "-b=", "box"), 3, "--bundle= ");
    assert_taken(&clusters, LINE("tool", "run", "--bundle", "", "box"), 4, "--bundle= ");
}

static void flags_share_a_word_and_the_last_may_have_a_value(void **state)
{
    (void)state;
    assert_taken(&clusters, LINE("tool", "-ql", "x", "run", "-aa", "box"), 5, "--quiet --log=x --all --all ");
    assert_taken(&clusters, LINE("tool", "run", "-ab", "x", "box"), 4, "--all --bundle=x ");
    assert_taken(&clusters, LINE("tool", "run", "-abx", "box"), 3, "--all --bundle=x ");
    assert_taken(&clusters, LINE("tool", "run", "-ab=x", "box"), 3, "--all --bundle=x ");
    assert_taken(&clusters, LINE("tool", "run", "-aa=no", "box"), 3, "--all --all=no ");
    assert_taken(&clusters, LINE("tool", "run", "--all=no", "box"), 3, "--all=no ");
}

static void a_value_that_is_missing_is_asked_for(void **state)
{
    (void)state;
    assert_refused("--bundle needs a value", &clusters, LINE("tool", "run", "--bundle"));
    assert_refused("-b needs a value", &clusters, LINE("tool", "run", "-b"));
    assert_refused("-ab needs a value", &clusters, LINE("tool", "run", "-ab"));
    assert_refused("--log needs a value", &clusters, LINE("tool", "--log"));
    assert_refused("-b needs a value", &words, LINE("tool", "run", "-b"));
}

static void what_is_unknown_or_refused_is_named_with_its_word(void **state)
{
    (void)state;
    assert_refused("the option --pink of tool", &clusters, LINE("tool", "run", "--pink", "box"));
    assert_refused("the option --bund of tool", &clusters, LINE("tool", "run", "--bund", "x", "box"));
    assert_refused("the option -ap of tool", &clusters, LINE("tool", "run", "-ap", "box"));
    assert_refused("the option -= of tool", &clusters, LINE("tool", "run", "-=", "box"));
    assert_refused("the option --= of tool", &clusters, LINE("tool", "run", "--=", "box"));
    assert_refused("the option --all of tool", &clusters, LINE("tool", "--all", "run", "box"));
    assert_refused("the option --log of tool", &clusters, LINE("tool", "run", "--log", "x", "box"));
    assert_refused("-at: no terminals", &clusters, LINE("tool", "run", "-at", "box"));
    assert_refused("--tty=no: no terminals", &clusters, LINE("tool", "run", "--tty=no", "box"));
}

static void options_end_at_another_word_or_where_it_is_said(void **state)
{
    (void)state;
    assert_taken(&clusters, LINE("tool", "run", "-a", "box", "-a"), 3, "--all ");
    assert_taken(&clusters, LINE("tool", "run", "-a", "-", "-a"), 3, "--all ");
    assert_taken(&clusters, LINE("tool", "run", "-a", "", "-a"), 3, "--all ");
    assert_taken(&clusters, LINE("tool", "run", "-a", "--", "box"), 3, "--all ");
    assert_taken(&clusters, LINE("tool", "run", "-b", "--", "box"), 4, "--bundle=-- ");
    assert_refused("what to run is not said", &clusters, LINE("tool", "run", "--"));
    assert_refused("what to run is not said", &clusters, LINE("tool", "run", "-a"));
    assert_refused("the option -- of tool", &words, LINE("tool", "run", "--", "box"));
    assert_refused("the option -- of tool", &words, LINE("tool", "--", "run", "box"));
}

static void only_what_runs_a_container_is_taken(void **state)
{
    (void)state;
    assert_refused("write tool run", &clusters, LINE("tool"));
    assert_refused("write tool run", &clusters, LINE("tool", "-q", "list", "run"));
    assert_refused("write tool run", &clusters, LINE("tool", "--", "run", "box"));
}

static void letters_that_stand_alone_share_their_word_with_nothing(void **state)
{
    (void)state;
    assert_taken(&words, LINE("tool", "-q", "run", "-a", "-b", "x", "--bundle=y", "box"), 7,
                 "--quiet --all --bundle=x --bundle=y ");
    assert_refused("the option -bx of tool", &words, LINE("tool", "run", "-bx", "box"));
    assert_refused("the option -b=x of tool", &words, LINE("tool", "run", "-b=x", "box"));
    assert_refused("the option -aa of tool", &words, LINE("tool", "run", "-aa", "box"));
}

static void who_takes_an_option_may_refuse_it(void **state)
{
    (void)state;
    char taken[256] = "";
    struct runtime_command got;
    struct runtime_syntax how = clusters;
    how.take = take;
    how.arg = taken;
    assert_fails_saying(BV_EDENIED, "fail", runtime_parse(LINE("tool", "run", "-afa", "box"), &how, &got, &err));
    assert_string_equal(taken, "--all --fail ");
}

/* --- podman --- */

static void podman_s_options_end_where_podman_ends_them(void **state)
{
    (void)state;
    struct runtime_command got;
    assert_ok(podman_parse(LINE("podman", "--runtime", "runc", "--syslog", "run", "-qe", "A=B", "--name=x", "-v/a:/b",
                                "--tls-verify=false", "image", "-it"),
                           &got, &err));
    assert_int_equal(got.verb, 4);
    assert_int_equal(got.end, 10);
    assert_ok(podman_parse(LINE("podman", "run", "-p", "80:80", "--", "image"), &got, &err));
    assert_int_equal(got.verb, 1);
    assert_int_equal(got.end, 4);
}

static void podman_s_options_that_cannot_be_kept_are_refused(void **state)
{
    (void)state;
    struct runtime_command got;
    char *const *const bad[] = {
        LINE("podman", "run", "-qd", "image"),          LINE("podman", "run", "-d=true", "image"),
        LINE("podman", "run", "-eA=B", "-it", "image"), LINE("podman", "run", "--pod", "x", "image"),
        LINE("podman", "-c", "there", "run", "image"),  LINE("podman", "--conmon=x", "run", "image"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails_saying(BV_EUSAGE, ": ", podman_parse(bad[i], &got, &err));
    assert_fails_saying(BV_EUSAGE, "-qm needs a value", podman_parse(LINE("podman", "run", "-qm"), &got, &err));
}

/* --- docker --- */

#define CREATED(host, rest)                                                                                            \
    "{\"AttachStdout\": true, \"AttachStderr\": true, \"HostConfig\": {\"LogConfig\": {\"Type\": \"none\"}, "          \
    "\"NetworkMode\": \"none\"" host "}" rest "}"

static void assert_asks(char *const *argv, const char *socket, const char *expected)
{
    autodocker struct docker_command d = {0};
    const struct bv_engine_container c = {.argv = argv, .cwd = "/home"};
    autojson json_t *j = json_loads(expected, 0, NULL);
    assert_non_null(j);
    assert_ok(docker_parse(&c, &d, &err));
    autofree char *got = json_dumps(d.create, JSON_SORT_KEYS), *wanted = json_dumps(j, JSON_SORT_KEYS);
    assert_string_equal(got, wanted);
    assert_string_equal(d.socket, socket);
}

static void docker_is_asked_for_what_the_options_say(void **state)
{
    (void)state;
    unsetenv("DOCKER_HOST");
    assert_asks(LINE("docker", "run", "--network", "none", "image"), "/var/run/docker.sock",
                CREATED("", ", \"Labels\": {}, \"Image\": \"image\""));
    assert_asks(LINE("docker", "run", "--net=none", "-eA=B", "-e", "C=", "-e=D=E", "-w/w", "-u", "0", "--label=k=v",
                     "-l", "only", "image", "sh", "-c", "--", ""),
                "/var/run/docker.sock",
                CREATED("", ", \"Labels\": {\"k\": \"v\", \"only\": \"\"}, \"Env\": [\"A=B\", \"C=\", \"D=E\"], "
                            "\"WorkingDir\": \"/w\", \"User\": \"0\", \"Image\": \"image\", "
                            "\"Cmd\": [\"sh\", \"-c\", \"--\", \"\"]"));
    assert_asks(LINE("docker", "run", "--network=none", "--init", "--read-only", "--cap-add=A", "--cap-add", "B",
                     "-v./d:/d", "--volume", "/e:/e", "image"),
                "/var/run/docker.sock",
                CREATED(", \"Init\": true, \"ReadonlyRootfs\": true, \"CapAdd\": [\"A\", \"B\"], "
                        "\"Binds\": [\"/home/./d:/d\", \"/e:/e\"]",
                        ", \"Labels\": {}, \"Image\": \"image\""));
}

static void docker_is_where_option_or_environment_say(void **state)
{
    (void)state;
    static const char created[] = CREATED("", ", \"Labels\": {}, \"Image\": \"image\"");
    setenv("DOCKER_HOST", "unix:///env", 1);
    assert_asks(LINE("docker", "run", "--net", "none", "image"), "/env", created);
    assert_asks(LINE("docker", "--host=unix:///a", "run", "--net", "none", "image"), "/a", created);
    assert_asks(LINE("docker", "-H", "unix:///b", "run", "--net", "none", "image"), "/b", created);
    unsetenv("DOCKER_HOST");
}

#define assert_docker_refuses(says, ...)                                                                               \
    do {                                                                                                               \
        autodocker struct docker_command d = {0};                                                                      \
        const struct bv_engine_container c = {.argv = LINE("docker", __VA_ARGS__), .cwd = "/"};                        \
        assert_fails_saying(BV_EUSAGE, says, docker_parse(&c, &d, &err));                                              \
    } while (0)

static void docker_s_options_that_cannot_be_kept_are_refused(void **state)
{
    (void)state;
    assert_docker_refuses("must be on this host", "-H", "tcp://x", "run", "--net", "none", "image");
    assert_docker_refuses("-H needs a value", "-H");
    assert_docker_refuses("the option -- of docker", "run", "--net", "none", "--", "image");
    assert_docker_refuses("without a network", "run", "--net=bridge", "image");
    assert_docker_refuses("--init takes no value", "run", "--net=none", "--init=false", "image");
    assert_docker_refuses("-tu0: a container with a terminal", "run", "--net=none", "-tu0", "image");
    assert_docker_refuses("-l needs a value", "run", "--net=none", "-l");
    assert_docker_refuses("a name has letters", "run", "--net=none", "--name", "a/b", "image");
    assert_docker_refuses("write HOST-DIRECTORY", "run", "--net=none", "-v/new", "image");
    assert_docker_refuses("not UTF-8", "run", "--net=none", "-e", "A=\xff", "image");
    assert_docker_refuses("not UTF-8", "run", "--net=none", "image", "\xff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_in_the_same_word_or_in_the_next),
        cmocka_unit_test(an_empty_value_is_a_value),
        cmocka_unit_test(flags_share_a_word_and_the_last_may_have_a_value),
        cmocka_unit_test(a_value_that_is_missing_is_asked_for),
        cmocka_unit_test(what_is_unknown_or_refused_is_named_with_its_word),
        cmocka_unit_test(options_end_at_another_word_or_where_it_is_said),
        cmocka_unit_test(only_what_runs_a_container_is_taken),
        cmocka_unit_test(letters_that_stand_alone_share_their_word_with_nothing),
        cmocka_unit_test(who_takes_an_option_may_refuse_it),
        cmocka_unit_test(podman_s_options_end_where_podman_ends_them),
        cmocka_unit_test(podman_s_options_that_cannot_be_kept_are_refused),
        cmocka_unit_test(docker_is_asked_for_what_the_options_say),
        cmocka_unit_test(docker_is_where_option_or_environment_say),
        cmocka_unit_test(docker_s_options_that_cannot_be_kept_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
