/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/cleanup.h"
#include "job/spec.h"

#define GOOD                                                                                                           \
    "\"format\":\"bivouac-job 1\",\"command\":[\"./a b\",\"%FF\"],\"cwd\":\"/w\",\"network\":\"host\","                \
    "\"tmp\":\"shared\",\"capture\":[\"/c\"],\"no_capture\":[\"*.tmp\"],\"capture_limit\":5,"                          \
    "\"binds\":[{\"host\":\"/h\",\"job\":\"/j\"}]"

static json_t *record_of(const char *text)
{
    json_t *j = NULL;
    assert_ok(bv_json_parse(text, strlen(text), &j, &err));
    return j;
}

static void a_record_becomes_the_same_job_again(void **state)
{
    (void)state;
    char *argv[] = {(char *)"./prog", (char *)"100%", (char *)"\xff\n", (char *)"", NULL};
    char *capture[] = {(char *)"/data/a", (char *)"/data/b\xe9", NULL};
    char *no_capture[] = {(char *)"*.log", NULL};
    char *environment[] = {(char *)"A=b=\xff", (char *)"E=", NULL};
    struct bv_bind binds[] = {{(char *)"/real dir", (char *)"/job/dir"}, {(char *)"/a", (char *)"/b"}};
    const struct bv_spec spec = {
        .argv = argv,
        .cwd = (char *)"/home/a/\xc3\xa9",
        .private_network = 1,
        .network = {.address = (char *)"2001:db8::7/64", .bridge = (char *)"br0", .mac = (char *)"02:00:00:00:00:07"},
        .tcp = BV_TCP_KEEP,
        .private_tmp = 1,
        .cpu_baseline = BV_CPU_X86_64_V3,
        .binds = binds,
        .bind_count = 2,
        .preload = 1,
        .environment = environment,
        .capture = capture,
        .no_capture = no_capture,
        .capture_limit = (256ULL << 20),
        .copy_of = (char *)"other@3",
    };
    autojson json_t *record = bv_spec_record(&spec, "local-1");
    autofree char *text = bv_json_canonical(record);
    autojson json_t *read_back = record_of(text);
    autospec struct bv_spec got = {0};
    assert_ok(bv_spec_parse(read_back, &got, &err));
    for (int i = 0; i < 4; i++)
        assert_string_equal(got.argv[i], argv[i]);
    assert_null(got.argv[4]);
    assert_string_equal(got.cwd, spec.cwd);
    assert_int_equal(got.private_network, 1);
    assert_string_equal(got.network.address, "2001:db8::7/64");
    assert_string_equal(got.network.bridge, "br0");
    assert_null(got.network.gateway);
    assert_string_equal(got.network.mac, "02:00:00:00:00:07");
    assert_int_equal(got.tcp, BV_TCP_KEEP);
    assert_int_equal(got.private_tmp, 1);
    assert_int_equal(got.cpu_baseline, BV_CPU_X86_64_V3);
    assert_int_equal(got.bind_count, 2);
    assert_string_equal(got.binds[0].host, "/real dir");
    assert_string_equal(got.binds[1].job, "/b");
    assert_string_equal(got.capture[1], capture[1]);
    assert_null(got.capture[2]);
    assert_string_equal(got.no_capture[0], "*.log");
    assert_true(got.capture_limit == (256ULL << 20));
    assert_string_equal(got.copy_of, "other@3");
    assert_int_equal(got.preload, 1);
    assert_string_equal(got.environment[0], environment[0]);
    assert_string_equal(got.environment[1], "E=");
    assert_null(got.environment[2]);
}

static void a_plain_job_has_empty_lists(void **state)
{
    (void)state;
    char *argv[] = {(char *)"x", NULL};
    const struct bv_spec spec = {.argv = argv, .cwd = (char *)"/"};
    autojson json_t *record = bv_spec_record(&spec, "j");
    autospec struct bv_spec got = {0};
    assert_ok(bv_spec_parse(record, &got, &err));
    assert_null(got.capture[0]);
    assert_null(got.no_capture[0]);
    assert_null(got.copy_of);
    assert_int_equal(got.bind_count, 0);
    assert_int_equal(got.private_network + got.private_tmp, 0);
}

static void a_record_says_who_made_the_job_and_when(void **state)
{
    (void)state;
    char *argv[] = {(char *)"x", NULL};
    const struct bv_spec spec = {.argv = argv, .cwd = (char *)"/"};
    autojson json_t *record = bv_spec_record(&spec, "slurm-7");
    uint64_t uid;
    const char *job, *created;
    assert_ok(bv_json_u64(record, "uid", UINT32_MAX, &uid, &err));
    assert_ok(bv_json_str(record, "job", &job, &err));
    assert_ok(bv_json_str(record, "created", &created, &err));
    assert_int_equal(uid, getuid());
    assert_string_equal(job, "slurm-7");
    assert_int_equal(strlen(created), strlen("2026-11-21T21:24:05.123Z"));
}

static void a_key_that_is_not_known_is_passed_over(void **state)
{
    (void)state;
    autospec struct bv_spec got = {0};
    autojson json_t *j = record_of("{" GOOD ",\"later\":[1,2]}");
    assert_ok(bv_spec_parse(j, &got, &err));
    assert_string_equal(got.argv[1], "\xff");
    assert_int_equal(got.capture_limit, 5);
    assert_int_equal(got.preload, 0); /* a record of the first days */
    assert_null(got.environment);
}

