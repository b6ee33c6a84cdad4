"""What every runtime of the classifier is to the rest: crops in, logits out, and in which batches that is done.

Every runtime is warm when it is opened: each batch size that will ever be run has been run once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.float32]
"""float32 [N, size, size, channels], values 0 to 255."""

Logits = NDArray[np.float32]
"""float32 [N, 8], in the order of `EMOTIONS`; [N, 10] from weights that also measure valence and arousal."""

PADDED_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes of a runtime that gains from large batches; a batch is padded to the next one."""

CHUNK_SIZES = (4, 2, 1)
"""Batch sizes on a CPU; a batch is cut into these, largest first, and nothing is padded.

Atto 48, one core: 1.4, 2.9 and 5.9 ms for 1, 2 and 4 faces under OpenVINO (ONNX Runtime gains a little from batches
of four), 15.4 ms for 16; three faces padded to four would cost a third more. A compiled size costs up to 0.35 s.
"""


class ClassifierRuntime(Protocol):
    """Computes logits of crops; one thread may use it."""

    name: str

    def logits(self, faces: Faces) -> Logits:
        """Return the logits of any number of crops, none included."""
        ...


def in_chunks(faces: Faces, sizes: tuple[int, ...], run: Callable[[Faces], Logits]) -> Logits:
    """Run a batch as pieces of the given sizes, largest first; 1 must be among them."""
    parts = []
    start = 0
    while start < len(faces):
        size = next(size for size in sizes if size <= len(faces) - start)
        parts.append(run(faces[start : start + size]))
        start += size
    return np.concatenate(parts) if parts else np.zeros((0, 8), np.float32)


def padded(faces: Faces, run: Callable[[Faces], Logits]) -> Logits:
    """Run a batch padded with black crops to the next of `PADDED_SIZES`; more than the largest in several runs."""
    parts = []
    for start in range(0, len(faces), PADDED_SIZES[-1]):
        part = faces[start : start + PADDED_SIZES[-1]]
        size = next(size for size in PADDED_SIZES if size >= len(part))
        filled = np.zeros((size, *faces.shape[1:]), np.float32)
        filled[: len(part)] = part
        parts.append(run(filled)[: len(part)])
    return np.concatenate(parts) if parts else np.zeros((0, 8), np.float32)
