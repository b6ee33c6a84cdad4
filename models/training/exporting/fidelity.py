"""Whether an exported model still says what the trained one said: probabilities on real faces, compared one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import WeightsError
from mien.settings import Precision, RuntimeName
from models.evaluation.score import softmax
from models.nets import weights as weights_file
from models.nets.heads import logits_in, points_in
from models.nets.weights import Weights
from models.runtimes.choose import open_runtime
from models.runtimes.compiled import options, the_core

FACES = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far probabilities may move: at most `largest` anywhere, `mean` on average, and the same top class for
    `same_top` of the faces."""

    largest: float
    mean: float
    same_top: float


HALF = Bounds(0.01, 0.01, 0.995)
BFLOAT16 = Bounds(0.05, 0.005, 0.99)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far the probabilities of two models are apart over `n` faces."""

    n: int
    largest: float
    mean: float
    same_top: float

    def within(self, bounds: Bounds) -> bool:
        """Return whether the difference is small enough."""
        return self.largest <= bounds.largest and self.mean <= bounds.mean and self.same_top >= bounds.same_top

    def to_dict(self) -> dict[str, float]:
        """Return the figures as JSON types."""
        return {name: round(float(value), 5) for name, value in asdict(self).items()}


def fidelity(truth: NDArray[np.float64], other: NDArray[np.float64]) -> Fidelity:
    """Compare answers [N, 8 or 10], as `answers` returns them; the top class is that of the first eight."""
    apart = np.abs(truth - other)
    same = logits_in(truth).argmax(axis=1) == logits_in(other).argmax(axis=1)
    return Fidelity(len(truth), float(apart.max()), float(apart.mean()), float(same.mean()))


def answers(outputs: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return probabilities of a net's outputs [N, 8 or 10], and behind them valence and arousal as shares of their
    range, 0 to 1: what is allowed to a probability is allowed to them."""
    points = points_in(outputs)
    shares = softmax(outputs, temperature)
    return shares if points is None else np.column_stack([shares, (points.astype(np.float64) + 1) / 2])


def check(
    logits: NDArray[np.float32], path: Path, pictures: NDArray[np.float32], openvino_model: Path | None = None
) -> Mapping[str, Fidelity]:
    """Load an exported file again and compare what each runtime computes with the trained model's outputs `logits`.

    `pictures` float32 [N, size, size, 1] are the same faces. Raises WeightsError, naming the runtime and the numbers,
    when one of them is out of bounds.
    """
    weights = weights_file.load(path)
    truth = answers(logits, weights.temperature)
    runs: list[tuple[str, RuntimeName, Precision, Bounds]] = [
        ("onnxruntime, fp16 file", "onnxruntime", "fp32", HALF),
        ("openvino, fp16 file", "openvino", "fp32", HALF),
        ("openvino, bf16 hint", "openvino", "bf16", BFLOAT16),
    ]
    found = {}
    for name, runtime, precision, bounds in runs:
        computed = open_runtime(weights, runtime, threads=1, precision=precision).logits(pictures)
        found[name] = _bounded(name, fidelity(truth, answers(computed, weights.temperature)), bounds)
    if openvino_model is not None:
        computed = _run_openvino(openvino_model, pictures)
        name = "openvino model"
        found[name] = _bounded(name, fidelity(truth, answers(computed, weights.temperature)), HALF)
    return found


def write_openvino(weights: Weights, folder: Path) -> Path:
    """Write a set of weights as an OpenVINO model, `NAME.xml` and `NAME.bin`, in fp16; returns the first."""
    import openvino

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{weights.name}.xml"
    openvino.save_model(the_core().read_model(weights.onnx), path, compress_to_fp16=True)
    return path


def _run_openvino(path: Path, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    core = the_core()
    request = core.compile_model(core.read_model(path), "CPU", options(core, 1)).create_infer_request()
    parts: list[Any] = []
    for picture in pictures:
        request.infer([picture[np.newaxis]])
        parts.append(np.array(request.get_output_tensor(0).data))
    return np.concatenate(parts).astype(np.float32)


def _bounded(name: str, found: Fidelity, bounds: Bounds) -> Fidelity:
    if not found.within(bounds):
        raise WeightsError(
            f"{name} is {found.largest:.4f} off at most and {found.mean:.4f} on average, with the same emotion for"
            f" {found.same_top:.2%}: allowed are {bounds.largest}, {bounds.mean} and {bounds.same_top:.1%}"
        )
    return found
