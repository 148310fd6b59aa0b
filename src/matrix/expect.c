/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "matrix/matrix.h"

#define FILE_MAX 65536 /* bytes */
#define BLANKS   " \t\r"

void matrix_expectation_free(struct matrix_expectation *e)
{
    for (char **name = e->unknown; name && *name; name++)
        free(*name);
    free(e->unknown);
    free(e->accepted);
    *e = (struct matrix_expectation){0};
}

static size_t find_row(const char *name, size_t n)
{
    const struct matrix_row *row;
    size_t i = 0;
    for (; (row = matrix_row(i)); i++)
        if (strlen(row->name) == n && strncmp(row->name, name, n) == 0)
            break;
    return i;
}

static void add_unknown(struct matrix_expectation *e, const char *name, size_t n)
{
    size_t count = 0;
    while (e->unknown && e->unknown[count])
        count++;
    e->unknown = bv_realloc(e->unknown, count + 2, sizeof(*e->unknown));
    e->unknown[count] = bv_strndup(name, n);
    e->unknown[count + 1] = NULL;
}

/* "works|not-here"; 0 if it is none. */
static unsigned parse_outcomes(const char *text, size_t n)
{
    unsigned bits = 0;
    for (size_t used = 0; used <= n;) {
        size_t word = 0;
        while (used + word < n && text[used + word] != '|')
            word++;
        enum matrix_outcome outcome = matrix_outcome_find(text + used, word);
        if (outcome == MATRIX_OUTCOMES)
            return 0;
        bits |= 1u << outcome;
        used += word + 1;
    }
    return bits;
}

static int parse_line(const char *line, size_t n, const char *path, size_t number, struct matrix_expectation *e,
                      struct bv_error *err)
{
    autofree char *text = bv_strndup(line, n);
    text[strcspn(text, "#")] = '\0';
    const char *name = text + strspn(text, BLANKS);
    size_t name_size = strcspn(name, BLANKS);
    if (name_size == 0)
        return 0;
    const char *outcomes = name + name_size + strspn(name + name_size, BLANKS);
    size_t outcomes_size = strcspn(outcomes, BLANKS);
    unsigned bits = parse_outcomes(outcomes, outcomes_size);
    if (bits == 0 || outcomes[outcomes_size + strspn(outcomes + outcomes_size, BLANKS)])
        return bv_fail(err, BV_EUSAGE, 0,
                       "%s:%zu: write the name of a row and its outcome: works, lost, refused, fails or not-here", path,
                       number);
    size_t row = find_row(name, name_size);
    if (row == matrix_row_count()) {
        add_unknown(e, name, name_size);
        return 0;
    }
    if (e->accepted[row])
        return bv_fail(err, BV_EUSAGE, 0, "%s:%zu: the row %.*s was there before", path, number, (int)name_size, name);
    e->accepted[row] = bits;
    return 0;
}

int matrix_expectation_parse(const char *text, const char *path, struct matrix_expectation *ret, struct bv_error *err)
{
    struct matrix_expectation e = {.accepted = bv_alloc((matrix_row_count() + 1) * sizeof(unsigned))};
    size_t number = 0;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (parse_line(line, n, path, ++number, &e, err) < 0) {
            matrix_expectation_free(&e);
            return -1;
        }
        line += n + (line[n] == '\n');
    }
    *ret = e;
    return 0;
}

int matrix_expectation_read(const char *path, struct matrix_expectation *ret, struct bv_error *err)
{
    autofree char *text = NULL;
    size_t size = 0;
    if (bv_read_file(AT_FDCWD, path, FILE_MAX, &text, &size, err) < 0)
        return bv_wrap(err, "cannot read what is expected");
    return matrix_expectation_parse(text, path, ret, err);
}

/* "works or not-here", allocated. */
static char *outcomes_text(unsigned bits)
{
    char *text = bv_strdup("");
    for (unsigned i = 0; i < MATRIX_OUTCOMES; i++) {
        if (!(bits & 1u << i))
            continue;
        char *longer = bv_asprintf("%s%s%s", text, *text ? " or " : "", matrix_outcome_name((enum matrix_outcome)i));
        free(text);
        text = longer;
    }
    return text;
}

static void add(json_t *list, char *sentence)
{
    bv_json_append(list, bv_json_bytes(sentence));
    free(sentence);
}

json_t *matrix_differences(const struct matrix *m, const struct matrix_expectation *e, int whole)
{
    json_t *list = json_array();
    const struct matrix_row *row;
    for (size_t i = 0; (row = matrix_row(i)); i++) {
        const struct matrix_result *r = &m->result[i];
        if (!m->chosen[i] || (e->accepted[i] & 1u << r->outcome))
            continue;
        autofree char *expected = outcomes_text(e->accepted[i]);
        const char *got = matrix_outcome_name(r->outcome);
        if (e->accepted[i])
            add(list, bv_asprintf("%s: %s, and %s was expected%s%s", row->name, got, expected, r->text[0] ? ": " : "",
                                  r->text));
        else
            add(list, bv_asprintf("%s: %s, and the file does not say what is expected", row->name, got));
    }
    for (char **name = e->unknown; whole && name && *name; name++)
        add(list, bv_asprintf("%s: expected, and there is no such row", *name));
    return list;
}
