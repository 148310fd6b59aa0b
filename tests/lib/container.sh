# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Containers from outside, as root, in a run with a network of its own ("# testbed: root net").
#
#   . /src/tests/lib/container.sh
#   container_host
#   make_rootfs DIR

# shellcheck source=tests/lib/cycle.sh
. "$(dirname "${BASH_SOURCE[0]}")/cycle.sh"

# A host with cgroup v2 alone. Control groups are the machine's, and other runs see them: names are random.
container_host()
{
    local entry

    entry=$(findmnt -rno TARGET -t cgroup2 | head -n 1)
    if [[ $entry != /sys/fs/cgroup ]]; then
        umount -R /sys/fs/cgroup
        mount -t cgroup2 none /sys/fs/cgroup
    fi
    # shellcheck disable=SC2034
    tag=$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
    export BIVOUAC_STORE=$PWD/store
}

# make_rootfs DIR: bash and some tools of this host, with their libraries.
make_rootfs()
{
    local dir=$1 tool library

    mkdir -p "$dir"/{bin,data,dev,etc,proc,sys,tmp,var/tmp}
    for tool in bash sleep cat; do
        cp "/usr/bin/$tool" "$dir/bin/"
        while read -r library; do
            [[ -e $dir$library ]] || install -D "$library" "$dir$library"
        done < <(ldd "/usr/bin/$tool" | grep -o '/[^ ]*')
    done
}

# Counts to its standard output, to a file of the host and to one of its own file system, until it is told to end.
# shellcheck disable=SC2034,SC2016
counter='exec 3>>/data/log 4>>/var/tmp/inner
n=0
while [[ ! -e /data/end ]]; do
    n=$((n + 1)); echo "line $n"; echo "$n" >&3; echo "$n" >&4; sleep 0.02
done
exit 7'

# counts_on FILE LINES [PREFIX]: it has that many lines, and each number once, in order.
counts_on()
{
    local n

    n=$(wc -l <"$1")
    ((n >= $2)) && cmp -s "$1" <(seq -f "${3:-}%.0f" "$n")
}

# bundle DIR [FILTER]: a bundle of runc or crun, with the counter, changed by that filter of jq.
bundle()
{
    make_rootfs "$1/rootfs"
    mkdir -p "$1/data"
    (cd "$1" && runc spec)
    jq --arg program "$counter" --arg data "$PWD/$1/data" '
        .process.terminal = false | .root.readonly = false | .process.args = ["/bin/bash", "-c", $program]
        | .mounts += [{destination: "/data", type: "bind", source: $data, options: ["rbind", "rw"]}]
        | '"${2:-.}" "$1/config.json" >"$1/new"
    mv "$1/new" "$1/config.json"
}

has_lines()
{
    [[ -e $1 ]] && (($(wc -l <"$1") >= $2))
}

# It has written some lines since.
goes_on()
{
    wait_for has_lines "$1.out" $(($(wc -l <"$1.out") + 5))
}

# checkpoint_started ARGUMENT…: a container may already write before its runtime tells that it has started it.
checkpoint_started()
{
    wait_for is_answered "$@"
    cat answer
    return "$answer"
}

is_answered()
{
    answer=0
    bivouac checkpoint "$@" >answer 2>&1 || answer=$?
    ((answer != 112))
}

# container_life DIR ID LIST COMMAND…: the life of a container with the counter and DIR/data, whose standard output goes
# to DIR.out. LIST is a command that names it while there is one.
container_life()
{
    local dir=$1 id=$2 list=$3

    shift 3
    job_start "$dir" "$id" -- "$@"
    ok "a container runs" wait_for has_lines "$dir.out" 5
    like "$(cat "$dir.err")" "$1 runs a container, and makes its checkpoints" "and this is said"
    ok "a checkpoint is made" checkpoint_started "$id"
    ok "the job goes on" goes_on "$dir"
    ok "a second one" bivouac checkpoint "$id"
    job_crash
    ok "nothing of it outlives the supervisor" wait_for is_not_listed "$list"

    job_start "$dir" "$id" -- "$@"
    ok "it is continued" goes_on "$dir"
    ok "a third checkpoint, of the restored one, ends the attempt" checkpoint_started --kill "$id"
    job_wait
    is "$job_status" 85 "as one that was checkpointed"
    ok "and the container with it" is_not_listed "$list"
    ok "what was checkpointed verifies" bivouac verify "$id"
    is "$(bivouac show --json "$id" | jq -c '[.generations[].generation]')" "[2,3]" "the oldest was removed"

    job_start "$dir" "$id" -- "$@"
    ok "it is continued again" goes_on "$dir"
    touch "$dir/data/end"
    job_wait
    is "$job_status" 7 "its exit status is the container's"
    ok "its output is whole, and nothing is in it twice" counts_on "$dir.out" 20 "line "
    ok "so is its file on the host" counts_on "$dir/data/log" 20
    is "$(wc -l <"$dir.out")" "$(wc -l <"$dir/data/log")" "with as many lines"
    ok "the container is gone" is_not_listed "$list"
    like "$(bivouac history "$id")" "goes on from @3 on .*
.*ended with exit status 7" "its history is told"
}

# container_interrupted DIR ID LIST COMMAND…: as container_life, of a restart that is ended when the runtime has begun
# it, with the bundle's root mounted for CRIU.
container_interrupted()
{
    local dir=$1 id=$2 list=$3 signal

    shift 3
    rm "$dir.out" "$dir/data"/{log,end}
    job_start "$dir" "$id" -- "$@"
    require wait_for has_lines "$dir.out" 5
    ok "a checkpoint of one whose restart is to be ended" checkpoint_started --kill "$id"
    job_wait
    mkdir slow
    # The first time a runtime only asks for its version.
    cat >slow/criu <<END
#!/bin/bash
if [[ \$1 == swrk ]]; then
    echo >>$PWD/slow/calls
    ((\$(wc -l <$PWD/slow/calls) < 2)) || kill -STOP \$\$
fi
exec $(type -P criu) "\$@"
END
    chmod 755 slow/criu
    for signal in TERM KILL; do
        rm -f slow/calls
        PATH=$PWD/slow:$PATH job_start "$dir" "$id" -- "$@"
        require wait_for has_lines slow/calls 2
        kill "-$signal" "$job_pid"
        job_wait
        ok "ended by SIG$signal it leaves no process" wait_for no_strangers
        is "$($list)$(grep criu-root /proc/self/mountinfo)$(find "$dir" -name criu-root)" "" \
            "no container and no mount"
        ok "and the bundle as it was" test -x "$dir/rootfs/bin/bash"
    done
    job_start "$dir" "$id" -- "$@"
    ok "it is continued all the same" goes_on "$dir"
    touch "$dir/data/end"
    job_wait
    is "$job_status" 7 "to its end"
    ok "with its output whole" counts_on "$dir.out" 10 "line "
}

is_not_listed()
{
    [[ -z $($1) ]]
}
