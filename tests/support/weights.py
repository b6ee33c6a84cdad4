"""Untrained weights, and what weights say of cut-out faces."""

from __future__ import annotations

from typing import Any

import numpy as np

from mien.settings import RuntimeName
from models.evaluation.evaluate import figures_of, logits_of
from models.labelled.ferplus import FaceSet
from models.nets.architecture import Architecture, array_shapes
from models.nets.weights import Weights
from models.runtimes.choose import open_runtime
from models.training.exporting.export import to_weights


def evaluate(weights: Weights, faces: FaceSet, runtime: RuntimeName = "auto", threads: int = 1) -> dict[str, Any]:
    """Return the figures of weights on cut-out faces. Raises RuntimeMissing when it is not installed."""
    return figures_of(logits_of(open_runtime(weights, runtime, threads=threads), faces, weights), faces, weights)


def random_weights(architecture: Architecture | None = None, seed: int = 0) -> Weights:
    """Return an untrained set of weights; the same seed gives the same bytes."""
    architecture = architecture or Architecture()
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(1.0 if name.endswith((".norm.weight", ".gamma")) else 0.0, 0.1, shape).astype(np.float16)
        for name, shape in array_shapes(architecture).items()
    }
    return to_weights(arrays, architecture, f"random-{architecture.variant}", licence="MIT")
