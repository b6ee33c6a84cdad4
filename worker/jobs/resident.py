"""An analyzer that is loaded by the first job and stays: a job worker that nobody needs costs no memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mien.pixels import Rgb
from mien.types import Face
from worker.analyzer import Analyzer


class ResidentAnalyzer:
    """Opens what `open_analyzer` returns when it is first asked for faces, and keeps it."""

    def __init__(self, open_analyzer: Callable[[], Analyzer]) -> None:
        self._open = open_analyzer
        self._opened: Analyzer | None = None

    @property
    def threshold(self) -> float:
        """Below this top probability a face is `uncertain`."""
        return self._analyzer().threshold

    def analyze_many(self, rgbs: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        """Return what the analyzer returns; the first call also loads the models (about 2 s)."""
        return self._analyzer().analyze_many(rgbs)

    def _analyzer(self) -> Analyzer:
        if self._opened is None:
            self._opened = self._open()
        return self._opened
