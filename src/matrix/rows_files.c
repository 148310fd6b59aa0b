/* SPDX-License-Identifier: Apache-2.0 */
#include "matrix/rows.h"

/* What programs do with files; the kernel's objects are in rows_object.c. */
const struct matrix_row matrix_rows_files[] = {
    {"append", "files", "a file that is appended to", MATRIX_WORDS("@files", "append")},
    {"overwrite", "files", "a file that is sought in and written at places", MATRIX_WORDS("@files", "overwrite")},
    {"scratch-file", "files", "a deleted file of 8 MiB that is in use", MATRIX_WORDS("@files", "scratch-file")},
    {"mapped", "files", "files that are mapped, shared and private", MATRIX_WORDS("@files", "mapped")},
    {"shm-file", "files", "a file in /dev/shm that is mapped", MATRIX_WORDS("@files", "shm-file")},
    {"capture", "files", "a file that is closed, and written again later", MATRIX_WORDS("@files", "capture"),
     .options = MATRIX_WORDS("--capture", "."), .flow = MATRIX_CRASH},
    {"sqlite", "files", "SQLite in the middle of a transaction", MATRIX_WORDS("@sqlite.sh"), .needs = "sqlite3"},
    {NULL},
};
