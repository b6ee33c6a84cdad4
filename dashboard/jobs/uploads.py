"""Uploads: pictures or videos that come as raw bodies, checked by their headers and streamed to disk, for one job.

Nothing is decoded here, names of files are labels and never paths, and every write runs in gevent's thread pool, so
that the streams go on while a large upload comes in.
"""

from __future__ import annotations

import io
import shutil
import time
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dashboard.pool import in_pool
from dashboard.problems import NotFound, Refused
from mien.address import Address
from mien.documents import Count, Document
from mien.errors import InputError, PictureError
from mien.headers import picture as picture_header
from mien.headers import video as videos
from mien.headers.picture import NAMES, PictureHeader
from mien.headers.video import VideoHeader
from mien.inputs.input import Input
from mien.limits import check_pixels
from mien.logs import get_logger
from mien.settings import Settings

if TYPE_CHECKING:
    from mien.jobs.jobs import Jobs

PIECE_BYTES = 64 * 1024
# The pictures of cameras come first: an upload that takes all of the event loop's time makes them late.
# Gaps between frames at 25 fps while 500 MB come in, p95: 43 ms on 2 cores; with both cores busy with other
# processes 110 to 170 ms, and up to 270 ms without this limit (pytest -s -m slow tests/dashboard).
BYTES_PER_S = 32 << 20
MOST_OPEN = 16
FORGET_AFTER_S = 3600.0

_NAME_LENGTH = 200

_READERS: Mapping[str, Callable[[BinaryIO], PictureHeader | VideoHeader]] = {
    "photos": picture_header.read_header,
    "video": videos.read_video_header,
}

log = get_logger(__name__)


@dataclass(slots=True)
class Upload:
    """Files that were sent and wait to become a job of a `kind`; `labels` are the names people gave them.

    The first file decides whether it is an upload of pictures (`photos`) or of videos (`video`).
    """

    id: str
    folder: Path
    kind: str = ""
    labels: dict[Path, str] = field(default_factory=dict)
    started: int = 0
    size_bytes: int = 0
    touched_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Received(Document):
    """A file of an upload: its label, the kind of job that it is for, its size, and the pixels that it declares."""

    name: str
    kind: str
    bytes: Count
    width: Count
    height: Count


