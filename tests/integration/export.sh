#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac export and import: a checkpoint leaves one store and goes on in another; and as plain images of CRIU.
# shellcheck disable=SC2016,SC2317
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

export BIVOUAC_KEEP_ON_SUCCESS=yes # ended jobs are gone back to

home=$BIVOUAC_STORE
away=$work/away

# A job that counts to 50, waits, and counts on to 100. It keeps a file as it goes.
cat >counter <<'END_OF_JOB'
#!/bin/bash
exec 3>>kept
for ((n = 1; n <= 100; n++)); do
    echo "count $n"
    echo "$n" >&3
    if ((n == 50)); then
        until test -e go; do sleep 0.05; done
    fi
done
END_OF_JOB
chmod +x counter

is "$(status_of bv export any)" 103 "without a store: 103"
start_job c -- "$work/counter"
require wait_for says c "count 50"
is "$(status_of bv export c)" 118 "a job without a checkpoint: 118"
ok "a checkpoint" bv checkpoint c
ok "and one that ends the job" bv checkpoint c --kill
job_wait
is "$job_status" 85 "it has ended"
cp -r c c.saved
cp c.out c.out.saved

# Out.
is "$(status_of bv export none)" 101 "an unknown job: 101"
is "$(status_of bv export c@9)" 101 "an unknown generation: 101"
is "$(<out)" "" "nothing was written"
is "$(status_of script -qec "bivouac export c" /dev/null)" 2 "not to a terminal"
ok "an export" eval 'bv export c >c.tar'
ok "of an older one" eval 'bv export c@1 >c1.tar'
ok "again" eval 'bv export c >again.tar'
same_file again.tar c.tar "gives the same bytes"
like "$(tar tf c.tar | tr '\n' ' ')" \
    '^bivouac-export job.json events.jsonl 000002/manifest 000002/index (000002/pack-[0-9]{6}.bvp )+end $' \
    "tar(1) lists it, in order"
is "$(tar xOf c.tar bivouac-export | jq -r '[.format, .job, .generation] | @text')" '["bivouac-export 1","c",2]' \
    "its head says what it is"
is "$(status_of eval 'bivouac export c >/dev/full')" 105 "a full disk: 105"

# In.
ok "an import makes a store where none is" eval 'bv import --store "$away" <c.tar >said'
like "$(<said)" '^c@2: imported, [0-9.]+ [KMG]?i?B$' "and says what it did"
export BIVOUAC_STORE=$away
ok "it verifies" bv verify c
is "$(generations_of c)" 2 "with the one generation"
is "$(state_of c)" new "as a job that was never started here"
is "$(bv show c --json | jq -c .record.command)" "[\"$work/counter\"]" "its record is that of the job"
is "$(jq -r .event "$away/jobs/c/events.jsonl" | tail -n 1)" imported "its history goes on"
is "$(find "$away" -perm /077 | wc -l)" 0 "nobody else can read it"
is "$(status_of bv import <c.tar)" 112 "once more: 112"
like "$(<err)" '--job' "it says what to do"
ok "under another id, through a pipe" eval 'cat c.tar | bv import --job d --json >said'
is "$(jq -c '[.job, .generation]' said)" '["d",2]' "--json"
ok "the older one, too" eval 'bv import -j e <c1.tar'
ok "all verify" eval 'bv verify c && bv verify d && bv verify e@1'
is "$(jq -r .job "$away/jobs/d/job.json")" d "the record has the new id"

