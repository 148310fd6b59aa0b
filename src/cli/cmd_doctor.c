/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/doctor.h"
#include "cli/options.h"
#include "engine/engine.h"

static const struct cmd_syntax syntax = {
    .name = "doctor",
    .usage = "[OPTION]...",
    .text =
        "Say whether jobs can be run, checkpointed and restarted on this host, and what to do where they cannot. The last\n"
        "check does all that with a small program in a store of its own, which is removed.\n",
};

int doctor_say(struct doctor *d, enum doctor_verdict verdict, enum bv_code code, const char *check, const char *remedy,
               const char *fmt, ...)
{
    static const char *const verdicts[] = {"ok", "warn", "FAIL"};
    static const char *const words[] = {"ok", "warn", "fail"};
    char text[sizeof(((struct bv_error *)0)->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    json_t *j = json_object();
    bv_json_set(j, "check", json_string(check));
    bv_json_set(j, "verdict", json_string(words[verdict]));
    bv_json_set(j, "text", bv_json_bytes(text));
    if (remedy)
        bv_json_set(j, "remedy", bv_json_bytes(remedy));
    bv_json_append(d->checks, j);

    if (!d->json) {
        printf("%-5s %-11s %s\n", verdicts[verdict], check, text);
        if (remedy)
            printf("%-17s to fix: %s\n", "", remedy);
        fflush(stdout);
    }
    if (verdict == DOCTOR_FAIL && d->first == BV_OK)
        d->first = code;
    return verdict == DOCTOR_FAIL ? -1 : 0;
}

int doctor_engine(struct doctor *d)
{
    struct bv_error err = {0};
    struct bv_engine_info info;
    const struct bv_engine *engine = bv_engine_find(NULL, &err);
    if (!engine || engine->probe(&info, &err) < 0)
        return doctor_say(d, DOCTOR_FAIL, err.code, "engine",
                          "install criu 4.2 or newer, or name one that you have built in BIVOUAC_CRIU", "%s", err.text);
    return doctor_say(d, DOCTOR_OK, BV_OK, "engine", NULL, "%s %s, %s", engine->name, info.version, info.path);
}

static int examine(struct doctor *d, int quick)
{
    /* All of them, whatever the first says: the user should not have to come back for each. */
    int host = doctor_host(d), engine = doctor_engine(d), store = doctor_store(d);
    if (!quick && host == 0 && engine == 0 && store == 0)
        doctor_trial(d);
    if (d->json) {
        autojson json_t *all = json_object();
        bv_json_set(all, "able", json_boolean(d->first == BV_OK));
        bv_json_set(all, "checks", json_incref(d->checks));
        cmd_print_json(all);
    } else {
        puts(d->first == BV_OK ? "this host can run, checkpoint and restart jobs"
                               : "this host cannot run, checkpoint and restart jobs");
    }
    return d->first;
}

int bv_cmd_doctor(int argc, char **argv)
{
    autojson json_t *checks = json_array();
    struct doctor d = {.checks = checks, .first = BV_OK};
    const char *program = NULL;
    int quick = 0, status;
    const struct cmd_option options[] = {
        {'s', "store", "DIR", "the store to look at (default: as for the other commands)", .to = &d.store},
        {0, "quick", NULL, "leave the last check out", .to = &quick},
        CMD_JSON(&d.json, "print the checks as JSON"),
        {0, &DOCTOR_TRIAL_OPTION[2], "DIR", NULL, .to = &program},
        {0},
    };
    if (cmd_options(&syntax, options, argc, argv, &status) == CMD_DONE)
        return status;
    if (program)
        return doctor_trial_program(program);
    if (optind != argc)
        return cmd_usage("doctor", "no argument is needed");
    return examine(&d, quick);
}
