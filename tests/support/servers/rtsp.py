"""An RTSP camera for tests: `/usr/bin/python3 rtsp.py PORT` serves rtsp://127.0.0.1:PORT/cam, 640x360 at 25 fps.

Needs Debian's gir1.2-gst-rtsp-server-1.0, python3-gi and GStreamer's plug-ins.
"""

from __future__ import annotations

import sys

import gi  # type: ignore[import-not-found]  # Debian's, for Debian's Python

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
GLib.MainLoop().run()