# On. The files of the job are where they were.
touch c/go
start_job c -- "$work/counter"
job_wait
is "$job_status" 0 "the imported job goes on to its end"
is "$(<c.out)" "$(seq -f 'count %g' 100)" "its output is that of an uninterrupted run"
is "$(<c/kept)" "$(seq 100)" "and so are its files"
# The files as they were at the checkpoint, and "go".
turn_back()
{
    cp c.saved/* c/
    cp c.out.saved c.out
    touch c/go
}
turn_back
is "$(status_of bv restart d)" 0 "so does the one under another id, by restart"
is "$(<c.out)" "$(seq -f 'count %g' 100)" "whose output is the same"
is "$(<c/kept)" "$(seq 100)" "with its files"
ok "an import can be exported" eval 'bv export d@2 >d.tar'
ok "and imported again" eval 'bv import --store "$work/third" <d.tar && bv verify d --store "$work/third"'

# Damage.
refused()
{
    is "$(status_of bv import --store "$work/clean" <bad)" "${2:-104}" "refused: $1"
    like "$(<err)" "^bivouac: .*${3:-}" "and says why"
    is "$(find "$work/clean/jobs" -mindepth 1 | wc -l)" 0 "and nothing is left"
}
size=$(stat -c %s c.tar)
: >bad
refused "an empty file" 104 "no export"
cp counter bad
refused "a text" 104 "no export"
tar cf bad counter
refused "another archive" 104 "no export"
gzip -c c.tar >bad
refused "a compressed one" 104 "no export"
for part in 3 50 90 99; do
    head -c $((size * part / 100)) c.tar >bad
    refused "cut off after $part %"
done
head -c -2048 c.tar >bad
refused "without its end"
for part in 2 30 60 95; do
    cp c.tar bad
    at=$((size * part / 100))
    # Not in the padding behind a member, which means nothing.
    while byte=$(od -An -tu1 -j "$at" -N1 c.tar) && ((byte == 0)); do
        at=$((at + 1))
    done
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((byte ^ 4)))" | dd of=bad bs=1 seek="$at" conv=notrunc status=none
    refused "a bit flipped at $part %"
done
rm -rf members
mkdir members
tar xf c.tar -C members
tar cf bad -C members bivouac-export job.json 000002 end
refused "the members in another order"
(cd members && sed -i 's/export 1/export 7/' bivouac-export &&
    tar cf ../bad bivouac-export job.json events.jsonl 000002/manifest 000002/index 000002/pack* end)
refused "a newer format" 103 format
is "$(status_of bv import --job ../x <c.tar)" 2 "a bad id: 2"
is "$(status_of script -qec "bivouac import" /dev/null </dev/null)" 2 "not from a terminal"
export BIVOUAC_STORE=$home
pack=$(find "$home/jobs/c/000002" -name 'pack-*' | sort | head -n 1)
cp "$pack" pack.saved
printf x | dd of="$pack" bs=1 seek=2000 conv=notrunc status=none
is "$(status_of bv export c@2)" 104 "a damaged checkpoint is not exported: 104"
is "$(stat -c %s out)" 0 "nothing of it"
is "$(status_of bv export c@2 --criu "$work/bad-images")" 104 "nor as images"
ok "nothing of them is left" test ! -e "$work/bad-images"
cat pack.saved >"$pack"

# An import that is ended.
mkfifo slow
bivouac import --store "$work/clean" <slow >out 2>err &
import_pid=$!
exec 4>slow
head -c $((size / 2)) c.tar >&4
hidden()
{
    [[ -n $(find "$work/clean/jobs" -mindepth 2 -name '000002') ]]
}
ok "an import that waits has a hidden directory" wait_for hidden
is "$(bv list --store "$work/clean" --json | jq '.jobs | length')" 0 "which is no job"
kill -TERM "$import_pid"
wait "$import_pid" && status=0 || status=$?
exec 4>&-
is "$status" 143 "it dies of SIGTERM"
is "$(find "$work/clean/jobs" -mindepth 1 | wc -l)" 0 "and leaves nothing"

# Plain images.
mkdir full
touch full/something
is "$(status_of bv export c --criu full)" 2 "--criu: not into a directory that has something in it"
ok "which is left alone" test -e full/something
is "$(status_of bv export c --criu "$work/no/where")" 2 "nor below one that is not there"
like "$(bv export c --criu "$work/images")" '^c@2: [0-9]+ files in .*/images$' "images"
mkdir -m 755 empty
ok "also into an empty directory" bv export c@2 --criu empty
ok "the same" diff -r images empty
is "$(stat -c %a images empty | sort -u)" 700 "which is private"
is "$(find images -perm /077 | wc -l)" 0 "as is everything in it"
is "$(jq -r .format images/capture.json)" "bivouac-capture 1" "what is known of the files is there"
is "$(jq -r .content images/capture.json 2>/dev/null | wc -l)" 1 "as JSON"
for image in inventory.img pstree.img core-1000.img mm-1000.img pagemap-1000.img files.img; do
    ok "crit reads $image" crit decode -i "images/$image" -o decoded.json
done
is "$(crit decode -i images/pstree.img | jq '.entries[0].pid')" 1000 "the tree's root is in it"
like "$(crit x images ps)" '1000 .*counter' "crit shows the processes"
like "$(crit x images fds)" 'kept' "and their files"

# CRIU alone, as bivouac-export(1) says.
turn_back
# shellcheck disable=SC1004
by_hand='
    mount -t tmpfs -o mode=1777 none /dev/shm
    exec setpriv --inh-caps=-setuid,-setgid \
        --ambient-caps=-setuid,-setgid --bounding-set=-setuid,-setgid \
        criu restore -D images --unprivileged --file-locks --manage-cgroups=ignore'
ok "criu restores the images" timeout "$((4 * tap_deadline))" \
    unshare --user --map-current-user --keep-caps --pid --fork --kill-child --mount --mount-proc --ipc sh -c "$by_hand"
is "$(<c.out)" "$(seq -f 'count %g' 100)" "and the job goes on to its end"
is "$(<c/kept)" "$(seq 100)" "with its files"
finish_jobs
