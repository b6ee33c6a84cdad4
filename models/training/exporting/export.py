"""From trained arrays to a set of weights. No TensorFlow here: the graph is written by `models.nets.graph`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from models.nets import graph
from models.nets.architecture import Architecture
from models.nets.weights import CropGeometry, Weights


def to_weights(
    arrays: Mapping[str, NDArray[Any]],
    architecture: Architecture,
    name: str,
    version: str = "1",
    licence: str = "",
) -> Weights:
    """Return named arrays as a set of weights, matrices in fp16, not calibrated: temperature 1, nothing rejected.

    Raises WeightsError when the arrays do not fit the architecture.
    """
    return Weights(
        name=name,
        version=version,
        variant=architecture.variant,
        stem=architecture.stem,
        input_size=architecture.input_size,
        channels=architecture.channels,
        classes=architecture.classes,
        temperature=1.0,
        threshold=0.0,
        crop=CropGeometry(size=architecture.input_size),
        onnx=graph.write(architecture, arrays),
        licence=licence,
        heads=architecture.heads,
    )
