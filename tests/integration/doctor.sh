#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac doctor: able hosts, and each thing that makes one unable.
# shellcheck disable=SC2016 # jq has variables, too
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

is "$(status_of bv doctor)" 0 "this host is able"
like "$(tail -n 1 out)" '^this host can run, checkpoint and restart jobs$' "it says so"
is "$(grep -cvE '^(ok|warn|FAIL|this| )' out)" 0 "every line has its verdict"
ok "it tried it" grep -qE '^ok +self-test +a program .* was checkpointed' out
ok "no store was made for that" test ! -e "$BIVOUAC_STORE"
is "$(status_of bv doctor --quick)" 0 "--quick"
is "$(grep -c self-test out || :)" 0 "leaves the trial out"
bv doctor --json >json
is "$(keys_of . <json)" "able checks" "--json: keys"
is "$(jq -c .able json)" true "--json: able"
is "$(jq -r '[.checks[].check] | join(" ")' json)" \
    "kernel namespaces clocks network tracing engine settings store space runtime self-test" "--json: every check"
is "$(jq -c '[.checks[] | (has("check") and has("text") and (.verdict | IN("ok", "warn")))] | all' json)" true \
    "--json: each with a verdict"

# verdict NAME: of a check in the file "out".
verdict()
{
    jq -r --arg name "$1" '.checks[] | select(.check == $name) | .verdict' out
}

# unable STATUS CHECK NAME CMD…: doctor fails for that reason and says what to do.
unable()
{
    local status=$1 check=$2 name=$3

    shift 3
    is "$(status_of "$@" bivouac doctor --json)" "$status" "$name: $status"
    is "$(jq -c .able out)" false "$name: not able"
    is "$(verdict "$check")" fail "$name: it is $check"
    ok "$name: and it says what to do" \
        jq -e --arg name "$check" '.checks[] | select(.check == $name) | .remedy | length > 10' out
    is "$(jq -r '[.checks[].check] | index("self-test")' out)" null "$name: nothing is tried then"
    status_of "$@" bivouac doctor >/dev/null
    like "$(<out)" "FAIL +$check " "$name: in the text, too"
    like "$(<out)" 'to fix: ' "$name: with what to do"
    like "$(tail -n 1 out)" 'this host cannot' "$name: and the sum"
}

# An engine that is too old, silent, or not there.
printf '#!/bin/sh\necho "Version: 3.17.1"\n' >old-criu
printf '#!/bin/sh\necho hello\n' >no-criu
chmod +x old-criu no-criu
unable 107 engine "criu 3.17.1" env BIVOUAC_CRIU="$work/old-criu"
like "$(<out)" '3\.17\.1.*needs criu 4\.2 or newer' "it says which version it found"
unable 107 engine "something else" env BIVOUAC_CRIU="$work/no-criu"
unable 107 engine "no criu" env BIVOUAC_CRIU="$work/missing"
for criu in old-criu no-criu missing; do
    is "$(BIVOUAC_CRIU=$work/$criu status_of bv run --job "with-$criu" -- true)" 107 "run with $criu: 107"
done
ok "none of these has made a job" test ! -e "$BIVOUAC_STORE/jobs"

# User namespaces. Below an own one their number can be limited without being root.
# shellcheck disable=SC2016
unable 109 namespaces "no user namespaces" unshare --user --map-root-user sh -c \
    'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh
like "$(<out)" 'max_user_namespaces' "it names the limit"
# shellcheck disable=SC2016
is "$(status_of unshare --user --map-root-user sh -c \
    'echo 0 >/proc/sys/user/max_user_namespaces && exec bivouac run --job limited -- true')" 109 "run without: 109"

# Settings, the store and the directory for sockets.
printf '[run]\nleese = 5\n' >site.conf
unable 2 settings "a site file that is wrong" env BIVOUAC_SITE_CONFIG="$work/site.conf"
like "$(<out)" "site.conf:2: there is no key 'leese'" "it says where"
mkdir -m 500 closed
unable 103 store "a store that cannot be written" env BIVOUAC_STORE="$work/closed/store"
mkdir wrong
echo "bivouac-store 99" >wrong/format
unable 103 store "a store of another format" env BIVOUAC_STORE="$work/wrong"
mkdir -m 755 open
unable 109 runtime "a directory for sockets that is open to others" env BIVOUAC_RUNTIME_DIR="$work/open"
is "$(status_of bv doctor --store "$work/good")" 0 "--store is looked at instead"
like "$(<out)" "ok +store +$work/good \(will be created\)" "it is named"
ok "and not created" test ! -e good
is "$(find "$HOME" /tmp -maxdepth 2 -name '*doctor*' -o -maxdepth 2 -name '*trial*')" "" "nothing of all that remains"
finish_jobs
