#!/bin/sh
# Installs what the slow and browser tests need from Debian: ffmpeg, GStreamer's RTSP server, Chromium.
# Run as root (or with sudo); waits for another apt to finish; does nothing when all is there.
set -eu

packages="
ffmpeg
gir1.2-gst-rtsp-server-1.0
python3-gi
gstreamer1.0-plugins-base
gstreamer1.0-plugins-good
gstreamer1.0-plugins-bad
gstreamer1.0-plugins-ugly
chromium
"

missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
    sudo="sudo"
fi
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q update -o DPkg::Lock::Timeout=300
# shellcheck disable=SC2086  # a list of names
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
