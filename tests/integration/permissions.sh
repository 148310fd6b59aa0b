#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root
# Whose a store, a job and a socket are: nobody else reads them, nobody else's are trusted.
# shellcheck disable=SC2016 # the job's shell expands
set -euo pipefail
. /src/tests/integration/lib/jobs.sh

# The jobs are alice's, in her own directory; "work" is root's.
home=/home/alice/permissions
store=$home/store
as_user alice mkdir "$home"

# as NAME CMD…: with the store of alice. Its output goes to "out" and "err", its status is printed.
as()
{
    local user=$1 status=0

    shift
    (cd / && export BIVOUAC_STORE=$store && as_user "$user" timeout 60 "$@") >"$work/out" 2>"$work/err" || status=$?
    printf '%s\n' "$status"
}

# A job of alice that waits, whatever her umask.
as_user alice bash -c 'cd "$1" && umask 0 && BIVOUAC_STORE=$2 exec bivouac run --job one --capture "$1" -- \
    sh -c "echo secret >file; echo ready; until test -e go; do sleep 0.05; done"' - "$home" "$store" \
    >"$work/one.out" 2>"$work/one.err" </dev/null &
supervisor=$!
require wait_for says one ready
is "$(as alice bivouac checkpoint one)" 0 "alice checkpoints her job"

# Modes.
ok "there are files to look at" test "$(find "$store" -type f | wc -l)" -ge 8
is "$(find "$store" -type d ! -perm 0700)" "" "every directory of a store is 0700, whatever the umask"
is "$(find "$store" -type f ! -perm 0600)" "" "every file of a store is 0600"
is "$(find "$store" ! -user alice)" "" "and alice's"
runtime=$(find /tmp /run -maxdepth 4 -name 'bivouac*' -type d -user alice 2>/dev/null | head -n 1)
ok "there is a directory for sockets" test -n "$runtime"
is "$(find "$runtime" -type d ! -perm 0700)" "" "it is 0700"
socket=$(find "$runtime" -type s)
is "$(stat -c %a "$socket")" 600 "the control socket is 0600"

# Another user, first without, then with access to the directories.
for command in "checkpoint one" "restart one" "show one" "verify one" "delete one" "pin one@1" prune "preflight one" list; do
    # shellcheck disable=SC2086
    status=$(as bob bivouac $command)
    ok "bob gets 102 or 103 for: $command (got $status)" test "$status" = 102 -o "$status" = 103
    unlike "$(<out)" secret "and learns nothing"
done
chmod 711 "$store" "$store/jobs"
chmod 644 "$store/format"
for command in "checkpoint one" "show one" "delete one --force" "restart one" "pin one@1" "unpin one@1" "prune one"; do
    # shellcheck disable=SC2086
    status=$(as bob bivouac $command)
    ok "bob gets 102 or 103 with access to the store, too: $command (got $status)" \
        test "$status" = 102 -o "$status" = 103
done
ok "the job goes on" kill -0 "$supervisor"
chmod 700 "$store" "$store/jobs"
chmod 600 "$store/format"

# Root does not work on what a user may have prepared for it; it becomes the user.
is "$(as root bivouac checkpoint one)" 102 "root is refused a user's store: 102"
like "$(<err)" "$store" "it is named"
is "$(as root bivouac prune --yes)" 102 "also where it would tidy up"
is "$(as alice bivouac verify one)" 0 "as the user everything can be done"

as_user alice touch "$home/go"
wait "$supervisor" || :

# Stores that others may write to.
refuses()
{
    local name=$1 command status

    for command in list "show one" "verify one" "restart one" "run --job two -- true"; do
        # shellcheck disable=SC2086
        status=$(as alice bivouac $command)
        ok "$name: refused with 102 or 103: $command (got $status)" test "$status" = 102 -o "$status" = 103
        like "$(<err)" "^bivouac: .*$store" "$name: it is named"
    done
}
chmod 777 "$store"
refuses "world-writable store"
chmod 770 "$store"
refuses "group-writable store"
chmod 700 "$store"
is "$(as alice bivouac show one)" 0 "as it was, it is accepted"
chmod 722 "$store/jobs/one"
is "$(as alice bivouac show one)" 102 "a job that others may write to: 102"
chmod 700 "$store/jobs/one"
mv "$store/jobs/one" "$home/moved"
ln -s "$home/moved" "$store/jobs/one"
status=$(as alice bivouac show one)
ok "a link in place of a job is refused (got $status)" test "$status" -ge 101 -a "$status" -le 104
rm "$store/jobs/one"
mv "$home/moved" "$store/jobs/one"
chown bob "$store/jobs/one"
is "$(as alice bivouac show one)" 102 "a job of another user in one's store: 102"
chown alice "$store/jobs/one"
chown bob "$store"
status=$(as alice bivouac list)
ok "a store of another user is refused (got $status)" test "$status" = 102 -o "$status" = 103
chown alice "$store"
is "$(as alice bivouac show one)" 0 "as it was, it is accepted again"

# A directory for sockets that somebody else has made.
mkdir -m 777 /tmp/planted
status=$(BIVOUAC_RUNTIME_DIR=/tmp/planted as alice bivouac run --job three -- true)
is "$status" 102 "a directory for sockets that is not one's own: 102"
like "$(<err)" '/tmp/planted' "it is named"
rmdir /tmp/planted

# What a job may that only one of its groups may.
install -o bob -g team -m 060 /dev/null /tmp/of-team
is "$(as alice bivouac run --job groups -- sh -c 'echo written >>/tmp/of-team && cat /tmp/of-team')" 0 \
    "a job may what its further groups may"
is "$(<out)" written "indeed"

# Root's own jobs.
is "$(BIVOUAC_STORE=$work/root timeout 60 bivouac run --job root -- id -u 2>"$work/err")" 0 "root runs jobs as root"
finish
