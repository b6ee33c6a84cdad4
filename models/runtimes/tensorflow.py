"""The classifier through TensorFlow: the Keras model rebuilt from the weights, for GPUs and for comparison."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from mien.errors import RuntimeMissing
from mien.settings import Precision
from models.nets import graph
from models.nets.weights import Weights
from models.runtimes.interface import CHUNK_SIZES, PADDED_SIZES, Faces, Logits, in_chunks, padded


class TensorFlow:
    """Traced functions: on a GPU one with XLA for each size in `PADDED_SIZES`, on a CPU one without for any size.

    On CPUs XLA is several times slower, and a free batch size costs nothing. Raises RuntimeMissing when Keras computes
    with something else in this process.
    """

    name = "tensorflow"

    def __init__(self, weights: Weights, threads: int = 1, precision: Precision = "auto") -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeMissing(
                f"the tensorflow runtime needs Keras on TensorFlow, here it is on {keras.backend.backend()}: unset"
                " KERAS_BACKEND"
            )
        self._on_gpu = bool(tf.config.list_physical_devices("GPU"))
        if precision == "fp32":  # GPUs shorten the factors of products to 10 bits otherwise: TF32
            tf.config.experimental.enable_tensor_float_32_execution(False)
        if not self._on_gpu:
            _limit_threads(threads)
        model = graph.rebuild(weights)
        call = tf.function(lambda faces: model(faces, training=False), jit_compile=self._on_gpu)
        shape = (weights.input_size, weights.input_size, weights.channels)
        sizes: tuple[int | None, ...] = PADDED_SIZES if self._on_gpu else (None,)
        self._calls = {size: call.get_concrete_function(tf.TensorSpec((size, *shape), tf.float32)) for size in sizes}
        for size in PADDED_SIZES if self._on_gpu else CHUNK_SIZES:
            self._run(np.zeros((size, *shape), np.float32))

    def logits(self, faces: Faces) -> Logits:
        """Return the logits of any number of crops."""
        return padded(faces, self._run) if self._on_gpu else in_chunks(faces, CHUNK_SIZES, self._run)

    def _run(self, faces: Faces) -> Logits:
        call = self._calls[len(faces) if self._on_gpu else None]
        return np.asarray(call(tf.constant(faces)).numpy(), np.float32)


def _limit_threads(threads: int) -> None:
    """Give TensorFlow its share of the cores; it takes no new number once it has run something."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return
