/* SPDX-License-Identifier: Apache-2.0 */
/* writer [STEPS]: writes one file by appending, one by seek and write, one by pwrite, and reads everything back again
 * and again: a line lost or doubled, or a record older or newer than this life remembers, is an error. */

#include "app.h"

#include <fcntl.h>

enum { SLOTS = 256, LINE = 24 };

static uint32_t last_of_slot[SLOTS]; /* step + 1, 0 = never written */
static uint32_t last_of_cell[SLOTS];

static void line_of(uint32_t step, char line[LINE + 1])
{
    snprintf(line, LINE + 1, "step %06u %08x %s\n", step, mix(step), step % 2 ? "o" : "e");
    CHECK(strlen(line) < LINE);
}

static void check_log(uint32_t steps)
{
    FILE *f = fopen("log.txt", "re");
    char want[LINE + 1], got[LINE + 1];

    CHECK(f);
    for (uint32_t i = 0; i < steps; i++) {
        line_of(i, want);
        CHECK(fgets(got, sizeof(got), f));
        CHECK(strcmp(got, want) == 0);
    }
    CHECK(!fgets(got, sizeof(got), f));
    fclose(f);
}

static void check_tables(int table, int cells)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t record[2] = {0}, cell = 0;

        if (last_of_slot[i]) {
            CHECK(pread(table, record, sizeof(record), i * 16) == sizeof(record));
            CHECK(record[0] == last_of_slot[i] && record[1] == mix(record[0]));
        }
        if (last_of_cell[i]) {
            CHECK(pread(cells, &cell, sizeof(cell), i * 4) == sizeof(cell));
            CHECK(cell == last_of_cell[i]);
        }
    }
}

int main(int argc, char **argv)
{
    uint32_t steps = argument(argc, argv, 1, 600);
    int log = open("log.txt", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    int table = open("table.bin", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int cells = open("cells.bin", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char line[LINE + 1];

    CHECK(log >= 0 && table >= 0 && cells >= 0);
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t slot = mix(step) % SLOTS, cell = step % SLOTS, mark = step + 1;
        uint32_t record[2] = {mark, mix(mark)};

        line_of(step, line);
        write_all(log, line, strlen(line));
        CHECK(lseek(table, slot * 16, SEEK_SET) == slot * 16);
        write_all(table, record, sizeof(record));
        last_of_slot[slot] = mark;
        CHECK(pwrite(cells, &mark, sizeof(mark), cell * 4) == sizeof(mark));
        last_of_cell[cell] = mark;
        if (step % 20 == 19) {
            check_log(step + 1);
            check_tables(table, cells);
            printf("%u steps are all there\n", step + 1);
            fflush(stdout);
        }
        pause_ms(8);
    }
    check_log(steps);
    check_tables(table, cells);
    printf("done after %u steps\n", steps);
    return 0;
}
