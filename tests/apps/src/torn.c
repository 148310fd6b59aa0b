/* SPDX-License-Identifier: Apache-2.0 */
/* torn: at any moment the pages of a table hold the number of this round up to one place, and that of the round before
 * behind it. A copy of the table that was made while it changed is found out by the next look. Ends with status 0 when
 * the file "enough" exists. */

#include "app.h"

enum { PAGE = 4096, PAGES = 48 };

static unsigned table[PAGES][PAGE / sizeof(unsigned)];

static void check(unsigned written, unsigned round)
{
    for (unsigned i = 0; i < PAGES; i++)
        CHECK(table[i][0] == (i < written ? round : round - 1) && table[i][PAGE / sizeof(unsigned) - 1] == table[i][0]);
}

int main(void)
{
    unsigned round;
    for (round = 1; access("enough", F_OK) != 0; round++)
        for (unsigned i = 0; i < PAGES; i++) {
            check(i, round);
            table[i][0] = table[i][PAGE / sizeof(unsigned) - 1] = round;
        }
    check(PAGES, round - 1);
    return 0;
}