static void a_hostile_record_is_refused_and_leaves_the_result_alone(void **state)
{
    (void)state;
    /* `key` of the good record replaced by `value`, NULL = removed. */
    static const struct {
        const char *key, *value;
        enum bv_code code;
        const char *words;
    } table[] = {
        {"format", NULL, BV_ECORRUPT, "\"format\""},
        {"format", "\"bivouac-job 2\"", BV_ESTORE, "'bivouac-job 2', this Bivouac knows 'bivouac-job 1'"},
        {"format", "1", BV_ECORRUPT, "\"format\""},
        {"command", NULL, BV_ECORRUPT, "\"command\""},
        {"command", "[]", BV_ECORRUPT, "\"command\" is empty"},
        {"command", "\"sh\"", BV_ECORRUPT, "\"command\""},
        {"command", "[\"sh\",1]", BV_ECORRUPT, "\"command\""},
        {"command", "[\"%0\"]", BV_ECORRUPT, "escape"},
        {"command", "[\"a%00b\"]", BV_ECORRUPT, "escape"},
        {"cwd", NULL, BV_ECORRUPT, "\"cwd\""},
        {"cwd", "\"\"", BV_ECORRUPT, "\"cwd\" is no clean"},
        {"cwd", "\"relative\"", BV_ECORRUPT, "\"cwd\" is no clean"},
        {"cwd", "\"/a/../../etc\"", BV_ECORRUPT, "\"cwd\" is no clean"},
        {"cwd", "\"/a/%2E%2E/etc\"", BV_ECORRUPT, "\"cwd\" is no clean"},
        {"network", "\"none\"", BV_ECORRUPT, "\"network\": write host, private or auto, not 'none'"},
        {"network", "\"auto\"", BV_ECORRUPT, "\"network\" is not decided"},
        {"network", "\"host,outside=pasta\"", BV_ECORRUPT, "only a private network has keys"},
        {"network", "\"private,address=::/0,bridge=b\"", BV_ECORRUPT, "is no ADDRESS/PREFIX"},
        {"tcp", "\"later\"", BV_ECORRUPT, "\"tcp\" is no word that is known"},
        {"tcp", "1", BV_ECORRUPT, "\"tcp\""},
        {"network", "true", BV_ECORRUPT, "\"network\""},
        {"tmp", "\"host\"", BV_ECORRUPT, "\"tmp\" is neither shared nor private"},
        {"cpu_baseline", "\"x86-64-v9\"", BV_ECORRUPT, "\"cpu_baseline\" is no level"},
        {"cpu_baseline", "2", BV_ECORRUPT, "\"cpu_baseline\""},
        {"capture", NULL, BV_ECORRUPT, "\"capture\""},
        {"capture", "{}", BV_ECORRUPT, "\"capture\""},
        {"capture", "[\"relative\"]", BV_ECORRUPT, "\"capture\" names no clean"},
        {"capture", "[\"/a/\"]", BV_ECORRUPT, "\"capture\" names no clean"},
        {"no_capture", "[null]", BV_ECORRUPT, "\"no_capture\""},
        {"capture_limit", "-1", BV_ECORRUPT, "\"capture_limit\" is out of range"},
        {"capture_limit", "1.5", BV_ECORRUPT, "\"capture_limit\""},
        {"capture_limit", NULL, BV_ECORRUPT, "\"capture_limit\""},
        {"preload", "1", BV_ECORRUPT, "\"preload\""},
        {"environment", "{}", BV_ECORRUPT, "\"environment\""},
        {"environment", "[\"A=1\",\"B\"]", BV_ECORRUPT, "not NAME=VALUE"},
        {"environment", "[\"=1\"]", BV_ECORRUPT, "not NAME=VALUE"},
        {"binds", NULL, BV_ECORRUPT, "\"binds\""},
        {"binds", "[1]", BV_ECORRUPT, "\"host\""},
        {"binds", "[{\"host\":\"/a\"}]", BV_ECORRUPT, "\"job\""},
        {"binds", "[{\"host\":\"/a\",\"job\":\"b\"}]", BV_ECORRUPT, "\"job\" is no clean"},
        {"binds", "[{\"host\":\"..\",\"job\":\"/b\"}]", BV_ECORRUPT, "\"host\" is no clean"},
        {"binds", "[{\"host\":\"/a\",\"job\":\"/b\"},{\"host\":\"/a//b\",\"job\":\"/\"}]", BV_ECORRUPT, "\"host\""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct bv_spec got = {.capture_limit = 77};
        autojson json_t *j = record_of("{" GOOD "}");
        if (table[i].value)
            bv_json_set(j, table[i].key, json_loads(table[i].value, JSON_DECODE_ANY, NULL));
        else
            json_object_del(j, table[i].key);
        assert_fails_saying(table[i].code, table[i].words, bv_spec_parse(j, &got, &err));
        assert_fails_saying(table[i].code, "job record: ", bv_spec_parse(j, &got, &err));
        assert_int_equal(got.capture_limit, 77);
        assert_null(got.argv);
    }
}

static void a_record_that_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[]", "[{}]", "{}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bv_spec got;
        autojson json_t *j = record_of(bad[i]);
        assert_fails(BV_ECORRUPT, bv_spec_parse(j, &got, &err));
    }
}

static void a_list_without_end_is_refused(void **state)
{
    (void)state;
    struct bv_spec got;
    autojson json_t *j = record_of("{" GOOD "}");
    json_t *command = json_object_get(j, "command");
    for (int i = 0; i < 70000; i++)
        bv_json_append(command, json_string("x"));
    assert_fails_saying(BV_ECORRUPT, "more than 65536", bv_spec_parse(j, &got, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_becomes_the_same_job_again),
        cmocka_unit_test(a_plain_job_has_empty_lists),
        cmocka_unit_test(a_record_says_who_made_the_job_and_when),
        cmocka_unit_test(a_key_that_is_not_known_is_passed_over),
        cmocka_unit_test(a_hostile_record_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(a_record_that_is_no_object_is_refused),
        cmocka_unit_test(a_list_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
