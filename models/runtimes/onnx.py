"""The classifier through ONNX Runtime: the portable one."""

from __future__ import annotations

import numpy as np
import onnxruntime

from models.nets.weights import Weights
from models.runtimes.interface import CHUNK_SIZES, Faces, Logits, in_chunks


class OnnxRuntime:
    """One session, fp32, on the CPU."""

    name = "onnxruntime"

    def __init__(self, weights: Weights, threads: int = 1, sizes: tuple[int, ...] = CHUNK_SIZES) -> None:
        self._sizes = sizes
        chosen = onnxruntime.SessionOptions()
        chosen.intra_op_num_threads = max(1, threads)
        chosen.inter_op_num_threads = 1
        # Idle threads must not spin: the core belongs to decoding and detection then.
        chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(weights.onnx, chosen, providers=["CPUExecutionProvider"])
        for size in sizes:
            self._run(np.zeros((size, weights.input_size, weights.input_size, weights.channels), np.float32))

    def logits(self, faces: Faces) -> Logits:
        """Return the logits of any number of crops."""
        return in_chunks(faces, self._sizes, self._run)

    def _run(self, faces: Faces) -> Logits:
        return np.asarray(self._session.run(None, {"faces": faces})[0], np.float32)
