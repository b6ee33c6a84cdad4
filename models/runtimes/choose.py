"""Which runtime computes the classifier, as the settings say or as measured; it is opened warm."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np

from mien.errors import RuntimeMissing, SettingsError
from mien.logs import get_logger
from mien.settings import Precision, RuntimeName
from models.nets.weights import Weights
from models.runtimes.interface import CHUNK_SIZES, ClassifierRuntime, Faces

_PACKAGES = {"openvino": "openvino", "onnxruntime": "onnxruntime", "tensorflow": "tensorflow"}
_MEASURED_RUNS = 5

log = get_logger(__name__)


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
