#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gcc compiles, assembles and links a large generated file; its temporary files lie in the job's own /tmp.
# shellcheck disable=SC2317 # functions are called by name
set -euo pipefail
. /src/tests/lib/cycle.sh

generate()
{
    awk 'BEGIN {
        print "#include <stdio.h>"
        for (f = 0; f < 170; f++) {
            printf "static unsigned f%d(unsigned x)\n{\n    unsigned a[16] = {x};\n", f
            printf "    for (unsigned i = 1; i < 16; i++)\n        a[i] = a[i - 1] * %du + i;\n    switch (x %% 13) {\n", 2 * f + 1
            for (c = 0; c < 13; c++)
                printf "    case %d:\n        for (unsigned i = %d; i < 16; i++)\n            a[i] ^= a[i / 2] + %d;\n        break;\n",
                    c, c % 5 + 1, f * 13 + c
            print "    }\n    return a[x % 16] + a[15];\n}\n"
        }
        print "int main(void)\n{\n    unsigned x = 1;"
        for (f = 0; f < 170; f++)
            printf "    x = f%d(x);\n", f
        print "    printf(\"%u\\n\", x);\n    return 0;\n}"
    }' >large.c
}

cycle_app compile --setup generate --run-args "--tmp private" -- \
    bash -ec 'gcc -O2 -c large.c -o large.o; echo compiled; gcc large.o -o large; echo linked; ./large'
finish
