"""The values that flow through mien: frozen, the same live and offline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

EMOTIONS: tuple[str, ...] = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happy",
    "neutral",
    "sad",
    "surprise",
)
"""The eight emotions a classifier gives probabilities for, in the order of every array of probabilities."""

UNCERTAIN = "uncertain"
"""The ninth label: not a class, but the reject option on a calibrated confidence."""

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the original frame."""

Point = tuple[float, float]
"""x, y in pixels of the original frame."""

Delivery = Literal["live", "lossless"]

VaSource = Literal["projected", "measured"]
"""Where valence and arousal come from: projected from the probabilities of the emotions, or measured by themselves."""


class CameraState(StrEnum):
    """What a producer says about its camera; `no signal` is also what a lost heartbeat means."""

    CONNECTING = "connecting"
    LIVE = "live"
    NO_SIGNAL = "no signal"
    ENDED = "ended"
    FAILED = "failed"


class DropReason(StrEnum):
    """Why a captured frame was not analysed."""

    SUPERSEDED = "superseded"
    STALE = "stale"
    UNDECODABLE = "undecodable"
    TRIMMED = "trimmed"
    OVERLOAD = "overload"
    WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True)
class Frame:
    """One JPEG picture of one camera.

    `captured_ns` is the moment of the grab in nanoseconds on Redis' clock. `frame_id` is the id of the stream
    entry, empty until the frame was published.
    """

    camera: str
    seq: int
    captured_ns: int
    width: int
    height: int
    jpeg: bytes = field(repr=False)
    delivery: Delivery = "live"
    frame_id: str = ""


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as a detector found it, before it was classified.

    `landmarks` are right eye, left eye, nose tip, mouth (one or two points), as the detector gives them: the
    first two are always the eyes, the person's right eye (left in the picture) first.
    """

    box: Box
    score: float
    landmarks: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Face:
    """One analysed face.

    `probabilities` holds eight numbers in the order of `EMOTIONS`, calibrated, sum 1; `emotion` may be
    `uncertain`; `confidence` is the calibrated top probability. `smoothed` (live only) are the probabilities of the
    track over time, from which the label of a view is decided. `va_source` says where valence and arousal come from.
    """

    box: Box
    emotion: str
    confidence: float
    probabilities: tuple[float, ...]
    valence: float
    arousal: float
    score: float = 1.0
    landmarks: tuple[Point, ...] = ()
    track: str = ""
    smoothed: tuple[float, ...] | None = None
    label: str = ""
    label_confidence: float = 0.0
    source: Literal["full", "tracked"] = "full"
    va_source: VaSource = "projected"

    def to_dict(self) -> dict[str, Any]:
        """Return the face as JSON types, as the API, jobs and `mien photo --json` give it."""
        face: dict[str, Any] = {
            "box": [round(value, 2) for value in self.box],
            "track": self.track,
            "emotion": self.emotion,
            "confidence": round(self.confidence, 6),
            "probabilities": by_name(self.probabilities),
            "valence": round(self.valence, 4),
            "arousal": round(self.arousal, 4),
            "va_source": self.va_source,
            "source": self.source,
            "score": round(self.score, 4),
            "landmarks": [[round(x, 2), round(y, 2)] for x, y in self.landmarks],
        }
        if self.smoothed is not None:
            face["smoothed"] = by_name(self.smoothed)
            face["label"] = self.label
            face["label_confidence"] = round(self.label_confidence, 6)
        return face

    @classmethod
    def from_dict(cls, face: Mapping[str, Any]) -> Face:
        """Read what `to_dict` wrote; raises KeyError, TypeError or ValueError on anything else."""
        x, y, width, height = (float(value) for value in face["box"])
        smoothed = face.get("smoothed")
        return cls(
            box=(x, y, width, height),
            emotion=str(face["emotion"]),
            confidence=float(face["confidence"]),
            probabilities=tuple(float(face["probabilities"][name]) for name in EMOTIONS),
            valence=float(face["valence"]),
            arousal=float(face["arousal"]),
            score=float(face.get("score", 1.0)),
            landmarks=tuple((float(x), float(y)) for x, y in face.get("landmarks", ())),
            track=str(face.get("track", "")),
            smoothed=None if smoothed is None else tuple(float(smoothed[name]) for name in EMOTIONS),
            label=str(face.get("label", "")),
            label_confidence=float(face.get("label_confidence", 0.0)),
            source="tracked" if face.get("source") == "tracked" else "full",
            va_source="measured" if face.get("va_source") == "measured" else "projected",
        )


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What was read in one frame (or photo: then `camera` is empty and `frame_id` names the file).

    Times are nanoseconds on Redis' clock; `stages_ms` says where the time went, by stage name.
    """

    camera: str
    frame_id: str
    seq: int
    captured_ns: int
    width: int
    height: int
    faces: tuple[Face, ...]
    published_ns: int = 0
    on_time: bool = True
    stages_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def latency_ms(self) -> float:
        """Milliseconds from capture to publishing."""
        return max(0, self.published_ns - self.captured_ns) / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {
            "camera": self.camera,
            "frame_id": self.frame_id,
            "seq": self.seq,
            "captured_ns": self.captured_ns,
            "published_ns": self.published_ns,
            "on_time": self.on_time,
            "width": self.width,
            "height": self.height,
            "stages_ms": {name: round(value, 3) for name, value in self.stages_ms.items()},
            "faces": [face.to_dict() for face in self.faces],
        }

    def to_json(self) -> bytes:
        """Return `to_dict` as compact JSON bytes."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> FrameResult:
        """Read what `to_json` wrote; raises KeyError, TypeError or ValueError on anything else."""
        result = json.loads(text)
        return cls(
            camera=str(result["camera"]),
            frame_id=str(result["frame_id"]),
            seq=int(result["seq"]),
            captured_ns=int(result["captured_ns"]),
            published_ns=int(result["published_ns"]),
            on_time=bool(result["on_time"]),
            width=int(result["width"]),
            height=int(result["height"]),
            stages_ms={str(name): float(value) for name, value in result["stages_ms"].items()},
            faces=tuple(Face.from_dict(face) for face in result["faces"]),
        )


@dataclass(frozen=True, slots=True)
class View:
    """A frame with the overlay drawn in, as JPEG; `frame_id` is the frame it was drawn on."""

    camera: str
    frame_id: str
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Camera:
    """What is known of a camera: who it is, how it does, what it sends.

    `source` is for people and never holds a password. `updated_ns` is the last heartbeat on Redis' clock.
    """

    name: str
    state: CameraState
    reason: str = ""
    source: str = ""
    delivery: Delivery = "live"
    fps: float = 0.0
    width: int = 0
    height: int = 0
    updated_ns: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the camera as JSON types."""
        return {
            "name": self.name,
            "state": self.state.value,
            "reason": self.reason,
            "source": self.source,
            "delivery": self.delivery,
            "fps": round(self.fps, 2),
            "width": self.width,
            "height": self.height,
            "updated_ns": self.updated_ns,
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """The account of a camera: captured = analysed + dropped + in flight, analysed = on time + late."""

    captured: int = 0
    on_time: int = 0
    late: int = 0
    in_flight: int = 0
    drops: Mapping[str, int] = field(default_factory=dict)

    @property
    def analysed(self) -> int:
        """Frames whose result was published."""
        return self.on_time + self.late

    @property
    def dropped(self) -> int:
        """Frames that were not analysed, over all reasons."""
        return sum(self.drops.values())

    @property
    def ended(self) -> int:
        """Frames with a result, or a reason for having none."""
        return self.analysed + self.dropped

    @property
    def balanced(self) -> bool:
        """Whether every captured frame is accounted for."""
        return self.captured == self.ended + self.in_flight

    def since(self, earlier: Counts) -> Counts:
        """Return what came after an earlier account; `in_flight`, how many more are under way now, may be below 0."""
        return Counts(
            captured=self.captured - earlier.captured,
            on_time=self.on_time - earlier.on_time,
            late=self.late - earlier.late,
            in_flight=self.in_flight - earlier.in_flight,
            drops={reason: count - earlier.drops.get(reason, 0) for reason, count in self.drops.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the account as JSON types."""
        return {
            "captured": self.captured,
            "analysed": self.analysed,
            "on_time": self.on_time,
            "late": self.late,
            "dropped": self.dropped,
            "in_flight": self.in_flight,
            "drops": dict(self.drops),
        }


def by_name(probabilities: tuple[float, ...]) -> dict[str, float]:
    """Return eight probabilities keyed by emotion, rounded to 1e-6."""
    return {name: round(float(value), 6) for name, value in zip(EMOTIONS, probabilities, strict=True)}
