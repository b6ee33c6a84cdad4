"""A network camera over HTTP: Motion JPEG, or anything else that FFmpeg reads, such as MPEG-TS."""

from __future__ import annotations

import http.client
import io
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import Any, cast

import cv2

from mien.address import Address
from mien.errors import PictureError, SourceLost, UnknownSource, line_of
from mien.settings import Settings
from producer.sources.capture import TIMEOUTS, check_size, read_video
from producer.sources.jpeg import jpeg_size
from producer.sources.multipart import Multipart
from producer.sources.source import READ_TIMEOUT_S, Grab, LiveSource

_MOST_BAD_PARTS = 50


class HttpVideo(LiveSource):
    """An `http://` or `https://` camera.

    One request decides: a multipart answer is Motion JPEG, whose JPEGs are published unchanged; everything else goes to
    FFmpeg over the same connection, because some servers allow only one. An answer of known length is a stored file and
    is read at its own rate.
    """

    def __init__(self, address: Address, settings: Settings) -> None:
        self._address = address
        self._shown = address.shown
        self._settings = settings
        self._answer: http.client.HTTPResponse | None = None
        self._parts: Multipart | None = None
        self._video = cv2.VideoCapture()
        self._began_s: float | None = None
        self._stored = False

    def open(self) -> None:
        """Send the request; raises SourceLost without an answer within 2 s or with one that is no video.

        Raises UnknownSource when it is no address, or a video of too many pixels.
        """
        answer = self._ask()
        self._answer = answer
        self._parts, self._stored, self._began_s = None, False, None
        if answer.headers.get_content_maintype() == "multipart":
            self._parts = Multipart(self._read_some, _boundary(answer.headers))
            return
        if answer.headers.get("Content-Length"):
            answer.close()
            self._stored = True
            self._video = cv2.VideoCapture(self._address.to_open(), cv2.CAP_FFMPEG, TIMEOUTS)
        else:
            self._video = _video_of(_Body(self._read_some))
        if not self._video.isOpened():
            raise SourceLost(f"{self._shown} answers with {answer.headers.get_content_type()}, which is no video")
        check_size(self._video, self._shown, self._settings)

    def read(self) -> Grab | None:
        """Return the next picture, or None after the last one of a file; raises SourceLost when none comes in 2 s."""
        if self._parts is not None:
            return self._jpeg(self._parts)
        try:
            grab = read_video(self._video, self._shown)
        except SourceLost:
            if self._stored and self._began_s is not None:
                return None
            raise
        if self._stored:
            self._wait(float(self._video.get(cv2.CAP_PROP_POS_MSEC)) / 1000)
        return grab

    def close(self) -> None:
        """Disconnect."""
        # Not release(): it frees the body without holding Python's lock, which aborts the process (OpenCV 4.14).
        self._video = cv2.VideoCapture()
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _jpeg(self, parts: Multipart) -> Grab:
        reason = ""
        for _ in range(_MOST_BAD_PARTS):
            try:
                jpeg = parts.next()
            except SourceLost as error:
                raise SourceLost(f"{self._shown}: {line_of(error)}") from None
            captured_ns = time.monotonic_ns()
            try:
                width, height = jpeg_size(jpeg, self._settings.photo_max_pixels)
            except PictureError as error:
                reason = str(error)
                continue
            return Grab(captured_ns, jpeg, width, height)
        raise SourceLost(f"{self._shown} sends no JPEGs that can be used: {reason}")

    def _wait(self, position_s: float) -> None:
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s - position_s
        time.sleep(min(READ_TIMEOUT_S, max(0.0, self._began_s + position_s - now_s)))

    def _read_some(self, most: int) -> bytes:
        try:
            return self._answer.read1(most) if self._answer is not None else b""
        except TimeoutError:
            raise SourceLost(f"nothing came within {READ_TIMEOUT_S:g} s") from None
        except (OSError, ValueError, http.client.HTTPException):
            return b""

    def _ask(self) -> http.client.HTTPResponse:
        try:
            opener, address = _opener(self._address)
            # The factory lets only http and https come here.
            answer = opener.open(urllib.request.Request(address), timeout=READ_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            error.close()
            raise SourceLost(f"{self._shown} answers {error.code} {line_of(error.reason)}") from None
        except (http.client.InvalidURL, ValueError) as error:
            raise UnknownSource(f"{self._shown} is not an address: {line_of(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            raise SourceLost(f"{self._shown} does not answer: {line_of(getattr(error, 'reason', error))}") from None
        if not isinstance(answer, http.client.HTTPResponse):
            raise UnknownSource(f"{self._shown} is not an http address")
        return answer


class _Body(io.BufferedIOBase):
    """The body of an answer, as OpenCV reads it; silence or a broken connection is the end of it."""

    def __init__(self, read_some: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read_some = read_some

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return what is there, at most `size` bytes."""
        try:
            return self._read_some(size or -1)
        except SourceLost:
            return b""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Refuse, in the way OpenCV understands: a live stream cannot go back."""
        return -1


def _video_of(body: io.BufferedIOBase) -> cv2.VideoCapture:
    return cv2.VideoCapture(cast(Any, body), cv2.CAP_FFMPEG, [])  # OpenCV's type hints allow only its own class here


def _boundary(headers: Message) -> bytes:
    return str(headers.get_param("boundary") or "").encode("latin-1", "replace")


def _opener(address: Address) -> tuple[urllib.request.OpenerDirector, str]:
    """Return what opens the address, and the address without its credentials, which go to its own host only."""
    bare = address.without_credentials().to_open()
    credentials = address.credentials()
    if credentials is None:
        return urllib.request.build_opener(), bare
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, bare, *credentials)
    return urllib.request.build_opener(
        urllib.request.HTTPBasicAuthHandler(passwords), urllib.request.HTTPDigestAuthHandler(passwords)
    ), bare
