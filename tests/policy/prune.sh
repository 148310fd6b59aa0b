#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac prune: it says what it would remove and changes nothing; then it removes that, and nothing else.
# shellcheck disable=SC2317
set -euo pipefail

. /src/tests/integration/lib/jobs.sh

# tree: all that is there, with sizes and times, but not when it was asked for the time.
tree()
{
    find "$BIVOUAC_STORE" ! -name .now ! -name attempts -printf '%P %s %T@ %i\n' | sort
    find "${XDG_RUNTIME_DIR:-/tmp/bivouac-$(id -u)}" -name '*.sock' | sort
}

# A job that is cut off with three checkpoints, and what a crash may leave.
hold cut --keep 3
for _ in 1 2 3; do
    ok "a checkpoint" bv checkpoint cut
done
require job_crash
jobs=$BIVOUAC_STORE/jobs
mkdir "$jobs/cut/.staging-0000" "$jobs/cut/.000004.0000" "$jobs/cut/.deleted-000009"
head -c 1000 /dev/zero >"$jobs/cut/.staging-0000/image"
head -c 2000 /dev/zero >"$jobs/cut/.000004.0000/pack-000004.bvp"
ln "$jobs/cut/000003/pack-000003.bvp" "$jobs/cut/.000004.0000/"
echo x >"$jobs/cut/attempts/.0001.0123456789abcdef.tmp"
mkdir "$jobs/.new-x.0123456789abcdef" "$jobs/.import-y.0123456789abcdef" "$jobs/.import-z.0123456789abcdef" \
    "$jobs/.deleted-w.0123456789abcdef"
echo x >"$jobs/.import-z.0123456789abcdef/pack"
touch -d '2 hours ago' "$jobs"/.new-x.* "$jobs"/.import-y.* "$jobs"/.import-z.*
socket=$(jq -r .socket "$jobs/cut/attempts/0000")
ok "the supervisor that was killed has left its socket" test -S "$socket"
# Jobs that have ended, and one that lives.
run_job good -- true
run_job bad -- false || :
touch -d '10 days ago' "$jobs/bad/attempts/0000.end" "$jobs/good/attempts/0000.end"
hold live
for _ in 1 2; do
    ok "a checkpoint of the job that lives" bv checkpoint live
done
mkdir "$jobs/live/.deleted-000009" "$jobs/live/.staging-0007"

# --- it says what it would do
before=$(tree)
is "$(status_of bv prune --keep 1)" 0 "prune"
cp out plan
is "$(tree)" "$before" "it changes nothing"
diag <plan
for line in '[0-9.]+ KiB  cut@1: one too many \(keep 1\)' '[0-9.]+ KiB  cut@2: one too many' \
    '1000 B  cut/\.staging-0000: staging' '2.0 KiB  cut/\.000004\.0000: checkpoint that was interrupted' \
    '0 B  cut/\.deleted-000009: checkpoint whose removal' '2 B  cut/attempts/\.0001.*tmp: file that was being written' \
    '0 B  \.new-x\..*: job that was being made' '0 B  \.import-y\..*: import' '0 B  \.deleted-w\..*: job whose removal' \
    'left alone  1 job that runs' 'would remove 10 things'; do
    ok "it says: $line" grep -qE "^ *$line" plan
done
unlike "$(<plan)" 'import-z' "an import that is just written to is none of it"
unlike "$(<plan)" 'live' "nor is anything of the job that lives"
ok "it says that the socket of the supervisor that was killed can go" grep -qF "$socket: control socket" plan
unlike "$(bv prune)" 'cut@' "without --keep what the last attempt was told counts"
unlike "$(bv prune)" 'good|bad' "ended jobs stay without --older-than"
bv prune --keep 1 --json >json
is "$(jq -c 'keys' json)" '["bytes","dry_run","items","left_alone","store"]' "--json: keys"
is "$(jq -c '[.dry_run, (.items | length), .left_alone[0].job]' json)" '[true,10,"live"]' "--json: values"
is "$(jq '[.items[].bytes] | add == '"$(jq .bytes json)" json)" true "--json: the sum is that of the items"
is "$(tree)" "$before" "all that has changed nothing"
is "$(status_of bv prune nosuch)" 101 "a job that is not there: 101"
is "$(status_of bv prune --older-than x)" 2 "a time that is none is refused"
like "$(bv prune --older-than 9d)" 'bad: ended 10 d ago' "--older-than finds old jobs"
unlike "$(bv prune --older-than 11d)" 'bad:' "and not younger ones"

