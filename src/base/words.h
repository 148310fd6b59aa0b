/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* A list of words that grows, for a program's arguments. The words are copies, and the list's own.
 *
 *     autowords struct bv_words w = {0};
 *     bv_words_add(&w, "tar");
 *     bv_words_add_list(&w, options);
 *     execvp("tar", (char *const *)bv_words_argv(&w));
 */
struct bv_words {
    char **word; /* and a NULL behind the last; NULL while there is none */
    size_t count;
};

void bv_words_add(struct bv_words *w, const char *word);

/* All up to a NULL, or the first `n`. */
void bv_words_add_list(struct bv_words *w, const char *const *list);
void bv_words_add_first(struct bv_words *w, const char *const *list, size_t n);

/* NULL-ended, also when it is empty; borrowed until the list is changed or freed. */
const char *const *bv_words_argv(const struct bv_words *w);

void bv_words_free(struct bv_words *w);
#define autowords __attribute__((cleanup(bv_words_free)))
