#!/usr/bin/env bash
# Runs docker-compose.yml for real: builds the images, starts all of it, fetches an annotated frame from the dashboard,
# does a photo job and a video job, shares two cameras over two workers, and takes all of it down.
# Uses the Docker that is there, or else a private one (docker-up.sh). The last line is the verdict:
#   compose check PASSED | compose check SKIPPED: reason | compose check FAILED: step     (only the last exits with 1)
set -Eeuo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
step="starting"
started=no
ours=no

say() { echo "compose check: [${SECONDS} s] $*"; }
compose() { timeout "${limit_s:-120}" docker compose -p mien-check --env-file "$work/env" --project-directory "$repo" "$@"; }

finish() {
    local code=$?
    trap - EXIT ERR
    if [ "$started" = yes ]; then
        [ "$code" = 0 ] || compose logs --no-color --tail 40 || true
        limit_s=60 compose down -v --remove-orphans --timeout 10 >"$work/down.log" 2>&1 ||
            { code=1 && step="taking it down" && cat "$work/down.log"; }
    fi
    if [ "$ours" = yes ]; then
        docker image prune -f --filter until=24h >/dev/null 2>&1 || true
        "$here/docker-down.sh" || true
    fi
    rm -rf "$work"
    if [ "$code" = 0 ]; then
        echo "compose check PASSED after ${SECONDS} s"
    else
        echo "compose check FAILED: $step"
        exit 1
    fi
}
trap finish EXIT
trap 'exit 1' ERR INT TERM

skip() {
    trap - EXIT ERR
    rm -rf "$work"
    echo "############################################################################"
    echo "#  docker compose was NOT checked: nothing of docker-compose.yml ran here.  #"
    echo "############################################################################"
    echo "compose check SKIPPED: $1"
    exit 0
}

until_true() { # SECONDS COMMAND…: try until the command succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

get() { curl --silent --show-error --fail --max-time 10 "http://127.0.0.1:$port$1"; }

find_docker() {
    if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
        say "using the Docker that is here"
        return
    fi
    local code=0 answer
    answer=$(timeout 420 "$here/docker-up.sh" 2>"$work/up.log") || code=$?
    cat "$work/up.log"
    [ "$code" != 3 ] || skip "$(tail -n 1 "$work/up.log")"
    [ "$code" = 0 ]
    eval "$answer"
    ours=yes
}

has_annotated_frame() { # a whole JPEG, of a frame in which a face was found
    get "/cameras/$1/snapshot.jpg" >"$work/frame.jpg" 2>/dev/null || return 1
    get "/api/v1/cameras/$1/results" >"$work/results.json" 2>/dev/null || return 1
    python3 - "$work/frame.jpg" "$work/results.json" <<'END'
import json, pathlib, sys
jpeg = pathlib.Path(sys.argv[1]).read_bytes()
results = json.loads(pathlib.Path(sys.argv[2]).read_text())["results"]
whole = jpeg.startswith(b"\xff\xd8") and jpeg.rstrip(b"\0").endswith(b"\xff\xd9")
sys.exit(not (whole and any(result["faces"] for result in results)))
END
}

photo_job() { # the frame just fetched, as a job on the queue; prints the report
    compose exec -T jobs-worker sh -c 'mkdir -p /data/check && cat >/data/check/face.jpg' <"$work/frame.jpg"
    limit_s=90 compose exec -T jobs-worker mien photos enqueue /data/check --out /data/check-out --wait --json
}

video_job() { # the demo clip out of the producer's image; prints the report
    compose exec -T producer sh -c 'cat /data/media/demo.mp4' >"$work/demo.mp4"
    compose exec -T jobs-worker sh -c 'cat >/data/check/demo.mp4' <"$work/demo.mp4"
    limit_s=150 compose exec -T jobs-worker mien video enqueue /data/check/demo.mp4 --out /data/check-video --wait --json
}

workers_with_cameras() { # the number of live workers that hold a camera whose results come in
    compose exec -T worker python - <<'END'
from mien.bus.bus import Bus
from mien.settings import load_settings
print(sum(bool(note.get("cameras")) for note in Bus.from_settings(load_settings()).workers().values()))
END
}

two_share() { [ "$(workers_with_cameras)" = 2 ]; }
analysed() { get "/api/v1/cameras/$1/results" 2>/dev/null | python3 -c 'import json, sys; sys.exit(not json.load(sys.stdin)["results"])'; }

step="finding Docker"
find_docker
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/env" <<END
MIEN_PORT=$port
MIEN_BROKER_PASSWORD=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
MIEN_CAMERA=demo=demo://
END

step="building the images"
say "$step"
# One after the other: without BuildKit they share what they have in common only when it is there already.
COMPOSE_PARALLEL_LIMIT=1 limit_s=420 compose build >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" && exit 1; }

step="the images hold what they should, and run as nobody special"
say "$step"
for service in producer dashboard worker jobs-worker; do
    docker run --rm --network none "mien-check-$service" mien --version
    [ "$(docker run --rm --network none "mien-check-$service" id -u)" = 10001 ]
done
docker run --rm -i --network none mien-check-dashboard python - cv2 tensorflow openvino models <"$repo/deploy/holds_no.py"
docker run --rm -i --network none mien-check-worker python - tensorflow keras flask <"$repo/deploy/holds_no.py"

step="starting (up --wait)"
say "$step"
started=yes
limit_s=120 compose up -d --wait --wait-timeout 90

step="an annotated frame from the dashboard"
until_true 60 has_annotated_frame demo
say "$step: $(wc -c <"$work/frame.jpg") bytes"

step="a photo job"
photo_job >"$work/report.json" || { cat "$work/report.json" && exit 1; }
python3 -c 'import json, sys; r = json.load(sys.stdin); sys.exit((r["inputs"], r["done"], r["failed"]) != (1, 1, 0))' \
    <"$work/report.json"
compose exec -T jobs-worker sh -c 'test -s /data/check-out/results.json && ls /data/check-out/annotated/*.jpg'
say "$step: $(tr -d '\n ' <"$work/report.json")"

step="a video job"
video_job >"$work/report.json" || { cat "$work/report.json" && exit 1; }
compose exec -T jobs-worker sh -c 'cd /data/check-video/demo && test -s annotated.mp4 -a -s timeline.png -a -s report.html'
say "$step: $(tr -d '\n ' <"$work/report.json")"

step="two workers share two cameras"
compose up -d --wait --wait-timeout 60 --no-recreate --scale worker=2
compose run -d producer mien produce --camera two test://pattern >/dev/null
until_true 60 two_share
until_true 30 analysed two
say "$step"

step="the end"
