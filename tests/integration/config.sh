#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Settings from options, environment, job file and site file: what counts, and what is refused.
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# Lines of a file in [run].
conf()
{
    local file=$1

    shift
    rm -f "$file"
    printf '[run]\n' >"$file"
    (($# == 0)) || printf '%s\n' "$@" >>"$file"
}

# network_of ID: what the record of the job says.
network_of()
{
    bv show "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["record"]["network"])'
}

export BIVOUAC_SITE_CONFIG=$work/site.conf
conf site.conf 'network = private'
run_job by-site -- true
is "$(network_of by-site)" private "the site file counts"
conf job.conf 'network = host'
run_job by-file --config job.conf -- true
is "$(network_of by-file)" host "the job file counts more than the site file"
BIVOUAC_CONFIG=job.conf run_job by-file-named -- true
is "$(network_of by-file-named)" host "also when a variable names it"
BIVOUAC_NETWORK=private run_job by-variable --config job.conf -- true
is "$(network_of by-variable)" private "a variable counts more than the job file"
BIVOUAC_NETWORK=private run_job by-option --config job.conf --network host -- true
is "$(network_of by-option)" host "an option counts more than a variable"
BIVOUAC_NETWORK='' run_job by-nothing --config job.conf -- true
is "$(network_of by-nothing)" host "an empty variable is none"
# shellcheck disable=SC2016 # the job expands
is "$(BIVOUAC_LEASE=99 BIVOUAC_NETWORK=host run_job env -- sh -c 'echo $BIVOUAC_LEASE $BIVOUAC_NETWORK')" "99 host" \
    "the job has the variables as they are"

# The site's store.
conf site.conf "store = $work/of-%u"
is "$(env -u BIVOUAC_STORE bivouac run --job there -- true && ls "$work/of-alice/jobs")" there \
    "a job goes into the store of the site file"
like "$(env -u BIVOUAC_STORE bivouac list)" 'there +ended' "and list looks there"
unlike "$(bv list)" there "unless a variable names another"
like "$(env -u BIVOUAC_STORE bivouac doctor --quick)" "store +$work/of-alice" "doctor looks there, too"
printf '[runs]\n' >>site.conf
is "$(status_of env -u BIVOUAC_STORE bivouac list)" 2 "without the site file nobody knows where the store is"
is "$(status_of bv list)" 0 "but who names one needs no site file"
conf site.conf 'network = private'

# refused STATUS TEXT COMMAND…: and nothing is run.
refused()
{
    local status=$1 text=$2

    shift 2
    is "$(status_of env "$@" bivouac run --job refused -- touch "$work/ran")" "$status" "refused: $* run"
    like "$(<err)" "$text" "and says where and why"
    ok "nothing is run" test ! -e "$work/ran"
}

refused 2 "BIVOUAC_LEASE: '-5' is no duration" BIVOUAC_LEASE=-5
refused 2 "BIVOUAC_EVERY: '-5' is no duration" BIVOUAC_EVERY=-5
refused 2 "BIVOUAC_ON_SIGNAL: there is no signal 'FOO'" BIVOUAC_ON_SIGNAL=FOO=ignore
refused 2 'BIVOUAC_NETWORK: write host, private or auto' BIVOUAC_NETWORK=bridge
refused 2 'cannot read the job file .*missing' BIVOUAC_CONFIG="$work/missing"
refused 2 'cannot read the site file .*missing' BIVOUAC_SITE_CONFIG="$work/missing"
conf bad.conf 'every = -5'
refused 2 "$work/bad.conf:2: every: '-5' is no duration" BIVOUAC_CONFIG="$work/bad.conf"
conf bad.conf '' 'lease = -5'
refused 2 "$work/bad.conf:3: lease: '-5' is no duration" BIVOUAC_CONFIG="$work/bad.conf"
refused 2 "$work/bad.conf:3: lease: '-5' is no duration" BIVOUAC_SITE_CONFIG="$work/bad.conf"
conf bad.conf 'lesse = 5'
refused 2 "$work/bad.conf:2: there is no key 'lesse': do you mean lease\?" BIVOUAC_CONFIG="$work/bad.conf"
printf '[jobs]\nlease = 5\n' >bad.conf
refused 2 "$work/bad.conf:1: there is no section '\[jobs\]'" BIVOUAC_CONFIG="$work/bad.conf"
conf bad.conf 'lease = 5'
chmod 0 bad.conf
refused 102 "cannot read the job file $work/bad.conf: Permission denied" BIVOUAC_CONFIG="$work/bad.conf"
refused 102 "cannot read the site file $work/bad.conf: Permission denied" BIVOUAC_SITE_CONFIG="$work/bad.conf"
chmod 664 bad.conf
refused 102 'can be changed by others' BIVOUAC_SITE_CONFIG="$work/bad.conf"
is "$(status_of bv run --config "$work/missing" -- true)" 2 "--config with a file that is missing is refused"
is "$(status_of bv run --lease -5 -- true)" 2 "--lease -5 is refused"
like "$(<err)" "^bivouac: --lease: '-5' is no duration" "and names the option"

is "$(status_of env BIVOUAC_LEESE=5 bivouac run --job warned -- true)" 0 "an unknown variable is not refused"
like "$(<err)" 'BIVOUAC_LEESE means nothing' "but warned of"

# Every variable that some part of Bivouac reads or sets: "BIVOUAC_X" in the source, $BIVOUAC_X in the testbed's scripts.
mapfile -t variables < <({
    grep -rhoE '"BIVOUAC_[A-Z_]+"' /src/src /src/plugins
    grep -rhoE '[$][{]?BIVOUAC_[A-Z_]+' /src/testbed /src/tests/check
} | grep -oE 'BIVOUAC_[A-Z_]+' | sort -u)
ok "the source has variables" test "${#variables[@]}" -ge 10
for variable in "${variables[@]}"; do
    unknown=$(env "$variable=1" bivouac config lease 2>&1 | grep "$variable means nothing" || :)
    is "$unknown" "" "$variable is known"
done

# What the command shows.
conf site.conf 'staging = 1G' 'lease = 1m' 'network = private'
conf job.conf 'staging = 2G' 'lease = 2m'
keys=(store network tmp capture-limit on-bad-checkpoint staging lease)
is "$(BIVOUAC_LEASE=3m bv config --config job.conf "${keys[@]}" | sed 's/  */ /g')" "store $BIVOUAC_STORE environment BIVOUAC_STORE
network private site file $work/site.conf:4
tmp shared default
capture-limit 256M default
on-bad-checkpoint fail default
staging 2G job file job.conf:2
lease 3m environment BIVOUAC_LEASE" "each setting is shown with where it comes from"
is "$(BIVOUAC_CONFIG=job.conf bv config lease tmp | awk '{ print $1, $2 }')" $'tmp shared\nlease 2m' "or only some"
is "$(bv config --json --config job.conf staging tmp | python3 -c 'import json, sys; print(json.load(sys.stdin))')" \
    "{'settings': {'staging': {'source': 'job file', 'value': '2G', 'where': 'job.conf:2'}, 'tmp': {'source': 'default', 'value': 'shared'}}}" \
    "also as JSON"
is "$(env -u BIVOUAC_STORE bivouac config store | awk '{ print $2, $3 }')" "$HOME/.bivouac default" "the store of the user"
is "$(bv config --check job.conf | awk '{ print $1 }' | tr '\n' ' ')" 'staging lease ' "--check shows what a file sets"
conf bad.conf 'network = private' 'network = host'
is "$(status_of bv config --check bad.conf)" 2 "a bad file is refused"
is "$(<err)" "bivouac: bad.conf:3: network is already set at bad.conf:2" "with the line and the reason"
is "$(status_of bv config --check bad.conf --json)" 2 "also with --json"
is "$(python3 -c 'import json; print(json.load(open("out"))["error"]["code"])')" 2 "which says so"
is "$(status_of env BIVOUAC_SITE_CONFIG=bad.conf bivouac config)" 2 "and so is a bad site file"
printf '[run]\nstore = /\033[31m\n' >bad.conf
is "$(status_of bv config --check bad.conf)" 2 "control characters are refused"
unlike "$(BIVOUAC_STORE=$'/a\033[31m' bv config store)" $'\033' "and never shown"
finish
