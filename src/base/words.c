/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include <stdlib.h>

#include "base/mem.h"

void bv_words_add(struct bv_words *w, const char *word)
{
    w->word = bv_realloc(w->word, w->count + 2, sizeof(*w->word));
    w->word[w->count++] = bv_strdup(word);
    w->word[w->count] = NULL;
}

void bv_words_add_list(struct bv_words *w, const char *const *list)
{
    while (*list)
        bv_words_add(w, *list++);
}

void bv_words_add_first(struct bv_words *w, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bv_words_add(w, list[i]);
}

const char *const *bv_words_argv(const struct bv_words *w)
{
    static const char *const none[] = {NULL};
    return w->word ? (const char *const *)w->word : none;
}

void bv_words_free(struct bv_words *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->word[i]);
    free(w->word);
    *w = (struct bv_words){0};
}
