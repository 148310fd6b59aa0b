#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libbivouac, as a program of somebody else uses it: compiled against what is installed.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

export PKG_CONFIG_PATH=/usr/local/lib/pkgconfig:/usr/local/lib64/pkgconfig
PKG_CONFIG_PATH+=:$(dirname "$(find /usr/local -name bivouac.pc | head -n 1)")
read -ra flags < <(pkg-config --cflags --libs bivouac)
# A library with a sanitizer wants it in the program.
! readelf -d "$(pkg-config --variable=libdir bivouac)/libbivouac.so" | grep -q libasan || flags+=("-fsanitize=address,undefined")
require gcc -Wall -Wextra -Werror -o library /src/tests/integration/library.c "${flags[@]}" \
    "-Wl,-rpath,$(pkg-config --variable=libdir bivouac)"
ok "the header is one for C++, too" clang -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I/usr/local/include \
    -include bivouac/bivouac.h /dev/null
ok "only what the header declares is visible" test -z "$(nm -D --defined-only "$(pkg-config --variable=libdir bivouac)/libbivouac.so" |
    awk '$3 !~ /^bivouac_/ && $2 != "A"')"

is "$(status_of ./library check every 10m)" 0 "a setting is right"
is "$(status_of ./library check every often)" 2 "or wrong"
like "$(<err)" "every.*often" "with a sentence"
is "$(status_of ./library check evry 10m)" 2 "or none"
like "$(<err)" "there is no setting 'evry'" "which is said"

is "$(status_of ./library status "$work/none" one)" 103 "without a store: its code"
hold one
is "$(status_of ./library status "$BIVOUAC_STORE" none)" 101 "without a job: its code"
like "$(<err)" none "and a sentence"
is "$(./library status "$BIVOUAC_STORE" one | jq -r .job)" one "the status of a job is an object"
is "$(./library checkpoint "$BIVOUAC_STORE" one)" 1 "a checkpoint has a number"
is "$(./library checkpoint "$BIVOUAC_STORE" one)" 2 "the next one the next"
ok "they are checkpoints" bv verify one
is "$(status_of ./library nonsense "$BIVOUAC_STORE" one)" 2 "a request that makes no sense is refused"
is "$(./library end "$BIVOUAC_STORE" one)" 3 "a job is ended by its last"
job_wait
is "$(bv show one --json | jq -r '.generations[-1].reason')" stop "the reason is kept"
is "$(status_of ./library status "$BIVOUAC_STORE" one)" 116 "then it runs no more"
is "$(status_of ./library end "$BIVOUAC_STORE" one)" 116 "and cannot be checkpointed"
finish
