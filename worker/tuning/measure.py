"""Measures what the parts of a frame's way cost here: a second at a worker's start, a few for `mien doctor`."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mien.errors import MienError
from mien.logs import get_logger
from mien.machine import Machine
from mien.pixels import Rgb
from mien.settings import RuntimeName, Settings
from mien.types import Detection
from models.nets import weights as weights_file
from models.pictures.overlay import draw_faces
from models.pictures.picture import decode, encode_jpeg
from models.runtimes.choose import open_runtime
from models.runtimes.interface import ClassifierRuntime, Faces
from worker.analyzer import MeasuredAnalyzer
from worker.tuning import picture
from worker.tuning.costs import OTHER_MS, Costs
from worker.tuning.forecast import classifies_on_gpu
from worker.tuning.ladder import ladder

LONGEST_S = 5.0
"""What takes longer in all is left out. A start takes 0.5 s of it, `mien doctor --measure` 3 s, on a quiet core."""

LONGEST_START_S = 1.5
"""On a machine that is busy with other things, a start makes do with fewer runs after this long."""

_LEAST_RUNS, _MOST_RUNS = 5, 15
_ENOUGH_S = 0.04
_SIZES = (1, 2, 4)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Time:
    """The least of a few runs: CPU time, over all threads, and time on the clock, both in milliseconds.

    CPU time is what it costs, whatever else runs on the machine meanwhile; the clock says what several threads gain.
    """

    cpu_ms: float
    clock_ms: float


def least(run: Callable[[], object], until_s: float = math.inf) -> Time:
    """Return what `run` takes, after one run that does not count; cheap ones run more often.

    From `until_s` (monotonic) on, one run that counts is enough.
    """
    run()
    cpu: list[float] = []
    clock: list[float] = []
    while not clock or time.monotonic() < until_s:
        cpu_s, clock_s = time.process_time(), time.perf_counter()
        run()
        cpu.append(time.process_time() - cpu_s)
        clock.append(time.perf_counter() - clock_s)
        if len(clock) >= _MOST_RUNS or (len(clock) >= _LEAST_RUNS and sum(clock) >= _ENOUGH_S):
            break
    return Time(1000 * min(cpu), 1000 * min(clock))


def measured(analyzer: MeasuredAnalyzer, settings: Settings) -> Costs:
    """Return the costs of an analyzer with the number of threads that it was opened with, in about 0.4 s.

    Only what the settings make a worker do from the start is measured; coarser detections follow from that.
    """
    until_s = time.monotonic() + LONGEST_START_S
    rgb, frame = picture.picture(), picture.jpeg(settings.jpeg_quality)
    boxes = [face.box for face in picture.detections(2)]
    faces = {size: [(rgb, face) for face in picture.detections(size)] for size in _SIZES}
    detect = least(_detect(analyzer, rgb, settings.smallest_face_px), until_s)
    classified = analyzer.classify(faces[2])
    canvas = rgb.copy()
    return Costs(
        decode_ms=least(lambda: decode(frame), until_s).cpu_ms,
        scan_ms={settings.smallest_face_px: detect.cpu_ms},
        near_ms=least(lambda: analyzer.near(rgb, boxes), until_s).cpu_ms / len(boxes),
        classify_ms={size: least(_classify(analyzer, faces[size]), until_s).cpu_ms for size in _SIZES},
        draw_ms=least(lambda: draw_faces(canvas, classified), until_s).cpu_ms,
        encode_ms=least(lambda: encode_jpeg(rgb, settings.view_quality), until_s).cpu_ms,
        other_ms=OTHER_MS,
        threads=settings.inference_threads,
        speedup=_speedup(detect, settings),
        detector=analyzer.detector,
        runtime=analyzer.runtime,
    )


def measured_fully(analyzer: MeasuredAnalyzer, settings: Settings) -> Costs:
    """Return the costs with all that a worker may come to do: every detection of the ladder, every runtime installed.

    What `LONGEST_S` has no time for is left out.
    """
    until_s = time.monotonic() + LONGEST_S
    costs = measured(analyzer, settings)
    detections = dict(costs.scan_ms)
    rgb = picture.picture()
    for smallest_px in dict.fromkeys(plan.smallest_face_px for plan in ladder(settings)):
        if smallest_px not in detections and time.monotonic() < until_s:
            detections[smallest_px] = least(_detect(analyzer, rgb, smallest_px)).cpu_ms
    runtimes: dict[str, Mapping[int, float]] = {}
    for name in installed_runtimes(settings):
        if time.monotonic() < until_s:
            runtimes[name] = _runtime_ms(name, settings)
    known = {name: times for name, times in runtimes.items() if times}
    return replace(costs, scan_ms=detections, runtimes_ms=known, full=True)


def _runtime_ms(name: RuntimeName, settings: Settings) -> Mapping[int, float]:
    """Return what a runtime takes for 1, 2 and 4 faces, without cutting them out; nothing when it does not start."""
    weights = weights_file.load(settings.weights)
    shape = (weights.input_size, weights.input_size, weights.channels)
    try:
        runtime = open_runtime(weights, name, threads=settings.inference_threads, precision=settings.precision)
    except MienError as error:
        log.warning("a runtime does not start", runtime=name, reason=str(error))
        return {}
    return {size: least(_logits(runtime, np.zeros((size, *shape), np.float32))).cpu_ms for size in _SIZES}


def installed_runtimes(settings: Settings) -> list[RuntimeName]:
    """Return the runtimes worth trying here; TensorFlow is where it classifies on a GPU."""
    names: list[RuntimeName] = ["openvino", "onnxruntime"]
    if classifies_on_gpu(settings, Machine.this()):
        names.append("tensorflow")
    return [name for name in names if importlib.util.find_spec(name) is not None]


def _detect(analyzer: MeasuredAnalyzer, rgb: Rgb, smallest_face_px: int) -> Callable[[], object]:
    return lambda: analyzer.detect(rgb, smallest_face_px)


def _classify(analyzer: MeasuredAnalyzer, faces: Sequence[tuple[Rgb, Detection]]) -> Callable[[], object]:
    return lambda: analyzer.classify(faces)


def _logits(runtime: ClassifierRuntime, faces: Faces) -> Callable[[], object]:
    return lambda: runtime.logits(faces)


def _speedup(detect: Time, settings: Settings) -> float:
    if settings.inference_threads == 1 or not detect.clock_ms:
        return 1.0
    return min(float(settings.inference_threads), max(1.0, detect.cpu_ms / detect.clock_ms))
