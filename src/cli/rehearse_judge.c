/* SPDX-License-Identifier: Apache-2.0 */
/* What the runs of a rehearsal say about the command. */
#include "cli/rehearse.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/treediff.h"

#define LISTED_MAX 20 /* files that differ */

#define UNDISTURBED "the undisturbed run"
#define DISTURBED   "the restarts"
#define AGAIN       "another undisturbed run"

void rehearse_verdict_free(struct rehearse_verdict *v)
{
    rehearse_run_free(&v->undisturbed);
    rehearse_run_free(&v->disturbed);
    json_decref(v->differences);
    json_decref(v->unsteady);
    free(v->text);
    *v = (struct rehearse_verdict){0};
}

static void conclude(struct rehearse_verdict *v, enum bv_code code, char *text)
{
    v->code = code;
    free(v->text);
    v->text = text;
}

static char *outcome_text(struct bv_outcome o)
{
    return bv_asprintf("%s %d", o.how == BV_ENDED_SIGNAL ? "signal" : "status", o.number);
}

/* Takes `text`. */
static void add(json_t *list, const char *path, char *text)
{
    autofree char *owned = text;
    autofree char *line = bv_asprintf("%s %s", path, owned);
    bv_json_append(list, bv_json_bytes(line));
}

/* Compare the directories SCRATCH/A`suffix` and SCRATCH/B`suffix`. */
static int compare_trees(const struct rehearsal *r, const char *a, const char *b, const char *suffix,
                         const char *b_text, json_t *list, uint64_t *more, struct bv_error *err)
{
    struct bv_tree_differences found = {0};
    autofree char *name_a = bv_asprintf("%s%s", a, suffix), *name_b = bv_asprintf("%s%s", b, suffix);
    autoclose int first = openat(r->scratch.dirfd, name_a, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    autoclose int second = openat(r->scratch.dirfd, name_b, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (first < 0 || second < 0)
        return bv_fail(err, BV_EINTERNAL, errno, "cannot open what the runs have left");
    struct bv_tree_compare how = {.max = LISTED_MAX, .ignore = r->options->ignore};
    if (bv_tree_compare(first, second, &how, &found, err) < 0)
        return bv_wrap(err, "what the runs have left");
    for (size_t i = 0; i < found.count; i++)
        add(list, found.list[i].path, bv_tree_difference_text(&found.list[i], UNDISTURBED, b_text));
    *more += found.total - found.count;
    bv_tree_differences_free(&found);
    return 0;
}

/* All that can be told apart of the runs "first" and `other`: sentences, a new reference. */
static int compare_runs(const struct rehearsal *r, struct bv_outcome first, struct bv_outcome second, const char *other,
                        const char *other_text, json_t **ret, uint64_t *more, struct bv_error *err)
{
    autojson json_t *list = json_array();
    if (first.how != second.how || first.number != second.number) {
        autofree char *a = outcome_text(first), *b = outcome_text(second);
        add(list, "the end", bv_asprintf("is %s after " UNDISTURBED " and %s after %s", a, b, other_text));
    }
    if (compare_trees(r, "first", other, ".io", other_text, list, more, err) < 0 ||
        compare_trees(r, "first", other, "", other_text, list, more, err) < 0)
        return -1;
    *ret = steal_ptr(&list);
    return 0;
}

static char *first_of(const json_t *list)
{
    char *text = NULL;
    if (bv_json_unescape(json_array_get(list, 0), &text, NULL) < 0)
        return bv_strdup("");
    return text;
}

/* Is it the restarts, or does the command never do the same twice? */
static int find_cause(struct rehearsal *r, struct rehearse_verdict *v, struct bv_error *err)
{
    struct rehearse_run again = {0};
    uint64_t more = 0;
    if (rehearse_copy(r, "again", err) < 0 || rehearse_undisturbed(r, "again", &again, err) < 0 ||
        compare_runs(r, v->undisturbed.outcome, again.outcome, "again", AGAIN, &v->unsteady, &more, err) < 0)
        return -1;
    if (json_array_size(v->unsteady) > 0) {
        autofree char *first = first_of(v->unsteady);
        conclude(v, BV_EINCOMPARABLE,
                 bv_asprintf("cannot be compared: this program's output differs between two undisturbed runs too: %s",
                             first));
        return 0;
    }
    autofree char *first = first_of(v->differences);
    conclude(v, BV_EDIFFERS, bv_asprintf("not safe to run under Bivouac as it is: %s", first));
    return 0;
}

static int judge_output(struct rehearsal *r, struct rehearse_verdict *v, struct bv_error *err)
{
    int made = v->disturbed.cycles, wanted = r->options->cycles;
    if (compare_runs(r, v->undisturbed.outcome, v->disturbed.outcome, "second", DISTURBED, &v->differences, &v->more,
                     err) < 0)
        return -1;
    if (json_array_size(v->differences) > 0)
        return find_cause(r, v, err);
    if (made == 0)
        conclude(
            v, BV_EINCOMPARABLE,
            bv_asprintf("nothing is proven: the command ends too soon (%.1f s) to be checkpointed once; rehearse a "
                        "longer case",
                        v->undisturbed.seconds));
    else if (made < wanted)
        conclude(v, BV_OK,
                 bv_asprintf("safe to run under Bivouac, as far as %d of %d cycles show: the command ends too soon for "
                             "more",
                             made, wanted));
    else
        conclude(v, BV_OK, bv_strdup("safe to run under Bivouac"));
    return 0;
}

/* What ends the second run early is the verdict, unless it is about us: a signal, the time limit, the disk. */
static int judge_failure(const struct rehearsal *r, struct rehearse_verdict *v, const struct bv_error *why,
                         struct bv_error *err)
{
    if (r->interrupted || why->code == BV_ETIMEOUT || why->code == BV_ENOSPACE || why->code == BV_EINTERNAL)
        return bv_fail(err, why->code, 0, "%s", why->text);
    int made = v->disturbed.cycles;
    if (why->code == BV_EDIFFERS)
        conclude(v, why->code, bv_asprintf("not safe to run under Bivouac as it is: %s", why->text));
    else if (why->code == BV_ERESTORE || why->code == BV_ECHANGED || why->code == BV_ECORRUPT)
        conclude(v, why->code, bv_asprintf("cannot be restarted (after %d cycles): %s", made, why->text));
    else
        conclude(v, why->code, bv_asprintf("cannot be checkpointed (after %d cycles): %s", made, why->text));
    return 0;
}

int rehearse_judge(struct rehearsal *r, struct rehearse_verdict *ret, struct bv_error *err)
{
    struct rehearse_verdict v = {0};
    struct bv_error why = {0};
    /* Both copies at once: what a busy user changes in the meantime is then in both, or in none. */
    int rc = rehearse_copy(r, "first", err);
    if (rc == 0)
        rc = rehearse_copy(r, "second", err);
    if (rc == 0)
        rc = rehearse_undisturbed(r, "first", &v.undisturbed, err);
    if (rc == 0 && rehearse_disturbed(r, "second", v.undisturbed.seconds, &v.disturbed, &why) < 0)
        rc = judge_failure(r, &v, &why, err);
    else if (rc == 0)
        rc = judge_output(r, &v, err);
    if (rc < 0) {
        rehearse_verdict_free(&v);
        return -1;
    }
    *ret = v;
    return 0;
}
