"""What live workers, jobs and the tuner each need of an analyzer; `models.analyzer.PixelAnalyzer` is all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from mien.pixels import Rgb
from mien.types import Box, Detection, Face


class Analyzer(Protocol):
    """What a job needs: the faces of whole pictures."""

    @property
    def threshold(self) -> float:
        """Below this top probability a face is `uncertain`."""
        ...

    def analyze_many(self, pictures: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        """Return the faces of each picture, and how long each stage took (ms)."""
        ...


class FaceDetector(Protocol):
    """The step that detects faces, in a whole picture or where they are expected."""

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        """Return where the faces of a picture are."""
        ...

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        """Return the face at each of the boxes where one is expected, or None."""
        ...


class FaceClassifier(Protocol):
    """The step that classifies detected faces."""

    @property
    def threshold(self) -> float:
        """Below this top probability a face is `uncertain`."""
        ...

    def classify(self, found: Sequence[tuple[Rgb, Detection]]) -> list[Face]:
        """Return the face of each detection in its picture."""
        ...


class LiveAnalyzer(FaceDetector, FaceClassifier, Protocol):
    """What a live worker needs: the steps one by one."""

    @property
    def crop_px(self) -> int:
        """Side of the square that the classifier sees of a face, in pixels."""
        ...


class MeasuredAnalyzer(FaceDetector, FaceClassifier, Protocol):
    """What the tuner measures: the steps one by one, and what they are called."""

    @property
    def detector(self) -> str:
        """The name of the detector in use."""
        ...

    @property
    def runtime(self) -> str:
        """The name of the runtime in use."""
        ...


class Prepares(Protocol):
    """What makes nets ready ahead of the first frame that needs them."""

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        """Make detecting faces in frames of these sizes (width, height) ready."""
        ...