# --- it does it
size()
{
    find "$BIVOUAC_STORE" -type f ! -name last ! -name events.jsonl -printf '%i %s\n' | sort -u | awk '{ n += $2 } END { print n }'
}
was=$(size)
live_before=$(find "$jobs/live" -printf '%P %s\n' | sort)
is "$(status_of bv prune --keep 1 --yes)" 0 "prune --yes"
is "$(grep -c : out)" "$(grep -c : plan)" "it removes what it said"
is "$(grep : out)" "$(grep : plan)" "the same things"
is "$((was - $(size)))" "$(jq .bytes json)" "and frees what it said"
is "$(generations_of cut)" 3 "the newest checkpoint is there"
ok "it verifies" bv verify cut
is "$(find "$jobs" -name '.*' ! -name .now | sort)" \
    "$jobs/.import-z.0123456789abcdef"$'\n'"$jobs/live/.deleted-000009"$'\n'"$jobs/live/.staging-0007" \
    "what it did not say is there"
is "$(find "$jobs/live" -printf '%P %s\n' | sort)" "$live_before" "nothing of the job that lives was touched"
is "$(bv show cut --json | jq -c '[.events[] | select(.event == "removed") | [.generation, .why]]')" \
    '[[1,"prune"],[2,"prune"]]' "the history has it"
is "$(bv prune --keep 1)" "left alone  1 job that runs"$'\n'"nothing to remove" "then there is nothing left to do"
ok "the socket is gone" test ! -e "$socket"
ok "the living one's is not" bv checkpoint live
hold gone
require job_crash
socket=$(jq -r .socket "$jobs/gone/attempts/0000")
rm -rf "$jobs/gone"
is "$(bv prune)" "left alone  1 job that runs"$'\n'"nothing to remove" "a socket of nobody knows whom stays for a minute"
touch -d '2 minutes ago' "$socket"
like "$(bv prune --yes)" "0 B  $socket: control socket" "when nobody listens at it, it is removed then"
ok "it is gone" test ! -e "$socket"
ok "the living one's is not" bv checkpoint live
ok "a pin" bv pin cut@3
is "$(bv prune --keep 1 --older-than 9d --yes --json | jq -c '[.items[] | [.what, .removed]]')" \
    '[["bad",true],["good",true]]' "old jobs are removed whole"
is "$(status_of bv show bad)" 101 "they are gone"

# The job that was cut off goes on.
job_start "$work/cut" cut -- sh -c :
finish_job cut
is "$job_status" 5 "the job that was cut off goes on and ends"
touch -d '10 days ago' "$jobs/cut/attempts/0001.end"
like "$(bv prune --older-than 9d)" 'left alone  cut: .*pinned' "a job with a pinned checkpoint stays"

# --- a job that another host may still run
host=$jobs/cut/attempts/0002
jq -c '.attempt = 2 | .boot_id = "elsewhere" | .host = "other" | .lease_ms = 1000' "$jobs/cut/attempts/0001" >"$host"
touch -d '30 minutes ago' "$host"
like "$(bv prune cut)" 'left alone  cut: .*host other' "silent for half an hour elsewhere: it is left alone"
touch -d '2 hours ago' "$host"
unlike "$(bv prune cut)" 'left alone' "silent for two hours: it is over"

# --- what cannot be removed is told, and the rest is removed
mkdir "$jobs/cut/.staging-0000" "$jobs/cut/.staging-0001" "$jobs/cut/.staging-0000/closed"
touch "$jobs/cut/.staging-0000/closed/file"
chmod 500 "$jobs/cut/.staging-0000/closed"
is "$(status_of bv prune --yes cut)" 103 "what cannot be removed: its status"
like "$(<err)" 'cannot remove cut/\.staging-0000: .*' "it is told"
ok "the rest is removed" test ! -e "$jobs/cut/.staging-0001"
chmod 700 "$jobs/cut/.staging-0000/closed"
is "$(status_of bv prune --yes cut)" 0 "then it can be"
let_go live
ok "the job that lived ends" wait_for is_state live ended
like "$(bv prune --yes live)" '0 B  live/.staging-0007: staging of an attempt that is over' "and then what lay about in it is removed"
finish_jobs
