"""The values that flow through mien: frozen, the same live and offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer

from mien.documents import Count, Document, Share, derived, digits, left_out_if

EmotionName = Literal["anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
EMOTIONS: tuple[str, ...] = get_args(EmotionName)
"""The eight emotions a classifier gives probabilities for, in the order of every array of probabilities."""

UNCERTAIN = "uncertain"
"""The ninth label: not a class, but the reject option on a calibrated confidence."""

Label = Annotated[str, Field(json_schema_extra={"enum": [*EMOTIONS, UNCERTAIN]})]

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the original frame."""

Point = tuple[float, float]
"""x, y in pixels of the original frame."""

Delivery = Literal["live", "lossless"]

VaSource = Literal["projected", "measured"]
"""Where valence and arousal come from: computed from the probabilities of the emotions, or from a head of their own."""

BaselineUse = Literal["off", "auto"]
"""Whether what a face says at rest is taken from all that it says; `auto`: for whoever is seen long enough."""

BaselineState = Literal["none", "learning", "known"]
"""Of a face in a video: none was asked for; too little of it was seen at rest, it stays as it is; one is used."""


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


def by_name(probabilities: Sequence[float]) -> dict[str, float]:
    """Return eight probabilities keyed by emotion, rounded to 1e-6."""
    return {name: round(float(value), 6) for name, value in zip(EMOTIONS, probabilities, strict=True)}


def _in_order(probabilities: Any) -> Any:
    return [probabilities.get(name) for name in EMOTIONS] if isinstance(probabilities, Mapping) else probabilities


def _pixels(values: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in values]


Probabilities = Annotated[
    tuple[float, ...],
    PlainSerializer(by_name, return_type=dict[EmotionName, Share]),
    BeforeValidator(_in_order),
]
"""Eight numbers in the order of `EMOTIONS`, in JSON by name."""


@dataclass(frozen=True, slots=True)
class Face(Document):
    """One analysed face, as the API, jobs and `mien photo --json` give it.

    `probabilities` holds eight numbers in the order of `EMOTIONS`, calibrated, sum 1; `emotion` may be
    `uncertain`; `confidence` is the calibrated top probability. `smoothed` (live only) are the probabilities of the
    track over time, from which the label of a view is decided. `va_source` says where valence and arousal come from,
    `baseline` whether a personal baseline is in `smoothed` and `label`; `probabilities` are always without it.
    """

    box: Annotated[
        Box,
        PlainSerializer(_pixels, return_type=list[float]),
        Field(description="x, y, width, height in pixels of the original frame"),
    ]
    emotion: Label
    confidence: Annotated[Share, digits(6)]
    probabilities: Probabilities
    valence: Annotated[float, digits(4)]
    arousal: Annotated[float, digits(4)]
    score: Annotated[float, digits(4), Field(description="how sure the detector is")] = 1.0
    landmarks: Annotated[
        tuple[Point, ...],
        PlainSerializer(lambda points: [_pixels(point) for point in points], return_type=list[list[float]]),
        Field(description="x, y of right eye, left eye, nose tip, mouth, in pixels of the original frame"),
    ] = ()
    track: str = ""
    smoothed: Annotated[Probabilities | None, left_out_if(None)] = None
    label: Annotated[Label, left_out_if("")] = ""
    label_confidence: Annotated[Share, digits(6), left_out_if(0.0)] = 0.0
    source: Literal["full", "tracked"] = "full"
    va_source: VaSource = "projected"
    baseline: Annotated[BaselineState, left_out_if("none")] = "none"


@dataclass(frozen=True, slots=True)
class FrameResult(Document):
    """What was found in one frame (or photo: then `camera` is empty and `frame_id` names the file).

    Times are nanoseconds on Redis' clock; `stages_ms` says where the time went, by stage name.
    """

    camera: str
    frame_id: str
    seq: Count
    captured_ns: Count
    width: Count
    height: Count
    faces: tuple[Face, ...]
    published_ns: Count = 0
    on_time: bool = True
    stages_ms: Annotated[
        Mapping[str, float],
        PlainSerializer(
            lambda stages: {name: round(value, 3) for name, value in stages.items()}, return_type=dict[str, float]
        ),
    ] = field(default_factory=dict)

    @property
    def latency_ms(self) -> float:
        """Milliseconds from capture to publishing."""
        return max(0, self.published_ns - self.captured_ns) / 1e6


@dataclass(frozen=True, slots=True)
class View:
    """A frame with the overlay drawn in, as JPEG; `frame_id` is the frame it was drawn on."""

    camera: str
    frame_id: str
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Camera(Document):
    """What is known of a camera: its name, its state, what it sends.

    `source` is for people and never holds a password. `updated_ns` is the last heartbeat on Redis' clock.
    """

    name: str
    state: CameraState
    reason: str = ""
    source: str = ""
    delivery: Delivery = "live"
    fps: Annotated[float, digits(2)] = 0.0
    width: Count = 0
    height: Count = 0
    updated_ns: Count = 0


Drops = Annotated[
    Mapping[str, int],
    Field(json_schema_extra={"propertyNames": {"enum": [reason.value for reason in DropReason]}}),
]
"""How many frames were not analysed, by reason."""


@dataclass(frozen=True, slots=True)
class Counts(Document):
    """The account of a camera: captured = analysed + dropped + in flight, analysed = on time + late."""

    captured: Count = 0
    on_time: Count = 0
    late: Count = 0
    in_flight: Count = 0
    drops: Drops = field(default_factory=dict)

    @derived
    def analysed(self) -> Count:
        """Frames whose result was published."""
        return self.on_time + self.late

    @derived
    def dropped(self) -> Count:
        """Frames that were not analysed, over all reasons."""
        return sum(self.drops.values())

    @property
    def ended(self) -> int:
        """Frames with a result, or a reason for having none."""
        return self.analysed + self.dropped

    @derived
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


def picture_document(path: str, width: int, height: int, faces: Iterable[Face], **when: object) -> dict[str, Any]:
    """Return the document of a picture in results, `mien photo` and notebooks; a frame has its number and time.

    Faces are in pixels of the picture.
    """
    return {"path": path, **when, "width": width, "height": height, "faces": [face.to_dict() for face in faces]}
