"""YuNet (OpenCV Zoo, 2023mar, MIT; Wu et al., 2023), run through OpenVINO on a canvas of any size."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from mien.errors import SettingsError
from mien.types import Detection
from models.candidates import Candidates, join, merge
from models.canvas import Canvas, canvas_for, round_up
from models.openvino_cpu import Precision, options
from models.picture import Picture

SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

STRIDES_PX = (8, 16, 32)
"""One prior for each cell of three grids."""

MIN_SCORE = 0.5
SMALLEST_ON_CANVAS_PX = 32.0
"""Height of the smallest face that is found nine times in ten; `python -m bench.recall` measures it."""

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
        self._short_side = max(128, round_up(round(720 * SMALLEST_ON_CANVAS_PX / smallest_face_px)))
        self._min_score = min_score
        self._core = openvino.Core()
        self._options = options(self._core, threads, precision, cache_dir)
        self._requests: OrderedDict[tuple[int, int], openvino.InferRequest] = OrderedDict()

    def detect(self, rgb: Picture) -> tuple[Detection, ...]:
        """Return the faces of an RGB picture, best first; boxes reach from forehead to chin, in its pixels."""
        height, width = rgb.shape[:2]
        canvas = canvas_for(width, height, min(self._short_side, max(192, round_up(min(width, height)))))
        request = self._request(canvas.width, canvas.height)
        request.infer([canvas.paint(canvas.shrink(rgb))], share_inputs=True)
        return merge(join([self._grid(request, canvas, stride) for stride in STRIDES_PX]).in_frame(canvas))

    def _grid(self, request: openvino.InferRequest, canvas: Canvas, stride: int) -> Candidates:
        classes, objects, boxes, points = (
            request.get_tensor(f"{name}_{stride}").data[0] for name in ("cls", "obj", "bbox", "kps")
        )
        return decode(classes, objects, boxes, points, stride, canvas.width, self._min_score)

    def _request(self, width: int, height: int) -> openvino.InferRequest:
        """Return the net compiled for a canvas; the canvases used last stay compiled."""
        request = self._requests.pop((width, height), None)
        if request is None:
            model = self._core.read_model(self._onnx)
            model.reshape([1, 3, height, width])
            request = self._core.compile_model(_takes_rgb(model), "CPU", self._options).create_infer_request()
        self._requests[(width, height)] = request
        if len(self._requests) > _COMPILED_KEPT:
            self._requests.popitem(last=False)
        return request


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


def _takes_rgb(model: openvino.Model) -> openvino.Model:
    """Return the net taking uint8 RGB, height × width × channels; its own input is float BGR, channels first."""
    steps = PrePostProcessor(model)
    tensor = steps.input().tensor()
    tensor.set_element_type(openvino.Type.u8)
    tensor.set_layout(openvino.Layout("NHWC"))
    tensor.set_color_format(ColorFormat.RGB)
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).convert_color(ColorFormat.BGR)
    return steps.build()
