"""The classifier through OpenVINO on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino

from mien.settings import Precision
from models.nets.weights import Weights
from models.runtimes.compiled import Compiler
from models.runtimes.interface import CHUNK_SIZES, Faces, Logits, in_chunks


class OpenVino:
    """One compiled net for each batch size: fixed shapes run up to 1.8 times faster than a free one."""

    name = "openvino"

    def __init__(
        self,
        weights: Weights,
        threads: int = 1,
        precision: Precision = "auto",
        cache_dir: Path | None = None,
        sizes: tuple[int, ...] = CHUNK_SIZES,
    ) -> None:
        self._sizes = sizes
        self._compiler = Compiler(threads, cache_dir, bf16=precision == "bf16")
        shape = (weights.input_size, weights.input_size, weights.channels)
        self._requests: dict[int, openvino.InferRequest] = {}
        for size in sizes:
            self._requests[size] = _compiled(self._compiler, weights, (size, *shape)).create_infer_request()
            self._run(np.zeros((size, *shape), np.float32))

    def logits(self, faces: Faces) -> Logits:
        """Return the logits of any number of crops."""
        return in_chunks(faces, self._sizes, self._run)

    def _run(self, faces: Faces) -> Logits:
        request = self._requests[len(faces)]
        request.infer([faces], share_inputs=True)
        return np.array(request.get_output_tensor(0).data, np.float32)


def _compiled(compiler: Compiler, weights: Weights, shape: tuple[int, ...]) -> openvino.CompiledModel:
    def reshaped(model: openvino.Model) -> openvino.Model:
        model.reshape(list(shape))
        return model

    return compiler.compile(weights.onnx, reshaped, *shape)
