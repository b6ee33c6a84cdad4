"""What was read in a picture or in a frame of a video, for notebooks: as JSON types, as a table, as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mien.errors import MienError, PictureError, RuntimeMissing
from mien.pixels import Rgb
from mien.types import EMOTIONS, Box, Face, FrameResult, picture_document
from models.pages import render
from models.pictures.overlay import draw_faces
from models.pictures.photo import Photo
from models.pictures.picture import encode_jpeg

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_PLOT_SIDE_PX = 1280
_HTML_SIDE_PX = 640
_FIGURE_IN = 8.0
_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class PictureResult(FrameResult):
    """The faces of one picture, or of one frame of a video; in a notebook it shows itself.

    Beside what every `FrameResult` has (`faces`, `width`, `height`, `stages_ms`): `frame_id` is the path as it was
    given (empty for pixels); `seq` and `seconds` are the frame's number from 0 and its time from the first frame,
    `seconds` is None for a picture; `reason` says why a picture could not be read, when errors are kept. What the bus
    knows of a frame (camera, capture, publishing) stays empty.
    """

    seconds: float | None = None
    reason: str = ""
    reopen: Callable[[], Photo] | None = field(default=None, repr=False, compare=False)

    @property
    def path(self) -> str:
        """The picture or video as it was given; empty for pixels."""
        return self.frame_id

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON types: what `mien photo --json` says of a picture; a frame has its time too."""
        if self.reason:
            return {"path": self.path, "reason": self.reason}
        when = {} if self.seconds is None else {"frame": self.seq, "seconds": round(self.seconds, 6)}
        return picture_document(self.path, self.width, self.height, self.faces, **when)

    def to_json(self) -> bytes:
        """Return `to_dict` as compact JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> PictureResult:
        """Read what `to_json` wrote; raises KeyError, TypeError or ValueError on anything else."""
        result = json.loads(text)
        reason = str(result.get("reason", ""))
        return cls(
            **_without_bus(str(result["path"]), int(result.get("frame", 0))),
            width=0 if reason else int(result["width"]),
            height=0 if reason else int(result["height"]),
            faces=() if reason else tuple(Face.from_dict(face) for face in result["faces"]),
            seconds=float(result["seconds"]) if "seconds" in result else None,
            reason=reason,
        )

    @classmethod
    def failed(cls, path: str, reason: str) -> PictureResult:
        """Return the result of a picture that could not be read."""
        return cls(**_without_bus(path), width=0, height=0, faces=(), reason=reason)

    @classmethod
    def of(
        cls,
        path: str,
        photo: Photo,
        faces: tuple[Face, ...],
        reopen: Callable[[], Photo],
        frame: int = 0,
        seconds: float | None = None,
    ) -> PictureResult:
        """Return the result of a picture in whose pixels `faces` were found; it is a frame when it has `seconds`."""
        return cls(
            **_without_bus(path, frame),
            width=photo.width,
            height=photo.height,
            faces=photo.in_original(faces),
            seconds=seconds,
            reopen=reopen,
        )

    def pixels(self) -> Rgb:
        """Return the picture as it was analysed, RGB, uint8 [height, width, 3]: read again from its file if it has one.

        A photo of more than 16 million pixels is analysed scaled down, and comes so; boxes are in those of the file.
        Raises PictureError, of a video VideoError, when it is not there any more.
        """
        if self.reopen is None:
            raise PictureError(f"{self.path or 'this result'} has no picture: {self.reason or 'read it again'}")
        return self.reopen().pixels

    def annotated(self, longest_px: int | None = None) -> Rgb:
        """Return a copy of the picture with its faces drawn in, as views and photos have them: RGB, uint8.

        `longest_px`: the picture is scaled down first so that no side is longer. Raises as `pixels`.
        """
        rgb = self.pixels()
        scale = min(1.0, (longest_px or max(rgb.shape)) / max(rgb.shape[:2]))
        size = (max(1, round(scale * rgb.shape[1])), max(1, round(scale * rgb.shape[0])))
        drawn = np.array(rgb) if scale == 1 else np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
        across, down = size[0] / self.width, size[1] / self.height
        draw_faces(drawn, [replace(face, box=_scaled(face, across, down)) for face in self.faces])
        return drawn

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with a row for each face; without faces it has no rows, and the same columns.

        Columns: path, (of a video: frame, seconds, track,) face (its number from 1, the most certain detection
        first), x, y, width, height (pixels), emotion, confidence, the eight probabilities, valence, arousal, (of a
        video: label, label_confidence: the emotion over time, baseline). Raises RuntimeMissing without pandas.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise RuntimeMissing(f"a table needs {error.name}: install mien[notebook]") from error
        rows = [self._row(number, face) for number, face in enumerate(self.faces, 1)]
        kinds = {name: kind for name, kind in _COLUMNS.items() if self.seconds is not None or name not in _OF_A_VIDEO}
        return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the picture with its faces, and return the axes, which are in pixels of the picture.

        Without `ax` it gets a figure of its own. Raises RuntimeMissing without Matplotlib, and as `pixels`.
        """
        if ax is None:
            try:
                from matplotlib import pyplot
            except ModuleNotFoundError as error:
                raise RuntimeMissing(f"a plot needs {error.name}: install mien[notebook]") from error
            longest = max(self.width, self.height, 1)
            size = (_FIGURE_IN * self.width / longest, _FIGURE_IN * self.height / longest)
            ax = pyplot.subplots(figsize=size, layout="constrained")[1]
        ax.imshow(self.annotated(_PLOT_SIDE_PX), extent=(-0.5, self.width - 0.5, self.height - 0.5, -0.5))
        ax.set_title(self._title())
        ax.set_axis_off()
        return ax

    def _title(self) -> str:
        return PurePath(self.path).name + ("" if self.seconds is None else f" at {self.seconds:.2f} s")

    def _row(self, number: int, face: Face) -> dict[str, object]:
        x, y, width, height = face.box
        named = {name: getattr(face, name) for name in _OF_THE_FACE}
        box = {"x": x, "y": y, "width": width, "height": height}
        when = {"frame": self.seq, "seconds": self.seconds}
        shares = dict(zip(EMOTIONS, face.probabilities, strict=True))
        return {"path": self.path, **when, "face": number, **box, **shares, **named}

    def _repr_html_(self) -> str:
        """Return a small annotated picture and a table of its faces, for notebooks."""
        faces = [_cells(number, face) for number, face in enumerate(self.faces, 1)]
        jpeg = None if self.reason else self._small_jpeg()
        return render("models.notebook/result.html.j2", title=self._title(), reason=self.reason, jpeg=jpeg, faces=faces)

    def _small_jpeg(self) -> bytes | None:
        try:
            return encode_jpeg(self.annotated(_HTML_SIDE_PX), _JPEG_QUALITY)
        except MienError:  # the file may be gone by now, what was read in it is not
            return None


