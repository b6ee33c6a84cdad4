"""Face detectors behind one small interface.

`blazeface` is the default, `yunet` needs its file, `haar` is the classic baseline that benchmarks compare with.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from mien.errors import RuntimeMissing, SettingsError
from mien.limits import SMALLEST_FACE_PX
from mien.pixels import Rgb
from mien.settings import DetectorName, Precision, Settings
from mien.types import Box, Detection


class Detector(Protocol):
    """Finds faces in one picture at a time; one thread may use it, and another one may call `prepare` meanwhile."""

    name: str

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        """Return the faces of a picture, best first; boxes and landmarks in its pixels.

        `smallest_face_px` is the smallest face to find, in a frame 720 pixels high; None: as it was opened.
        """
        ...

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        """Return the face at each of the boxes where one is expected, or None where there is none now.

        Boxes are what `detect` or `near` found a moment ago, or where that has moved to since. Only small windows
        around them are looked at; no face is given for two boxes.
        """
        ...

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        """Make `detect` ready for frames of these shapes (width, height), so that their first ones do not wait.

        May be called from another thread while `detect` and `near` run.
        """
        ...


def open_detector(
    name: DetectorName = "auto",
    *,
    smallest_face_px: int = SMALLEST_FACE_PX,
    yunet: Path | None = None,
    threads: int = 1,
    precision: Precision = "auto",
    cache_dir: Path | None = None,
) -> Detector:
    """Return a detector, its model loaded.

    `auto` takes YuNet when its file is given and BlazeFace otherwise; without OpenVINO it falls back to Haar.
    `precision`: `auto` and `bf16` compute in bf16 where the CPU has it, in about 0.6 of the time of `fp32`; boxes move
    by 0.1 px, 1 in 100 by 2 px. `cache_dir` keeps compiled models, so that the next start is faster.

    Raises SettingsError when `yunet` is asked for without a usable file, and RuntimeMissing when a package is not
    installed.
    """
    chosen = _choose(yunet) if name == "auto" else name
    if chosen == "haar":
        from models.detect.haar import Haar

        return Haar(smallest_face_px)
    if importlib.util.find_spec("openvino") is None:
        raise RuntimeMissing(f"detector {chosen!r} needs the package openvino: install it, or use the detector 'haar'")
    if chosen == "yunet":
        from models.detect.yunet import YuNet

        if yunet is None:
            raise SettingsError("detector 'yunet' needs its file: set `yunet` to face_detection_yunet_2023mar.onnx")
        return YuNet(yunet, smallest_face_px, threads=threads, precision=precision, cache_dir=cache_dir)
    from models.detect.blazeface import BlazeFace

    return BlazeFace(smallest_face_px, threads=threads, precision=precision, cache_dir=cache_dir)


def detector_of(settings: Settings) -> Detector:
    """Return the detector that the settings ask for; raises what `open_detector` raises."""
    return open_detector(
        settings.detector,
        smallest_face_px=settings.smallest_face_px,
        yunet=settings.yunet,
        threads=settings.inference_threads,
        precision=settings.precision,
        cache_dir=cache_dir_of(settings),
    )


def cache_dir_of(settings: Settings) -> Path | None:
    """Return where compiled models are kept, None when there is no data folder yet.

    Reading one photo must not leave folders behind; whatever keeps its data here has made the folder.
    """
    return settings.data_dir / "cache" / "openvino" if settings.data_dir.is_dir() else None


def _choose(yunet: Path | None) -> Literal["blazeface", "yunet", "haar"]:
    if importlib.util.find_spec("openvino") is None:
        return "haar"
    return "yunet" if yunet is not None else "blazeface"
