"""Which faces are classified on which frame, and what the others are said to show."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from mien.types import Face
from worker.analyzer import FaceClassifier
from worker.live.due import part_to_wait
from worker.live.frame_work import Turn, scaled
from worker.live.memory import CameraMemory, Reading
from worker.live.round_robin import Rota


class Readings:
    """When each face of each camera is read next, spread over the frames."""

    def __init__(self, classifier: FaceClassifier) -> None:
        self._classifier = classifier
        self._rota: Rota[tuple[str, str]] = Rota()

    def is_due(self, turn: Turn, track: str) -> bool:
        """Return whether a face is to be read on this frame."""
        known, classify_ms = turn.memory.known[track], turn.plan.classify_ms
        if known.reading is None or turn.at_ns < known.reading.at_ns:
            return True
        if not turn.scans and turn.is_small(known.found):
            return False
        if classify_ms <= 0:
            return True
        due_ns = known.reading.at_ns + round(classify_ms * 1e6)
        booked_ns = self._rota.next_ns((turn.frame.camera, track))
        due_ns = due_ns if booked_ns is None else min(due_ns, booked_ns)
        if turn.at_ns >= due_ns - turn.memory.frame_ns // 2:
            return True
        wait_ms = part_to_wait(known, self._classifier.threshold) * classify_ms
        return turn.at_ns - known.reading.at_ns >= wait_ms * 1e6

    def due(self, turn: Turn) -> list[int]:
        """Return the places of the faces of a frame that are to be read on it, and were not on the same one before."""
        return [
            place
            for place, track in enumerate(turn.tracks)
            if self.is_due(turn, track) and not (turn.repeats and turn.memory.known[track].is_read_here)
        ]

    def read(self, asked: Sequence[tuple[Turn, int]]) -> None:
        """Read faces of some frames, all at once, and book their next turns."""
        if not asked:
            return
        pixels = [(turn.load(turn.shrink), scaled(turn.found[place], 1 / turn.shrink)) for turn, place in asked]
        for (turn, place), face in zip(asked, self._classifier.classify(pixels), strict=True):
            found, track = turn.found[place], turn.tracks[place]
            read = replace(face, box=found.box, landmarks=found.landmarks)
            turn.read[track] = read
            turn.memory.known[track] = replace(turn.memory.known[track], reading=Reading(read, found, turn.at_ns))
            if turn.plan.classify_ms > 0:
                period_ns = round(turn.plan.classify_ms * 1e6)
                self._rota.book((turn.frame.camera, track), turn.at_ns, period_ns, turn.memory.frame_ns)

    def label(self, turn: Turn) -> tuple[Face, ...]:
        """Return the faces of a frame, those that were not read on it as they were last read, with their labels."""
        memory = turn.memory
        faces = [turn.read.get(track) or kept(memory, track) for track in turn.tracks]
        labelled = memory.faces.label(faces, turn.tracks, turn.at_ns)
        for track, face in zip(turn.tracks, labelled, strict=True):
            memory.known[track] = replace(memory.known[track], shown=face)
        return labelled

    def forget_ended(self, turns: Sequence[Turn]) -> None:
        """Forget the faces that are gone from the cameras of some frames."""
        known = {turn.frame.camera: turn.memory.known for turn in turns}
        self._rota.forget(lambda key: key[0] in known and key[1] not in known[key[0]])

    def forget(self, cameras: Set[str]) -> None:
        """Forget the faces of cameras."""
        self._rota.forget(lambda key: key[0] in cameras)

    def clear(self) -> None:
        """Forget all faces."""
        self._rota.clear()


def kept(memory: CameraMemory, track: str) -> Face:
    """Return a face as it was last read, where it is now. Raises LookupError when it never was."""
    known = memory.known[track]
    if known.reading is None:
        raise LookupError(f"face {track} was never read: faces without a reading are always due")
    found = known.found
    return replace(known.reading.face, box=found.box, score=found.score, landmarks=found.landmarks, source="tracked")