_OF_THE_FACE = ("track", "emotion", "confidence", "valence", "arousal", "label", "label_confidence", "baseline")
_OF_A_VIDEO = ("frame", "seconds", "track", "label", "label_confidence", "baseline")

# Types are given, so that tables with and without faces can be put together.
_COLUMNS = {
    "path": "str",
    "frame": "int64",
    "seconds": "float64",
    "track": "str",
    "face": "int64",
    **dict.fromkeys(("x", "y", "width", "height"), "float64"),
    "emotion": "str",
    "confidence": "float64",
    **dict.fromkeys((*EMOTIONS, "valence", "arousal"), "float64"),
    "label": "str",
    "label_confidence": "float64",
    "baseline": "str",
}


def _without_bus(path: str, frame: int = 0) -> dict[str, Any]:
    return {"camera": "", "frame_id": path, "seq": frame, "captured_ns": 0}


def _scaled(face: Face, across: float, down: float) -> Box:
    x, y, width, height = face.box
    return (across * x, down * y, across * width, down * height)


def _cells(number: int, face: Face) -> tuple[str, ...]:
    emotion, confidence = (face.label, face.label_confidence) if face.label else (face.emotion, face.confidence)
    figures = (f"{100 * confidence:.0f} %", f"{face.valence:+.2f}", f"{face.arousal:+.2f}")
    return (face.track or str(number), emotion, *figures)
