/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Compare two directory trees: names, types, modes, contents, targets of links. Not compared: times, owners, and what
 * sockets and devices are. */

enum bv_tree_difference_kind {
    BV_TREE_ONLY_FIRST,  /* the second tree has no such name */
    BV_TREE_ONLY_SECOND, /* the first has none */
    BV_TREE_TYPE,        /* a file here, a directory there */
    BV_TREE_MODE,
    BV_TREE_CONTENT, /* of a file, or the target of a link */
};

struct bv_tree_difference {
    char *path; /* relative */
    enum bv_tree_difference_kind kind;
    unsigned mode[2];      /* MODE */
    uint64_t offset, line; /* CONTENT of a file: of the first byte that differs, from 0; and its line, from 1 */
    uint64_t size[2];      /* CONTENT of a file */
};

struct bv_tree_differences {
    struct bv_tree_difference *list; /* in the order of their names; the first of them */
    size_t count;
    uint64_t total; /* with those that are not listed */
};
void bv_tree_differences_free(struct bv_tree_differences *d);

struct bv_tree_compare {
    size_t max;    /* differences to list */
    char **ignore; /* globs of paths or names that are not looked at, NULL-terminated; may be NULL */
};

/* Errors: BV_EDENIED (which file cannot be read), BV_EUSAGE (deeper than BV_TREE_DEPTH). */
int bv_tree_compare(int first, int second, const struct bv_tree_compare *how, struct bv_tree_differences *ret,
                    struct bv_error *err);

/* "differs from byte 5 on (line 2)", "is missing in SECOND", …: behind a file's name. Allocated. `first` and `second`
 * say what the trees are: "the undisturbed run". */
char *bv_tree_difference_text(const struct bv_tree_difference *d, const char *first, const char *second);
