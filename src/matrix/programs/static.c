/* SPDX-License-Identifier: Apache-2.0 */
/* A binary that has no dynamic linker, nor anything that could be put in front of its libraries. */
#include <stdlib.h>
#include <string.h>

#include "matrix/programs/row.h"

static int counter = 41;

static void without_libraries(void)
{
    char *memory = malloc(100000);
    row_must(memory);
    memset(memory, 7, 100000);
    counter++;
    row_ready();
    row_check(counter == 42 && memory[99999] == 7, "memory has changed");
    free(memory);
}

static const struct row_case cases[] = {{"static", without_libraries}, {NULL}};

int main(int argc, char **argv)
{
    return row_main(argc, argv, cases);
}
