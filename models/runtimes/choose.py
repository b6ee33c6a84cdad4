"""What runs the classifier: OpenVINO, ONNX Runtime or TensorFlow behind one small interface, the same numbers.

Every runtime is warm when it is opened: each batch size that will ever be run has been run once.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.errors import RuntimeMissing, SettingsError
from mien.logs import get_logger
from mien.settings import Precision
from models.nets.weights import Weights

Faces = NDArray[np.float32]
"""float32 [N, size, size, channels], values 0 to 255."""

Logits = NDArray[np.float32]
"""float32 [N, 8], in the order of `EMOTIONS`; [N, 10] from weights that also measure valence and arousal."""

RuntimeName = Literal["auto", "openvino", "onnxruntime", "tensorflow"]

PADDED_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes of a runtime that gains from large batches; a batch is padded to the next one."""

CHUNK_SIZES = (4, 2, 1)
"""Batch sizes on a CPU; a batch is cut into these, largest first, and nothing is padded.

Atto 48, one core: 1.4, 2.9 and 5.9 ms for 1, 2 and 4 faces under OpenVINO (ONNX Runtime gains a little from batches
of four), 15.4 ms for 16; three faces padded to four would cost a third more. A compiled size costs up to 0.35 s.
"""

_PACKAGES = {"openvino": "openvino", "onnxruntime": "onnxruntime", "tensorflow": "tensorflow"}
_MEASURED_RUNS = 5

log = get_logger(__name__)


class ClassifierRuntime(Protocol):
    """Computes logits of crops; one thread may use it."""

    name: str

    def logits(self, faces: Faces) -> Logits:
        """Return the logits of any number of crops, none included."""
        ...


def open_runtime(
    weights: Weights,
    name: RuntimeName = "auto",
    *,
    threads: int = 1,
    precision: Precision = "auto",
    cache_dir: Path | None = None,
) -> ClassifierRuntime:
    """Return a runtime with the weights loaded, warm.

    `auto` times OpenVINO and ONNX Runtime, where installed, on two faces and takes the faster; TensorFlow when it
    alone is installed, or when it is installed with its GPU libraries and there is a GPU. `precision`: `bf16` is
    what OpenVINO takes where the CPU has it, every other runtime and value is fp32; but on a GPU TensorFlow takes TF32,
    which `fp32` forbids. Raises RuntimeMissing when the package of the runtime is not installed.
    """
    if name != "auto":
        return _open(weights, name, threads, precision, cache_dir)
    if _is_installed("tensorflow") and _has_gpu():
        return _open(weights, "tensorflow", threads, precision, cache_dir)
    installed = [each for each in ("onnxruntime", "openvino") if _is_installed(each)]
    if len(installed) > 1:
        chosen = _fastest(weights, installed, threads, precision, cache_dir)
    else:
        chosen = installed[0] if installed else "tensorflow"
    return _open(weights, chosen, threads, precision, cache_dir)


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


def _fastest(weights: Weights, names: list[str], threads: int, precision: Precision, cache_dir: Path | None) -> str:
    """Return which of the runtimes classifies two faces fastest; only that batch size is made ready for it."""
    pair = np.zeros((2, weights.input_size, weights.input_size, weights.channels), np.float32)
    times_ms = {name: _shortest_ms(_open(weights, name, threads, precision, cache_dir, (2,)), pair) for name in names}
    chosen = min(names, key=times_ms.__getitem__)
    log.info("runtime chosen", runtime=chosen, **{f"{name}_ms": round(ms, 2) for name, ms in times_ms.items()})
    return chosen


def _open(
    weights: Weights,
    name: str,
    threads: int,
    precision: Precision,
    cache_dir: Path | None,
    sizes: tuple[int, ...] = CHUNK_SIZES,
) -> ClassifierRuntime:
    if name not in _PACKAGES:
        raise SettingsError(f"unknown runtime {name!r}: choose one of auto, {', '.join(_PACKAGES)}")
    if not _is_installed(name):
        raise RuntimeMissing(f"runtime {name!r} needs the package {_PACKAGES[name]}: install it, or choose another")
    if name == "openvino":
        from models.runtimes.openvino import OpenVino

        return OpenVino(weights, threads, precision, cache_dir, sizes)
    if name == "onnxruntime":
        from models.runtimes.onnx import OnnxRuntime

        return OnnxRuntime(weights, threads, sizes)
    from models.runtimes.tensorflow import TensorFlow

    return TensorFlow(weights, threads, precision)


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(_PACKAGES[name]) is not None


def _has_gpu() -> bool:
    """Return whether there is an NVIDIA device and the libraries for it, without importing TensorFlow to ask."""
    return Path("/dev/nvidiactl").exists() and importlib.util.find_spec("nvidia") is not None


def _shortest_ms(runtime: ClassifierRuntime, faces: Faces) -> float:
    """Return the shortest of a few runs: what else the machine does at the start must not decide."""
    times = []
    for _ in range(_MEASURED_RUNS):
        start = time.perf_counter()
        runtime.logits(faces)
        times.append(1000 * (time.perf_counter() - start))
    return min(times)
