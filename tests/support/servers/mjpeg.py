"""An HTTP camera for tests, Motion JPEG at 25 fps: `python mjpeg.py PORT [plain|no-length|broken|silent|secret=…]`.

plain: each part with its length. no-length: none, LF line ends, and the boundary announced with its dashes. broken:
parts that are no JPEG between good ones. silent: three pictures, then nothing, with the connection open. secret: asks
for user `eye` and the password behind the `=`.
"""

from __future__ import annotations

import base64
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

MODE = sys.argv[2] if len(sys.argv) > 2 else "plain"
JPEGS = [
    cv2.imencode(".jpg", np.full((120, 160, 3), (number * 9, 90, 200 - number * 5), np.uint8))[1].tobytes()
    for number in range(25)
]
SECRET = "Basic " + base64.b64encode(f"eye:{MODE.partition('=')[2]}".encode()).decode()


class Camera(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>no camera here</html>")
            return
        if self.path == "/gone":
            self.send_error(404)
            return
        if MODE.startswith("secret=") and self.headers.get("Authorization") != SECRET:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        dashes = "--" if MODE == "no-length" else ""
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={dashes}frame")
        self.end_headers()
        number = 0
        while True:
            if MODE == "silent" and number == 3:
                threading.Event().wait()  # for ever: the process is killed
            self.wfile.write(part(number))
            self.wfile.flush()
            number += 1
            time.sleep(0.04)

    def log_message(self, *_: object) -> None:
        pass


def part(number: int) -> bytes:
    jpeg = JPEGS[number % len(JPEGS)]
    if MODE == "no-length":
        return b"--frame\nContent-Type: image/jpeg\n\n" + jpeg + b"\n"
    if MODE == "broken" and number % 2:
        jpeg = b"this is no picture"
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


Server(("127.0.0.1", int(sys.argv[1])), Camera).serve_forever()
