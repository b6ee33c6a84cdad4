"""YuNet (OpenCV Zoo, 2023mar, MIT; Wu et al., 2023), run through OpenVINO on a canvas of any size."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from mien.errors import SettingsError
from mien.pixels import Rgb, RgbBatch
from mien.settings import Precision
from mien.types import Box, Detection
from models.detect.candidates import Candidates, join, merge
from models.detect.canvas import Canvas, canvas_for, round_up
from models.detect.windows import BATCH, Window, detect_near, window_around
from models.runtimes.compiled import Compiler, Nets

SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

STRIDES_PX = (8, 16, 32)
"""One prior for each cell of three grids."""

MIN_SCORE = 0.5
SMALLEST_ON_CANVAS_PX = 32.0
"""Height of the smallest face that is found nine times in ten; `python -m bench recall` measures it."""

WINDOW_SIDE_PX = 96
"""Canvas on which one expected face is looked for."""

FACE_ON_WINDOW_PX = 56.0
"""Height of an expected face there at most; boxes overlap those of `detect` by 0.92 to 0.94 then (median)."""

_COMPILED_KEPT = 12


class YuNet:
    """Finds faces from `smallest_face_px` (in a frame 720 pixels high) up to those that fill the frame."""

    name = "yunet"

    def __init__(
        self,
        path: Path,
        smallest_face_px: int,
        *,
        threads: int = 1,
        precision: Precision = "auto",
        cache_dir: Path | None = None,
        min_score: float = MIN_SCORE,
    ) -> None:
        """Raises SettingsError when `path` is not the file that the checksum is pinned to."""
        self._onnx = verified(path)
        self._smallest_face_px = smallest_face_px
        self._min_score = min_score
        self._compiler = Compiler(threads, cache_dir, bf16=precision != "fp32")
        self._requests: OrderedDict[tuple[int, int], openvino.InferRequest] = OrderedDict()
        self._windows = Nets(self._compile)

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        """Return the faces of a picture, best first; boxes reach from forehead to chin, in its pixels."""
        canvas = fine_canvas(rgb.shape[1], rgb.shape[0], smallest_face_px or self._smallest_face_px)
        request = self._request(canvas.width, canvas.height)
        request.infer([canvas.paint(canvas.shrink(rgb))], share_inputs=True)
        return merge(self._candidates(request, canvas.width).in_frame(canvas))

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        """Return the face at each of the boxes where one is expected, or None; boxes as `detect` gives them."""
        own_scale = short_side_for(self._smallest_face_px) / min(rgb.shape[:2])

        def around(box: Box) -> Window:
            return window_around(box, WINDOW_SIDE_PX, FACE_ON_WINDOW_PX, own_scale)

        return detect_near(rgb, boxes, around, self._look, lambda side: self._min_score)

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        """Compile what `detect` needs for frames of these shapes (width, height), and what `near` needs."""
        for size in range(1, BATCH + 1):
            self._windows.request(size, WINDOW_SIDE_PX, WINDOW_SIDE_PX)
        for width, height in shapes:
            canvas = fine_canvas(width, height, smallest_face_px)
            self._request(canvas.width, canvas.height)

    def _look(self, batch: RgbBatch) -> list[Candidates]:
        request = self._windows.request(len(batch), WINDOW_SIDE_PX, WINDOW_SIDE_PX)
        request.infer([batch], share_inputs=True)
        return [self._candidates(request, WINDOW_SIDE_PX, number, len(batch)) for number in range(len(batch))]

    def _candidates(
        self, request: openvino.InferRequest, canvas_width: int, number: int = 0, batch: int = 1
    ) -> Candidates:
        """Return the candidates of one picture of a batch."""
        grids = []
        for stride in STRIDES_PX:
            # The net lays the cells of all pictures one after the other, in one.
            tensors = (request.get_tensor(f"{name}_{stride}").data for name in ("cls", "obj", "bbox", "kps"))
            classes, objects, boxes, points = (data.reshape(batch, -1, data.shape[-1])[number] for data in tensors)
            grids.append(decode(classes, objects, boxes, points, stride, canvas_width, self._min_score))
        return join(grids)

    def _request(self, width: int, height: int) -> openvino.InferRequest:
        """Return the net compiled for a canvas; the canvases used last stay compiled."""
        request = self._requests.pop((width, height), None)
        if request is None:
            request = self._compile((1, width, height)).create_infer_request()
        self._requests[(width, height)] = request
        if len(self._requests) > _COMPILED_KEPT:
            self._requests.popitem(last=False)
        return request

    def _compile(self, shape: tuple[int, int, int]) -> openvino.CompiledModel:
        batch, width, height = shape
        few = len(self._requests) < _COMPILED_KEPT
        return self._compiler.compile(
            self._onnx, lambda model: _takes_rgb(model, batch, width, height), *shape, keep=few
        )


def short_side_for(smallest_face_px: int) -> int:
    """Return the shorter side of the canvas for the smallest face to find, in frames 720 pixels high."""
    return max(128, round_up(round(720 * SMALLEST_ON_CANVAS_PX / smallest_face_px)))


def fine_canvas(width: int, height: int, smallest_face_px: int) -> Canvas:
    """Return the canvas on which faces of `smallest_face_px` are just large enough."""
    return canvas_for(width, height, min(short_side_for(smallest_face_px), max(192, round_up(min(width, height)))))


def verified(path: Path) -> bytes:
    """Return the bytes of YuNet's file; raises SettingsError when it is missing or another file."""
    try:
        onnx = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"detector 'yunet': {path} cannot be read ({error.strerror})") from error
    if hashlib.sha256(onnx).hexdigest() != SHA256:
        raise SettingsError(f"detector 'yunet': {path} is not face_detection_yunet_2023mar.onnx (checksum differs)")
    return onnx


def decode(
    classes: NDArray[np.float32],
    objects: NDArray[np.float32],
    boxes: NDArray[np.float32],
    points: NDArray[np.float32],
    stride: int,
    canvas_width: int,
    min_score: float,
) -> Candidates:
    """Return the candidates of one grid above `min_score` in canvas pixels.

    Source: OpenCV, modules/objdetect/src/face_detect.cpp, `postProcess`.
    """
    scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
    chosen = np.flatnonzero(scores > min_score)
    columns = canvas_width // stride
    cells = np.stack([chosen % columns, chosen // columns], axis=1).astype(np.float32)
    centres = (cells + boxes[chosen, :2]) * stride
    halves = np.exp(boxes[chosen, 2:]) * (stride / 2)
    landmarks = (points[chosen].reshape(-1, 5, 2) + cells[:, np.newaxis]) * stride
    return Candidates(np.concatenate([centres - halves, centres + halves], axis=1), scores[chosen], landmarks)


def _takes_rgb(model: openvino.Model, batch: int, width: int, height: int) -> openvino.Model:
    """Return the net taking uint8 RGB, height × width × channels; its own input is float BGR, channels first."""
    model.reshape([batch, 3, height, width])
    steps = PrePostProcessor(model)
    tensor = steps.input().tensor()
    tensor.set_element_type(openvino.Type.u8)
    tensor.set_layout(openvino.Layout("NHWC"))
    tensor.set_color_format(ColorFormat.RGB)
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).convert_color(ColorFormat.BGR)
    return steps.build()
