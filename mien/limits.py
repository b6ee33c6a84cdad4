"""How large a picture may be and how small a face, where more than one room needs the same figure."""

from __future__ import annotations

from mien.errors import MienError, PictureTooLarge

PHOTO_PIXELS = 100_000_000
"""Pixels of the largest photo, unless `photo_max_pixels` says otherwise: more than any camera's, 300 MB decoded."""

VIDEO_PIXELS = 36_000_000
"""Pixels of the largest frame of a video, unless `video_max_pixels` says otherwise: 8K, with some to spare."""

LIVE_PIXELS = 7680 * 4320
"""Pixels of the largest frame that a live worker decodes: 8K."""

BYTES_A_PIXEL = 4
"""A file of more bytes than this for each pixel that a photo may have is no photo."""

SMALLEST_FACE_PX = 48
"""The default smallest face to find, in a frame 720 pixels high; in other frames it scales with the shorter side."""


def check_pixels(
    width: int,
    height: int,
    most: int,
    what: str = "the picture",
    error: type[MienError] = PictureTooLarge,
) -> None:
    """Raise `error`, PictureTooLarge by default, when `what` declares more than `most` pixels.

    The size is the one that a header declares: nothing may be decoded before, because a file of a few bytes can
    declare gigabytes.
    """
    if width * height > most:
        raise error(f"{what} declares {width}×{height} pixels, more than the {most} allowed: scale it down first")
