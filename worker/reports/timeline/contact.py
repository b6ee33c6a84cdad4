"""The contact sheet of a video: the clearest moments of each track, as one JPEG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import RuntimeMissing
from mien.files import atomic_file
from mien.pixels import Rgb
from worker.reports.timeline.columns import Timeline
from worker.reports.timeline.font import font_file, printable, shortened
from worker.reports.timeline.palette import COLOURS, NOTICE, clock, percent
from worker.reports.timeline.table import Sighting, VideoFacts

MOMENTS = 8
MOST_TRACKS = 24
"""Rows of a sheet; the tracks that were seen most often."""
CROP_PX = 192
"""Side of a crop."""

# Around a face, in sides of it: hair and chin belong to a look.
_MARGIN = 0.35
_CANDIDATES = 12
# A moment at the edge of its share of time counts so much less than one in its middle, so that no two are neighbours.
_EDGE = 0.3
_PAPER, _INK, _SOFT, _LINE = "#FFFFFF", "#17211F", "#56635F", "#DDE3E1"
_PAD, _GAP, _NAME, _HEAD, _CAPTION, _BETWEEN = 28, 14, 176, 96, 50, 26
_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Moment:
    """A sighting and its face, RGB, `CROP_PX` on each side."""

    sighting: Sighting
    crop: Rgb = field(repr=False)


def clearest(
    sightings: Iterable[Sighting],
    per_track: int = MOMENTS,
    sharpness: Callable[[Sighting], float] | None = None,
    most_tracks: int = MOST_TRACKS,
) -> list[Sighting]:
    """Return up to `per_track` sightings of each track, in order of tracks and time.

    A track is cut into `per_track` shares with as many sightings each; of each the largest and surest face is taken
    (side × confidence, a little less at the edges of a share). `sharpness`, if given, is asked for the 12 best of a
    share and multiplied in. Of more than `most_tracks` tracks, the ones that were seen most often are taken.
    """
    timeline = Timeline.of(sightings)
    goodness = timeline.sides_px * timeline.confidences
    tracks = timeline.indices()
    often = sorted(tracks, key=lambda name: -len(tracks[name]))[:most_tracks]
    found: list[Sighting] = []
    for name, rows in tracks.items():
        if name in often:
            shares = np.array_split(rows, min(per_track, len(rows)))
            found += [_best(timeline, share, goodness[share], sharpness) for share in shares]
    return found


def _best(
    timeline: Timeline,
    share: NDArray[np.int64],
    goodness: NDArray[np.float32],
    sharpness: Callable[[Sighting], float] | None,
) -> Sighting:
    from_middle = np.abs(np.linspace(-1, 1, len(share))) if len(share) > 1 else np.zeros(1)
    scores = goodness * (1 - _EDGE * from_middle)
    if sharpness is None:
        return timeline.sighting(int(share[scores.argmax()]))
    candidates = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    seen = [(timeline.sighting(int(share[index])), float(scores[index])) for index in candidates]
    return max(seen, key=lambda each: each[1] * sharpness(each[0]))[0]


def sharpest(moments: Sequence[Moment], per_track: int = MOMENTS) -> list[Moment]:
    """Return the clearest of some moments, now that their pixels are known: sharp ones before blurred ones."""
    by_place = {(moment.sighting.frame, moment.sighting.track): moment for moment in moments}
    sharp = {place: sharpness_of(moment.crop) for place, moment in by_place.items()}
    ordered = sorted((moment.sighting for moment in moments), key=lambda sighting: sighting.frame)
    chosen = clearest(ordered, per_track, lambda sighting: sharp[sighting.frame, sighting.track])
    return [by_place[sighting.frame, sighting.track] for sighting in chosen]


def sharpness_of(rgb: Rgb) -> float:
    """Return how sharp a crop is: the standard deviation of its Laplacian (Pech-Pacheco et al., 2000)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).std())


