#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bivouac report: the page has the figures of the history, a browser shows it, and nothing that a job
# can write into it does anything.
# testbed: timeout=600
# shellcheck disable=SC2016,SC2317 # a shell expands; functions are called by name
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

page=/src/tests/policy/lib/page

# browse NAME ARGUMENT… URL: chromium without a window; what it says goes to NAME.log.
browse()
{
    local name=$1

    shift
    timeout "$((4 * tap_deadline))" chromium --headless=new --no-sandbox --disable-gpu --disable-background-networking \
        --disable-component-update --no-first-run --disable-sync --user-data-dir="$work/chromium" \
        --enable-logging=stderr --virtual-time-budget=3000 --window-size=1280,1800 "$@" 2>"$name.log"
}

# The text as a regular expression that matches nothing else.
exactly()
{
    printf '%s' "$1" | sed 's/[][\.*^$+?(){}|]/\\&/g'
}

# Somebody who hears of every request.
cat >listen.py <<'END'
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(16)
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    print(c.recv(4096).split(b"\r\n")[0].decode("latin-1"), flush=True)
    c.close()
END
python3 listen.py >heard &
listener=$!
require wait_for lines_at_least heard 1
leak=http://127.0.0.1:$(sed -n 1p heard)

# A job whose every name tries to be more than text.
evil="\"'><script>document.title='pwned';fetch('$leak/script')</script><img src=$leak/img onerror=alert(1)>&amp;"
dir="d<b onclick=1>&\"'"
mkdir -p "$work/$dir"
start()
{
    (cd "$work/$dir" && exec env --default-signal bivouac run --job evil "$@" -- sh -c \
        'echo ready; until test -e go; do sleep 0.05; done; exit 5' "$evil" $'\xff\u202e\e[2J') \
        </dev/null >>"$work/evil.out" 2>>"$work/evil.err" &
    job_pid=$!
}
start --lease 1
require wait_for says evil ready
job_id=evil
require job_checkpoint
require job_checkpoint
require job_crash
start
require wait_for is_state evil running
require job_checkpoint
touch "$work/$dir/go"
job_wait
is "$job_status" 5 "the job has ended"
jq -cn --arg evil "$evil" '{time: "2026-11-22T01:00:00.000Z", event: "checkpointed", attempt: 1, generation: 7, host: $evil,
    why: $evil, frozen_s: 0.5, raw_bytes: 123456789}, {time: "2026-11-22T01:00:01.000Z", event: $evil, ($evil): $evil}' \
    >>"$BIVOUAC_STORE/jobs/evil/events.jsonl"

umask 022
ok "a report is written" bv report --html "$work/evil.html" evil
is "$(stat -c %a evil.html)" 600 "only its owner may read it"
is "$(find . -maxdepth 1 -name '.*.new')" "" "nothing else is left"
before=$(stat -c %i evil.html)
ok "again" bv report evil --html evil.html
isnt "$(stat -c %i evil.html)" "$before" "it is a new file"

# As it is written.
ok "it is UTF-8" iconv -f UTF-8 -t UTF-8 -o /dev/null evil.html
is "$(LC_ALL=C grep -cP '[\x00-\x09\x0b-\x1f\x7f]' evil.html)" 0 "without control characters"
is "$(grep -c $'\u202e' evil.html)" 0 "nor any that turn text around"
is "$("$page" outside evil.html)" "" "it names nothing outside of itself"
is "$("$page" elements evil.html | grep -vE '^[a-z0-9]+$')" "" "nothing in it has a handler"
is "$("$page" elements evil.html | grep -cxE 'script|img|iframe|object|embed|link|b|form|base')" 0 "or could run"
like "$(<evil.html)" "Content-Security-Policy\" content=\"default-src 'none'" "and nothing would be let run"
bv history evil --json >json
is "$("$page" text evil.html .frozen | wc -l)" "$(jq '.checkpoints | length' json)" "a bar for each freeze"
is "$("$page" text evil.html .mark | grep -c '^checkpoint @')" "$(jq '.checkpoints | length' json)" "a mark for each checkpoint"

# As a browser has it.
browse dom --dump-dom "file://$work/evil.html" >dom.html || not_ok "the browser shows it" dom.log
is "$("$page" text dom.html title | sed -n 1p)" "Bivouac: job evil" "the title is ours"
like "$("$page" text dom.html .command)" "sh -c .*$(exactly "$evil")" \
    "the command is shown as text"
