"""Step 6, classify: which faces are classified on which frame, and what the others are said to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mien.types import Face
from worker.analyzer import FaceClassifier
from worker.live.desk import Desks
from worker.live.due import part_to_wait
from worker.live.frame_work import FrameWork, scaled
from worker.live.memory import CameraMemory, Classified
from worker.live.round_robin import next_due_ns


class Classification:
    """Classifies faces when they are due, those of all cameras spread over the frames, and labels all of them."""

    def __init__(self, classifier: FaceClassifier, desks: Desks) -> None:
        self._classifier = classifier
        self._desks = desks

    def is_due(self, work: FrameWork, track: str) -> bool:
        """Return whether a face is to be classified on this frame."""
        known, classify_ms = work.memory.known[track], work.plan.classify_ms
        if known.classified is None or work.at_ns < known.classified.at_ns:
            return True
        if not work.detects and work.is_small(known.found):
            return False
        if classify_ms <= 0:
            return True
        due_ns = known.classified.at_ns + round(classify_ms * 1e6)
        due_ns = due_ns if known.next_classification_ns is None else min(due_ns, known.next_classification_ns)
        if work.at_ns >= due_ns - work.memory.frame_ns // 2:
            return True
        wait_ms = part_to_wait(known, self._classifier.threshold) * classify_ms
        return work.at_ns - known.classified.at_ns >= wait_ms * 1e6

    def due(self, work: FrameWork) -> list[int]:
        """Return the places of the faces to classify on a frame; none whose very pixels were classified before."""
        return [
            place
            for place, track in enumerate(work.tracks)
            if self.is_due(work, track) and not (work.repeats and work.memory.known[track].is_classified_here)
        ]

    def classify(self, asked: Sequence[tuple[FrameWork, int]]) -> None:
        """Classify faces of some frames, all at once, and settle when each is due again."""
        if not asked:
            return
        pixels = [(work.load(work.shrink), scaled(work.found[place], 1 / work.shrink)) for work, place in asked]
        for (work, place), face in zip(asked, self._classifier.classify(pixels), strict=True):
            found, track = work.found[place], work.tracks[place]
            placed = replace(face, box=found.box, landmarks=found.landmarks)
            work.classified[track] = placed
            self._remember(work, track, Classified(placed, found, work.at_ns))

    def label(self, work: FrameWork) -> tuple[Face, ...]:
        """Return the faces of a frame, those that were not classified on it as they last were, with their labels."""
        memory = work.memory
        faces = [work.classified.get(track) or kept(memory, track) for track in work.tracks]
        labelled = memory.faces.label(faces, work.tracks, work.at_ns)
        for track, face in zip(work.tracks, labelled, strict=True):
            memory.known[track] = replace(memory.known[track], shown=face)
        return labelled

    def _remember(self, work: FrameWork, track: str, classified: Classified) -> None:
        known = replace(work.memory.known[track], classified=classified)
        if work.plan.classify_ms > 0:
            others, period_ns = self._others_ns(work.memory, track), round(work.plan.classify_ms * 1e6)
            due_ns = next_due_ns(work.at_ns, period_ns, work.memory.frame_ns, others)
            known = replace(known, next_classification_ns=due_ns)
        work.memory.known[track] = known

    def _others_ns(self, memory: CameraMemory, track: str) -> list[int]:
        """Return when the other faces of all cameras are due."""
        return [
            known.next_classification_ns
            for desk in self._desks.values()
            if desk.memory is not None
            for name, known in desk.memory.known.items()
            if known.next_classification_ns is not None and not (desk.memory is memory and name == track)
        ]


def kept(memory: CameraMemory, track: str) -> Face:
    """Return a face as it was last classified, where it is now. Raises LookupError when it never was."""
    known = memory.known[track]
    if known.classified is None:
        raise LookupError(f"face {track} was never classified: such a face is always due")
    found = known.found
    return replace(known.classified.face, box=found.box, score=found.score, landmarks=found.landmarks, source="tracked")
