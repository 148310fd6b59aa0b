/* SPDX-License-Identifier: Apache-2.0 */
/* ticker [STEPS [STATUS]]: a line of standard output every 10 ms, one of standard error every tenth; then STATUS. */

#include "app.h"

int main(int argc, char **argv)
{
    unsigned steps = argument(argc, argv, 1, 500), status = argument(argc, argv, 2, 0);

    for (unsigned i = 1; i <= steps; i++) {
        printf("tick %u of %u\n", i, steps);
        fflush(stdout);
        if (i % 10 == 0)
            fprintf(stderr, "ten more: %u\n", i);
        pause_ms(10);
    }
    return (int)status;
}