like "$("$page" text dom.html .command)" '\\xff\\xe2\\x80\\xae\\x1b\[2J' "with what cannot be shown as bytes"
like "$("$page" text dom.html header)" "$(exactly "$dir")" "so is the directory"
is "$("$page" elements dom.html | sort | uniq -c)" "$("$page" elements evil.html | sort | uniq -c)" \
    "the browser sees the elements that were written, and no other"
is "$(grep -c CONSOLE dom.log)" 0 "it has nothing to complain about"
size()
{
    awk -v b="$1" 'BEGIN { split("B KiB MiB GiB", u, " "); for (i = 1; b >= 1024; i++) b /= 1024
        printf(i > 1 ? "%.1f %s" : "%.0f %s", b, u[i]) }'
}
"$page" text dom.html tr >rows
for generation in 1 2 3; do
    one=".checkpoints[] | select(.generation == $generation)"
    row=$(grep "^@$generation" rows)
    for key in frozen_s drain_s write_s sync_s total_s; do
        like "$row" "$(printf '%.3f s' "$(jq "$one | .$key" json)")" "the table has $key of @$generation"
    done
    for key in raw_bytes new_bytes stored_bytes; do
        like "$row" "$(size "$(jq "$one | .$key" json)")" "and $key"
    done
done
like "$("$page" text dom.html dl)" "Efficiency$(printf '%.1f' "$(jq '.totals.efficiency * 100' json)") %" "the efficiency"
like "$("$page" text dom.html .lost)" 'attempt 0: [0-9.]+ s were lost' "what was lost is drawn"
like "$("$page" text dom.html .saved)" 'attempt 1 saved: [0-9.]+ s' "and what was saved"

# As it looks.
light=$(browse light --screenshot="$work/light.png" "file://$work/evil.html" >/dev/null && "$page" picture light.png)
dark=$(browse dark --blink-settings=preferredColorScheme=0 --screenshot="$work/dark.png" "file://$work/evil.html" \
    >/dev/null && "$page" picture dark.png)
diag "light: $light; dark: $dark"
read -r width height colours first <<<"$light"
is "$width $height" "1280 1800" "the picture is as large as the window"
ok "and not blank ($colours colours)" test "$colours" -gt 40
is "$first" "#fbfbf9" "it is light"
read -r _ _ colours first <<<"$dark"
is "$first" "#14181c" "or dark, as the reader wants it"
ok "and not blank either ($colours colours)" test "$colours" -gt 40

# It has asked nobody for anything; a page that does would have been heard.
is "$(tail -n +2 heard)" "" "the page made no request"
printf '<img src=%s/control>' "$leak" >control.html
browse control --dump-dom "file://$work/control.html" >/dev/null
like "$(tail -n +2 heard)" '^GET /control ' "one that does is heard"
kill "$listener"

# A job without checkpoints, one without anything, and one with very many.
bv run --job brief -- true
ok "a report of a job without checkpoints" bv report --html brief.html brief
is "$("$page" text brief.html h2)" $'Attempts\nLost and saved' "has the plots that make sense"
events=$BIVOUAC_STORE/jobs/brief/events.jsonl
cp "$events" saved
: >"$events"
ok "of one without a history" bv report --html none.html brief
cat saved >"$events"
jq -cn 'range(1; 3001) | {time: "2026-11-22T01:00:00.000Z", event: "checkpointed", attempt: 0, generation: ., frozen_s: 0.1,
    raw_bytes: 1e6, why: "period"}' >>"$events"
ok "of one with 3000 checkpoints" bv report --html many.html brief
is "$("$page" text many.html .frozen | wc -l)" 120 "the newest are plotted"
like "$(<many.html)" 'The 2880 checkpoints before are not shown' "and it says so"
ok "it is no larger than one can open" test "$(stat -c %s many.html)" -lt 2000000

# Refusals.
is "$(status_of bv report evil)" 2 "without a file: usage"
is "$(status_of bv report --html x.html)" 2 "without a job: usage"
is "$(status_of bv report --html x.html evil@1)" 2 "of a generation: usage"
is "$(status_of bv report --html x.html none)" 101 "a job that is not there: 101"
is "$(status_of bv report --html "$work" evil)" 2 "a directory: 2"
is "$(status_of bv report --html /nowhere/x.html evil)" 2 "in a directory that is not there: 2"
ok "nothing is written then" test ! -e x.html
finish_jobs
