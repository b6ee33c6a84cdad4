#!/usr/bin/env bash
# Makes stand-ins for the two base images out of Debian packages, for a machine that reaches no image registry:
# python:3.11-slim-bookworm and redis:7.2-alpine. An image that is there already, real or stand-in, is left alone.
#   stand-ins.sh FOLDER     what they are made of is put there
#
# The machine's own certificates and pip configuration go into the stand-in, so that the Dockerfile need not know them.
set -Eeuo pipefail

folder=${1:?"usage: stand-ins.sh FOLDER"}
label="--change=LABEL mien.stand-in=yes"
bundle=/etc/ssl/certs/ca-certificates.crt
mkdir -p "$folder"

debian() { # TAR PACKAGES HOOK…: a bookworm root file system from this machine's own package sources
    local tar=$1 packages=$2 sources=()
    shift 2
    [ -s "$tar" ] && return
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
        [ -s "$list" ] && sources+=("$list")
    done
    mmdebstrap --quiet --dpkgopt=force-unsafe-io --format=tar --variant=minbase --include="$packages" "$@" \
        bookworm "$tar.part" "${sources[@]}"
    mv "$tar.part" "$tar"
}

pip_conf() { # what pip is told on this machine, less what only exists on its disk
    echo "[global]"
    python3 -m pip config list | sed -n "s/^\(global\|:env:\)\.\([a-z-]*\)='\(.*\)'$/\2 = \3/p" |
        sed -E '/^(find-links|extra-index-url|constraint) = .*\//d' | sort -u -t= -k1,1
}

python_image() {
    local name=python:3.11-slim-bookworm files=$folder/python-files
    docker image inspect "$name" >/dev/null 2>&1 && return
    echo "stand-ins: making $name"
    mkdir -p "$files"
    pip_conf >"$files/pip.conf"
    debian "$folder/python.tar" ca-certificates,netbase,tzdata,python3,python3-venv,python3-pip,python-is-python3 \
        --customize-hook="copy-in $bundle /etc/ssl/certs" \
        --customize-hook="copy-in $files/pip.conf /etc" \
        --customize-hook='rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED'
    docker import "$label" --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' \
        --change "ENV SSL_CERT_FILE=$bundle" "$folder/python.tar" "$name" >/dev/null
    rm "$folder/python.tar"
    docker run --rm --network none "$name" python -c 'import sys, venv; assert sys.version_info[:2] == (3, 11), sys.version'
}

redis_image() { # on top of the other stand-in, which saves half a minute
    local name=redis:7.2-alpine files=$folder/redis-files
    docker image inspect "$name" >/dev/null 2>&1 && return
    echo "stand-ins: making $name"
    mkdir -p "$files"
    # What the real image's entry point does: a bare flag is one of redis-server's.
    cat >"$files/docker-entrypoint.sh" <<'END'
#!/bin/sh
case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac
exec "$@"
END
    chmod +x "$files/docker-entrypoint.sh"
    cat >"$files/Dockerfile" <<'END'
FROM python:3.11-slim-bookworm
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server && install -d -o 999 -g 1000 /data
COPY docker-entrypoint.sh /usr/local/bin/
WORKDIR /data
VOLUME /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
END
    docker build --quiet --label mien.stand-in=yes --tag "$name" "$files" >/dev/null
    docker run --rm --network none "$name" redis-server --version
}

python_image
redis_image