def moment_of(sighting: Sighting, rgb: Rgb) -> Moment:
    """Cut the face with a margin out of the upright RGB frame it was seen in: a square that stays inside the frame."""
    x, y, width, height = sighting.face.box
    tall, wide = rgb.shape[:2]
    side = max(1, min(round(max(width, height) * (1 + 2 * _MARGIN)), tall, wide))
    left = min(max(0, round(x + width / 2 - side / 2)), wide - side)
    top = min(max(0, round(y + height / 2 - side / 2)), tall - side)
    crop = rgb[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > CROP_PX else cv2.INTER_CUBIC
    return Moment(sighting, np.asarray(cv2.resize(crop, (CROP_PX, CROP_PX), interpolation=how), np.uint8))


def contact_sheet(facts: VideoFacts, moments: Sequence[Moment], path: Path) -> None:
    """Draw a row for each track: its moments with time, label and confidence. The file is there whole or not at all.

    At most `MOST_TRACKS` rows with `MOMENTS` moments. Raises RuntimeMissing without matplotlib (whose font and picture
    library are used), OSError when the file cannot be written.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise RuntimeMissing("contact sheets need matplotlib and Pillow: install mien[video]") from error
    rows: dict[str, list[Moment]] = {}
    for moment in moments:
        rows.setdefault(moment.sighting.track, []).append(moment)
    # "10" after "9": moments may come in the order of the video, and tracks are read in the order of their numbers.
    shown = sorted(rows.items(), key=lambda row: (len(row[0]), row[0]))[:MOST_TRACKS]
    across = max((min(len(row), MOMENTS) for _, row in shown), default=0)
    width = 2 * _PAD + _NAME + max(across, 4) * (CROP_PX + _GAP)
    height = _HEAD + max(1, len(shown)) * (CROP_PX + _CAPTION + _BETWEEN) + _PAD
    sheet = _Sheet(Image.new("RGB", (width, height), _PAPER))
    sheet.head(facts, len(rows) - len(shown))
    if not shown:
        sheet.text(_PAD, _HEAD + CROP_PX // 2, "No face was found in any frame.", 17, _SOFT)
    for number, (name, row) in enumerate(shown):
        sheet.row(_HEAD + number * (CROP_PX + _CAPTION + _BETWEEN), name, row[:MOMENTS])
    with atomic_file(path) as file:
        sheet.image.save(file, format="JPEG", quality=_QUALITY, subsampling=0, optimize=True)


class _Sheet:
    """A picture and its pen; places are pixels from the upper left corner, of texts their upper edge."""

    def __init__(self, image: Any) -> None:
        from PIL import ImageDraw

        self.image = image
        self._pen = ImageDraw.Draw(image)
        self._fonts: dict[tuple[int, bool], Any] = {}

    def head(self, facts: VideoFacts, others: int) -> None:
        """Write what this is, and what of."""
        name = printable(shortened(PurePosixPath(facts.path).name or facts.path, 60))
        more = f"  ·  {others} more tracks in the table" if others else ""
        self.text(_PAD, 22, "Clearest moments of each track", 23, _INK, bold=True)
        self.text(_PAD, 56, f"{name}  ·  {clock(facts.seconds)}{more}  ·  {NOTICE}", 13, _SOFT)

    def row(self, top: int, name: str, moments: Sequence[Moment]) -> None:
        """Draw one track."""
        self._pen.line((_PAD, top - 12, self.image.width - _PAD, top - 12), fill=_LINE)
        self.text(_PAD, top + 2, f"Track {printable(shortened(name, 12))}", 18, _INK, bold=True)
        first, last = moments[0].sighting, moments[-1].sighting
        span = clock(first.seconds) if first is last else f"{clock(first.seconds)} – {clock(last.seconds)}"
        self.text(_PAD, top + 30, span, 13, _SOFT)
        for number, moment in enumerate(moments):
            self._moment(_PAD + _NAME + number * (CROP_PX + _GAP), top, moment)

    def _moment(self, left: int, top: int, moment: Moment) -> None:
        from PIL import Image

        sighting = moment.sighting
        self.image.paste(Image.fromarray(moment.crop), (left, top))
        # The colour in full width under the crop: a name alone is slow to scan, a colour alone is not for everyone.
        bottom = top + CROP_PX
        self._pen.rectangle((left, bottom, left + CROP_PX - 1, bottom + 5), fill=COLOURS[sighting.label])
        self.text(left, bottom + 11, f"{sighting.label} {percent(sighting.confidence)}", 15, _INK, bold=True)
        self.text(left, bottom + 31, clock(sighting.seconds), 13, _SOFT)

    def text(self, left: int, top: int, text: str, size: int, colour: str, *, bold: bool = False) -> None:
        """Write a text."""
        from PIL import ImageFont

        font = self._fonts.get((size, bold))
        if font is None:
            font = self._fonts[size, bold] = ImageFont.truetype(font_file(bold=bold), size)
        self._pen.text((left, top), text, fill=colour, font=font)
