# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A dockerd of the test's own, behind tests/lib/container.sh.
#
#   docker_up [OPTION…]
#   docker_image NAME DIR

# api METHOD PATH [FILE]: a request of dockerd's API, with that file as body; a file of JSON if its name ends so.
api()
{
    python3 - "${DOCKER_HOST#unix://}" "$@" <<'END'
import http.client, socket, sys

class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])

kind = "json" if sys.argv[-1].endswith(".json") else "x-tar"
body = open(sys.argv[4], "rb") if len(sys.argv) > 4 else None
c = Connection("docker", timeout=60)
c.request(sys.argv[2], sys.argv[3], body, {"Content-Type": "application/" + kind} if body else {})
r = c.getresponse()
print(r.read().decode())
sys.exit(r.status >= 300)
END
}

docker_answers()
{
    [[ -S ${DOCKER_HOST#unix://} ]] && api GET /_ping >/dev/null 2>&1
}

docker_up()
{
    mkdir -p dockerd
    findmnt -rno TARGET "$PWD/dockerd" >/dev/null || mount -t tmpfs -o mode=711 tmpfs dockerd
    export DOCKER_HOST=unix://$PWD/dockerd/socket
    dockerd --host "$DOCKER_HOST" --data-root "$PWD/dockerd/data" --exec-root "$PWD/dockerd/exec" \
        --pidfile "$PWD/dockerd/pid" --iptables=false --ip6tables=false --bridge=none "$@" \
        </dev/null >>dockerd.log 2>&1 &
    docker_pid=$!
    require wait_for docker_answers
}

docker_down()
{
    kill "$docker_pid"
    wait "$docker_pid" || :
}

# docker_image NAME DIR: an image of what is in the directory.
docker_image()
{
    tar -C "$2" -cf image.tar .
    require api POST "/images/create?fromSrc=-&repo=$1" image.tar
    rm image.tar
}

# The ids of all containers.
docker_ids()
{
    api GET '/containers/json?all=1' | jq -r '.[].Id'
}

# The only container is paused.
docker_is_paused()
{
    [[ $(api GET "/containers/$(docker_ids)/json" | jq .State.Paused) == true ]]
}

# docker_runs_another ID: there is a container that runs, and not that one.
docker_runs_another()
{
    local now

    now=$(api GET '/containers/json' | jq -r '.[].Id')
    [[ -n $now && $now != "$1" ]]
}
