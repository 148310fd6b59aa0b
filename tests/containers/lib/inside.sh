# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Bivouac inside a container: an image made of the testbed's own files, and one life of a job in two containers.
#
#   . /src/tests/containers/lib/inside.sh
#   make_image
#   make_job
#   enter=(apptainer exec "$image")
#   inside_life default
#   finish

# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/tap.sh"

# Not below /tmp, of which a container may have its own.
work=$(TMPDIR=$HOME scratch)
image=$work/image
tests=/usr/local/libexec/bivouac/tests

# A file and the libraries that it needs, at the same place in the image.
into_image()
{
    local file
    local -a libraries

    for file; do
        mapfile -t libraries < <(ldd "$file" 2>/dev/null | grep -o '/[^ ]*')
        cp -L --parents "$file" "${libraries[@]}" "$image"
    done
}

# The image has Bivouac, CRIU and the job's programs in it.
make_image()
{
    mkdir -p "$image"/{dev,etc,proc,run,sys,tmp,usr/bin,usr/sbin,usr/lib,usr/lib64,var/tmp,"$work"}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$image"
    cp /etc/passwd /etc/group "$image/etc"
    into_image /usr/bin/{bash,cat,env,sleep,stat} /usr/sbin/criu /usr/local/bin/bivouac "$tests/writer" \
        /usr/local/libexec/bivouac/libbivouac-{keep,overlay}.so
}

# The job: processes of two programs of the image, one of which checks its files all the time. In between it waits for
# a file, so that nothing depends on how fast the test is.
make_job()
{
    cat >"$work/job.sh" <<'END'
"$1" 150 >writer.out &
for i in {1..20}; do echo "line $i" && sleep 0.01; done
echo half >&2
until [[ -e go ]]; do sleep 0.02; done
for i in {21..40}; do echo "line $i" | cat; done
wait $! || exit
exit 7
END
    mkdir "$work/ref"
    touch "$work/ref/go"
    status=0
    (cd "$work/ref" && exec bash "$work/job.sh" "$tests/writer") >"$work/ref.out" 2>"$work/ref.err" || status=$?
    is "$status" 7 "the job without Bivouac and container ends as it should"
}

# run_inside NAME: in a new container, "${enter[@]}", which leads to the directory of the name.
run_inside()
{
    # shellcheck disable=SC2154 # the script's
    (cd "$work/$1" && exec "${enter[@]}" bivouac run --store "$work/$1.store" --job "$1" -- \
        bash "$work/job.sh" "$tests/writer") </dev/null >>"$work/$1.out" 2>>"$work/$1.err"
}

# inside_life NAME [COMMAND…]: run, checkpoint --kill, run again in a new container. The checkpoint is asked for by
# COMMAND, from outside of the container unless that enters it.
inside_life()
{
    local name=$1 status=0 pid

    shift
    mkdir "$work/$name"
    run_inside "$name" &
    pid=$!
    wait_for grep -q half "$work/$name.err" || kill "$pid"
    ok "$name: a checkpoint in the container" "$@" bivouac checkpoint --kill --store "$work/$name.store" "$name"
    wait "$pid" || status=$?
    is "$status" 85 "$name: which ends it"
    touch "$work/$name/go"
    status=0
    run_inside "$name" || status=$?
    is "$status" 7 "$name: the status behind a restart in a new container"
    same_file "$work/$name.out" "$work/ref.out" "$name: the output is the same"
    ok "$name: and so are the files" diff -r "$work/ref" "$work/$name"
    ((tap_failed == 0)) || tail -n 15 "$work/$name.err" | diag
}
