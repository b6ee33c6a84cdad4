#!/usr/bin/env bash
# Stops the daemon that docker-up.sh started; its images stay for the next time. With --purge nothing of it stays.
set -Eeuo pipefail

home=${MIEN_TEST_DOCKER_HOME:-${TMPDIR:-/tmp}/mien-docker}
if [ -s "$home/docker.pid" ]; then
    pid=$(<"$home/docker.pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 60); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.25
    done
    ! kill -0 "$pid" 2>/dev/null || { echo "docker-down: dockerd ($pid) does not end" >&2 && exit 1; }
    rm -f "$home/docker.pid" "$home/docker.sock"
fi
if [ "${1:-}" = --purge ]; then
    { grep -o " $home/[^ ]*" /proc/mounts || true; } | sort -r | xargs -r umount
    rm -rf "$home"
fi
