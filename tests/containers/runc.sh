#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# testbed: root net
# A container of runc as a job: from its start to its end, over checkpoints, a crash and restarts.
set -euo pipefail
. /src/tests/lib/container.sh

cd "$(scratch)"
container_host
bundle box
container_life box "runc-$tag" "runc list -q" runc run --bundle "$PWD/box" "runc-$tag"
ok "its file in its own file system was rolled back too" counts_on box/rootfs/var/tmp/inner 20
container_interrupted box "runc-half-$tag" "runc list -q" runc run --bundle "$PWD/box" "runc-$tag"

# A runc that starts the container and does not end, and that fails to delete it the first time.
mkdir odd
cat >odd/runc <<END
#!/bin/bash
case " \$* " in
*" delete "*) [[ ! -e $PWD/odd/fail ]] || { rm $PWD/odd/fail && exit 1; } ;;
*" run --detach "*) [[ ! -e $PWD/odd/stop ]] || { $(type -P runc) "\$@" && rm $PWD/odd/stop && kill -STOP \$\$; } ;;
esac
exec $(type -P runc) "\$@"
END
chmod 755 odd/runc
export PATH=$PWD/odd:$PATH
rm box.out box/data/{log,end}
touch odd/stop
job_start box odd -- runc run --bundle "$PWD/box" "runc-$tag"
require wait_for test ! -e odd/stop
kill -KILL "$job_pid"
job_wait
ok "a supervisor that is killed while the container is started leaves no process" wait_for no_strangers
is "$(runc list -q)" "" "and no container"

touch odd/fail
job_start box odd -- runc run --bundle "$PWD/box" "runc-$tag"
require wait_for has_lines box.out 5
touch box/data/end
job_wait
is "$job_status" 7 "a container that is not removed at once"
is "$(runc list -q)$(ls odd)" "runc" "is removed when that is tried again"
finish
