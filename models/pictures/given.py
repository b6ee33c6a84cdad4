"""A picture as people give it: a file, bytes, an array or a PIL image, as the RGB pixels that an analyzer reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.address import Address
from mien.errors import PictureError, line_of
from mien.inputs.fetch import Fetcher, open_input
from mien.limits import BYTES_A_PIXEL, PHOTO_PIXELS, SMALLEST_FACE_PX
from mien.pixels import Rgb
from models.pictures.photo import Photo, read_photo
from models.pictures.pixels import eight_bits, over_white

if TYPE_CHECKING:
    from PIL.Image import Image

    GivenPicture: TypeAlias = str | Path | bytes | NDArray[Any] | Image


def photo_of(
    given: GivenPicture,
    max_pixels: int = PHOTO_PIXELS,
    smallest_face_px: int = SMALLEST_FACE_PX,
    fetcher: Fetcher | None = None,
) -> Photo:
    """Return a picture as pixels to analyse, upright, and the size of the original.

    `given`: the path or address of a file; the bytes of one; an array, uint8 [height, width] (grey) or [height, width,
    1, 3 or 4] (grey, RGB, RGBA); or a PIL image, turned as its EXIF orientation says. What is transparent becomes
    white. OpenCV's arrays are BGR and look like RGB: turn them with `bgr[:, :, ::-1]`. Huge files are scaled down as
    `models.pictures.photo` says, arrays and PIL images are taken as they are. `fetcher` keeps an archive open from one
    of its pictures to the next.

    Raises PictureError when there is no such file, when it is no usable picture or declares more than `max_pixels`,
    and RuntimeMissing when an address needs a package that is not installed.
    """
    if isinstance(given, str | Path):
        return _of_file(given, max_pixels, smallest_face_px, fetcher)
    if isinstance(given, bytes | bytearray | memoryview):
        return read_photo(bytes(given), max_pixels, smallest_face_px)
    if isinstance(given, np.ndarray):
        return whole(_of_array(given))
    if _is_pil(given):
        return whole(_of_pil(given))
    raise PictureError(
        f"a {type(given).__name__} is not a picture: give a path, the bytes of a file, an RGB array or a PIL image"
    )


def whole(rgb: Rgb) -> Photo:
    """Return a picture that is analysed as it is."""
    return Photo(rgb, rgb.shape[1], rgb.shape[0])


def name_of(given: GivenPicture) -> str:
    """Return what to call a picture: its path or address without a password, nothing for pixels."""
    if isinstance(given, str | Path):
        return Address.of_input(str(given)).shown
    return Address.of_input(str(getattr(given, "filename", "") or "")).shown


def _of_file(given: str | Path, max_pixels: int, smallest_face_px: int, fetcher: Fetcher | None) -> Photo:
    address = Address.of_input(str(given))
    if address.is_path:
        address = Address.of_path(address.path.expanduser().absolute())
    try:
        read = fetcher.read if fetcher else open_input
        return read_photo(read(address, max_pixels * BYTES_A_PIXEL), max_pixels, smallest_face_px)
    except PictureError as error:
        raise PictureError(f"{name_of(given)}: {error}") from error


def _of_array(pixels: NDArray[Any]) -> Rgb:
    shape = f"{pixels.dtype} [{', '.join(map(str, pixels.shape))}]"
    if pixels.dtype != np.uint8:
        raise PictureError(f"the array is {shape}: scale its values to 0 to 255 and turn it into uint8")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise PictureError(f"the array is {shape}: wanted is [height, width] or [height, width, 1, 3 or 4]")
    if pixels.shape[2] == 4:
        rgb = pixels[:, :, :3].copy()
        over_white(rgb, pixels[:, :, 3])
        return rgb
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)


def _is_pil(given: object) -> bool:
    # Nobody has an image of a library that was never imported.
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(given, pil.Image)


def _of_pil(image: Image) -> Rgb:
    from PIL import ImageOps

    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            return _of_array(eight_bits(np.asarray(upright, np.uint16)))
        has_alpha = upright.has_transparency_data
        return _of_array(np.asarray(upright.convert("RGBA" if has_alpha else "RGB")))
    except (OSError, ValueError) as error:
        raise PictureError(f"the PIL image cannot be read: {line_of(error)}") from error