class Uploads:
    """The uploads that are under way."""

    def __init__(self, jobs: Jobs, settings: Settings) -> None:
        self._jobs = jobs
        self._settings = settings
        self._open: dict[str, Upload] = {}

    @property
    def limit_bytes(self) -> int:
        """The maximum size of one upload."""
        return self._settings.upload_max_mb << 20

    def open(self) -> Upload:
        """Begin an upload; raises Refused when too many are open."""
        self._sweep()
        if len(self._open) >= MOST_OPEN:
            raise Refused(429, f"{MOST_OPEN} uploads are open already; finish or cancel one")
        job_id = self._jobs.new_id()
        upload = Upload(job_id, self._jobs.upload_dir(job_id))
        in_pool(lambda: upload.folder.mkdir(parents=True, exist_ok=True))
        self._open[upload.id] = upload
        return upload

    def find(self, upload_id: str) -> Upload:
        """Return an open upload; raises NotFound."""
        upload = self._open.get(upload_id)
        if upload is None:
            raise NotFound(f"there is no open upload {upload_id!r}")
        upload.touched_s = time.monotonic()
        return upload

    def add(self, upload: Upload, name: str, body: Any, length: int | None) -> Received:
        """Store one picture or video that is read from `body`; returns its label, size and declared pixels.

        Raises PictureError (neither picture nor video, or cut off), PictureTooLarge (too many pixels) and Refused (too
        many bytes or files, or a video among pictures).
        """
        if length is not None and upload.size_bytes + length > self.limit_bytes:
            raise Refused(413, f"{label_of(name)}: an upload may have {self._settings.upload_max_mb} MiB in all")
        if upload.started >= self._settings.upload_max_files:
            raise Refused(413, f"an upload may have {self._settings.upload_max_files} files")
        upload.started += 1
        number = upload.started  # counted now: other files of the upload may arrive while this one is waited for
        first = body.read(PIECE_BYTES)
        kind, suffix = _kind_of(first)
        _check_kind(upload, kind, name)
        path = upload.folder / f"{number:06d}{suffix}"
        self._check_early(kind, first)
        unfinished = path.with_suffix(".part")
        try:
            with in_pool(lambda: unfinished.open("w+b")) as file:
                received = self._receive(upload, first, body, file)
                if length is not None and received < length:
                    raise PictureError(f"{label_of(name)}: the upload was cut off after {received} of {length} bytes")
                header = in_pool(_READERS[kind], file)
                self._check_pixels(kind, header)
            _check_kind(upload, kind, name)
            upload.kind = kind
            in_pool(lambda: unfinished.rename(path))
        except BaseException:
            in_pool(lambda: unfinished.unlink(missing_ok=True))
            raise
        upload.labels[path] = label_of(name)
        return Received(label_of(name), kind, received, header.width, header.height)

    def items(self, upload: Upload) -> list[Input]:
        """Return what a job of an upload reads; raises InputError without files."""
        if not upload.labels:
            raise InputError("the upload has no files")
        return [Input(Address.of_path(path.absolute()), upload.labels[path]) for path in sorted(upload.labels)]

    def finish(self, upload: Upload) -> None:
        """Forget an upload that is a job now."""
        self._open.pop(upload.id, None)

    def cancel(self, upload: Upload) -> None:
        """Remove an upload and its files."""
        self._open.pop(upload.id, None)
        in_pool(lambda: shutil.rmtree(upload.folder, ignore_errors=True))

    def _receive(self, upload: Upload, first: bytes, body: Any, file: BinaryIO) -> int:
        received, piece, began_s = 0, first, time.monotonic()
        while piece:
            received += len(piece)
            upload.size_bytes += len(piece)
            if upload.size_bytes > self.limit_bytes:
                upload.size_bytes -= received
                raise Refused(413, f"an upload may have {self._settings.upload_max_mb} MiB in all")
            in_pool(file.write, piece)
            upload.touched_s = time.monotonic()
            time.sleep(max(0.0, began_s + received / BYTES_PER_S - upload.touched_s))
            piece = body.read(PIECE_BYTES)
        return received

    def _check_early(self, kind: str, first: bytes) -> None:
        try:
            header = _READERS[kind](io.BytesIO(first))
        except PictureError:
            return  # the size is further back in the file; it is read when all has arrived
        self._check_pixels(kind, header)

    def _check_pixels(self, kind: str, header: PictureHeader | VideoHeader) -> None:
        if kind == "photos":
            check_pixels(header.width, header.height, self._settings.photo_max_pixels)
        else:
            check_pixels(header.width, header.height, self._settings.video_max_pixels, "the video")

    def _sweep(self) -> None:
        now_s = time.monotonic()
        for upload in tuple(self._open.values()):
            if now_s - upload.touched_s > FORGET_AFTER_S:
                log.info("an upload was given up", upload=upload.id)
                self.cancel(upload)


def _check_kind(upload: Upload, kind: str, name: str) -> None:
    if upload.kind not in ("", kind):
        raise Refused(415, f"{label_of(name)}: pictures and videos need an upload each")


def _kind_of(head: bytes) -> tuple[str, str]:
    """Return the kind of job that a file is for, and how its name should end; raises PictureError."""
    with suppress(PictureError):
        return "photos", picture_header.KINDS[picture_header.picture_kind(head)]
    with suppress(PictureError):
        return "video", videos.KINDS[videos.video_kind(head)]
    raise PictureError(
        f"this is neither a picture ({', '.join(NAMES.values())}) nor a video (MP4, MOV, WebM, MKV, AVI)"
    )


def label_of(name: str) -> str:
    """Return the last part of a file name for people to read: no folders, no control characters, 200 letters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")[:_NAME_LENGTH].strip()
