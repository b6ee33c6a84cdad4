"""Results as workers write them, for tests of pages: real JPEG, PNG and MP4 files, without any model."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from mien.files import write_json
from mien.inputs.input import Input
from mien.jobs.folder import Entry
from mien.jobs.jobs import Jobs
from mien.jobs.view import Failure, JobView, Tally
from mien.types import EMOTIONS
from tests.dashboard.conftest import face, picture

if TYPE_CHECKING:
    from av.video.stream import VideoStream

REPORT = (
    "<!doctype html><title>report</title><p id='told'></p><script>"
    "let told = []; try { document.cookie; told.push('cookie'); } catch { told.push('no cookie'); }"
    "try { parent.document.title; told.push('parent'); } catch { told.push('no parent'); }"
    "(location.search ? fetch('/api/v1/jobs') : Promise.reject())"
    ".then(() => told.push('fetched'), () => told.push('no fetch'))"
    ".finally(() => { document.getElementById('told').textContent = told.join(', '); });</script>"
)


def entry_of(number: int, faces: int = 1, annotated: bool = True) -> Entry:
    """Return the entry of a picture that was read; every other one looks happy, the others sad."""
    found = [face(4 if number % 2 == 0 else 6).to_dict() for _ in range(faces)]
    entry: Entry = {"path": f"/photos/{number}.jpg", "width": 320, "height": 180, "faces": found}
    return {**entry, "annotated": f"annotated/{number + 1}-{number}.jpg"} if annotated else entry


def finish_photos(jobs: Jobs, job: JobView, entries: Sequence[Entry]) -> None:
    """Write what a photo job over `entries` leaves behind and end it."""
    folder = jobs.folder(job.id)
    size = folder.read_inputs().chunk_size
    for chunk, start in enumerate(range(0, len(entries), size)):
        folder.write_part(folder.part(chunk), dict(enumerate(entries[start : start + size], start)))
    for number, entry in enumerate(entries):
        if "annotated" in entry:
            _write(job.out / entry["annotated"], picture(number))
    _write(job.out / "results.csv", b"path,face\n")
    _write(job.out / "results.json", json.dumps({"job": job.id, "pictures": list(entries)}).encode())
    _end(jobs, job, entries)


def finish_videos(jobs: Jobs, job: JobView, reasons: Sequence[str] = ("",)) -> None:
    """Write what a video job leaves behind and end it; a reason makes a video one that failed."""
    entries: list[Entry] = []
    for index, reason in enumerate(reasons):
        label = jobs.folder(job.id).read_inputs().item(index).label
        good: Entry = {"path": label, "faces": 3, "folder": f"clip-{index}"}
        entry = {"path": label, "reason": reason} if reason else good
        write_json(jobs.folder(job.id).video(index) / "done.json", entry)
        entries.append(entry)
        if not reason:
            write_video_results(job.out / f"clip-{index}")
    _write(job.out / "results.csv", b"path\n")
    _end(jobs, job, entries)


def write_video_results(out: Path) -> None:
    """Write the files of one video."""
    _write(out / "annotated.mp4", mp4(2.0))
    _write(out / "timeline.csv", b"frame,seconds,track\n")
    _write(out / "timeline.png", png(600, 200))
    _write(out / "contact.jpg", picture(3, 640, 160))
    _write(out / "report.html", REPORT.encode())
    _write(out / "summary.json", json.dumps(summary()).encode())


def finish_evaluation(jobs: Jobs, job: JobView) -> None:
    """Write what an evaluation leaves behind and end it."""
    _write(job.out / "evaluation.json", json.dumps(figures()).encode())
    _write(job.out / "predictions.csv", b"path,truth,read\n")
    _write(job.out / "report.html", REPORT.encode())
    _end(jobs, job, [entry_of(number, annotated=False) for number in range(job.inputs)])


def item(path: Path | str) -> Input:
    """Return an input of a job."""
    return Input.of(str(path), str(path))


def summary() -> dict[str, Any]:
    """Return a summary of a video with one face, as the timeline writes it."""
    shares = {"happy": 0.5, "neutral": 0.3, "sad": 0.2}
    seen = {"seconds": 1.6, "emotion": "happy", "emotions": shares, "confidence": 0.8, "valence": 0.4, "arousal": -0.1}
    video = {"path": "clip.mp4", "width": 64, "height": 48, "frames": 50, "seconds": 2.0, "fps": 25.0, "analysed": 50}
    return {
        "video": video,
        "no_face_share": 0.2,
        "most_faces_at_once": 1,
        "overall": {**seen, "changes": 2},
        "tracks": [{"track": "1", "first_seconds": 0.4, "last_seconds": 2.0, "sightings": 40, **seen, "changes": 2}],
    }


def figures() -> dict[str, Any]:
    """Return the figures of an evaluation of eight emotions, most of them read rightly."""
    confusion = [[16 if truth == read else 1 for read in range(8)] for truth in range(8)]
    row = {"n": 23, "precision": 0.7, "recall": 0.6957, "f1": 0.698}
    return {
        "n": 184, "accuracy": 0.6957, "macro_f1": 0.698, "ece": 0.031, "nll": 0.9, "coverage": 0.8,
        "accuracy_at_coverage": 0.77, "per_class": dict.fromkeys(EMOTIONS, row), "confusion": confusion, "no_face": 2,
        "unreadable": 1,
    }  # fmt: skip


def mp4(seconds: float, width: int = 64, height: int = 48) -> bytes:
    """Return a video whose brightness goes up, 25 frames a second, a key frame each second."""
    return video(seconds, width, height, "mp4", "mpeg4")


def video(seconds: float, width: int, height: int, kind: str, codec: str) -> bytes:
    """Return the same in any container and codec that FFmpeg writes."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=kind) as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=25))
        stream.width, stream.height, stream.gop_size = width, height, 25
        for number in range(round(seconds * 25)):
            pixels = np.full((height, width, 3), number * 4 % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode(None))
    return out.getvalue()


def sound_only() -> bytes:
    """Return a second of silence in the container of videos."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux([*stream.encode(silence), *stream.encode(None)])
    return out.getvalue()


def png(width: int, height: int) -> bytes:
    """Return a grey PNG."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (120, 120, 120)).save(out, "PNG")
    return out.getvalue()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _end(jobs: Jobs, job: JobView, entries: Sequence[Entry]) -> None:
    jobs.advance(job.id, ("queued",), 1, state="running", started=repr(job.created))
    failures = tuple(Failure(entry["path"], entry["reason"]) for entry in entries if "reason" in entry)
    frames = 50 * len(entries) if job.kind == "video" else 0
    tally = Tally(len(entries) - len(failures), len(failures), len(entries), failures, (frames, frames))
    jobs.report(job.id, {0: tally})
    jobs.end(job.id, 1, "done")
