"""From bytes to pixels and back: one decode policy for live frames, photos and jobs.

What a picture declares is read from its header and checked before a pixel is decoded, so that a small file cannot claim
gigabytes. JPEG goes through libjpeg-turbo, strictly: a truncated file is an error, not a half-grey face; what only has
an odd header is read (`models.pictures.mended`). Every other kind ends as the same: 8 bits, RGB, upright, transparency
over white. An animation is no photo: which of its pictures is meant is not for a program to say, and the first is often
empty.
"""

from __future__ import annotations

import struct
import zlib
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from mien.errors import PictureError, line_of
from mien.headers.animation import pictures_in
from mien.headers.picture import PictureHeader as Header
from mien.headers.picture import header_of as read_header
from mien.limits import PHOTO_PIXELS, check_pixels
from mien.pixels import Rgb
from models.pictures.mended import ends_as_jpeg, mended
from models.pictures.orientation import orientation_of, upright
from models.pictures.pixels import cmyk_to_rgb, to_rgb

__all__ = ["Header", "check_whole", "decode", "encode_jpeg", "read_header"]


# What libjpeg warns of (jerror.h) and what changes no pixel.
_HARMLESS = ("extraneous bytes", "bad ICC marker")
_UNUSUAL_COLOURS = "subsampling level"


def decode(data: bytes, max_pixels: int = PHOTO_PIXELS, *, shrink: Literal[1, 2, 4, 8] = 1) -> Rgb:
    """Return the picture in `data`, turned upright as its EXIF orientation says.

    With `shrink` a JPEG comes in a half, a quarter or an eighth of its sides, rounded up: less work, and less memory.

    Raises PictureError when the bytes are no picture, are truncated or damaged, or declare more than `max_pixels`.
    """
    header = read_header(data)
    check_pixels(header.width, header.height, max_pixels)
    if header.kind == "jpeg":
        rgb = _decode_jpeg(data, header, shrink)
    elif header.kind == "heif":
        rgb = _decode_heif(data)
    else:
        check_whole(data, header)
        _refuse_animation(data, header)
        rgb = _decode_other(data, header)
    return upright(rgb, orientation_of(data, header))


def encode_jpeg(rgb: Rgb, quality: int = 88) -> bytes:
    """Return an RGB picture as JPEG bytes with 4:2:0 colours."""
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(rgb), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return encoded


def check_whole(data: bytes, header: Header) -> None:
    """Raise PictureError for what its own bookkeeping shows to be truncated or damaged, as far as a format has any."""
    if header.kind == "png":
        _check_png(data)
    declared = {"bmp": ("<I", 2, 0), "webp": ("<I", 4, 8)}.get(header.kind)
    if declared is not None:
        layout, at, more = declared
        if struct.unpack_from(layout, data, at)[0] + more > len(data):
            raise _truncated(header.format)
    if header.kind == "gif" and data.rstrip(b"\0")[-1:] != b";":
        raise _truncated(header.format)


def _refuse_animation(data: bytes, header: Header) -> None:
    count = pictures_in(data, header)
    if count > 1:
        what = f"the {header.format} is an animation of {count} pictures"
        raise PictureError(f"{what}: `mien video` reads it, or save the one that is meant")


def _check_png(data: bytes) -> None:
    """Walk the chunks (PNG specification, section 5): each must be whole, and IEND must come."""
    position, kind = 8, b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise _truncated("PNG")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise _truncated("PNG")
        body = memoryview(data)[position + 4 : end - 4]
        # A text or a date may be damaged (a small first letter, section 5.4): libpng passes over it.
        if kind[:1].isupper() and zlib.crc32(body) != struct.unpack_from(">I", data, end - 4)[0]:
            raise PictureError("the PNG picture is damaged (a checksum does not match): fetch it again")
        position = end


def _decode_jpeg(data: bytes, header: Header, shrink: int) -> Rgb:
    sides = {} if shrink == 1 else {"min_height": -(-header.height // shrink), "min_width": -(-header.width // shrink)}
    try:
        return _pixels(data, header, **sides)
    except (ValueError, KeyError):
        pass
    try:
        return _pixels(mended(data), header, **sides)
    except (ValueError, KeyError) as error:  # KeyError: the library's word for "no frame header came"
        # OpenCV says nothing of a picture that was cut off.
        if _UNUSUAL_COLOURS in str(error) and ends_as_jpeg(data):
            return _decode_unusual_jpeg(data, header, shrink)
        why = "no picture in it" if isinstance(error, KeyError) else line_of(error)
        raise PictureError(f"the JPEG picture is damaged or truncated ({why}): fetch it again") from error


def _pixels(data: bytes, header: Header, **sides: int) -> Rgb:
    space = "CMYK" if header.channels == 4 else "RGB"
    pixels: NDArray[np.uint8]
    try:
        pixels = simplejpeg.decode_jpeg(data, colorspace=space, strict=True, **sides)
    except ValueError as error:
        # Many webcams pad their pictures; libjpeg warns of it and loses nothing.
        if not any(harmless in str(error) for harmless in _HARMLESS):
            raise
        pixels = simplejpeg.decode_jpeg(data, colorspace=space, strict=False, **sides)
    return cmyk_to_rgb(pixels) if space == "CMYK" else pixels


def _decode_unusual_jpeg(data: bytes, header: Header, shrink: int) -> Rgb:
    """Decode colours that are stored in a size which TurboJPEG does not know, such as a third of the width."""
    reduced = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    flag = reduced.get(shrink, cv2.IMREAD_REDUCED_COLOR_8) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if header.channels != 4 else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise PictureError("the JPEG picture stores its colours in an unusual way: save it as PNG")
    return to_rgb(np.asarray(pixels, np.uint8), data, None)


def _decode_other(data: bytes, header: Header) -> Rgb:
    # Not Pillow: it reads 16-bit colours up to one level too bright and inverted 16-bit grey as a negative, and takes
    # 1.5 to 4 times the memory (a WebP of 12 megapixels: 301 MiB and 1.4 s; here 72 MiB and 0.5 s).
    raw = np.frombuffer(data, np.uint8)
    try:
        pixels = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
        if header.kind == "avif" and pixels is not None and pixels.dtype != np.uint8:
            pixels = cv2.imdecode(raw, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)  # it knows how many bits
    except cv2.error:
        pixels = None
    if pixels is None:
        raise PictureError(f"the {header.format} picture is damaged or of an unusual kind: save it as JPEG or PNG")
    return to_rgb(pixels, data, header)


def _decode_heif(data: bytes) -> Rgb:
    """Decode with libheif, which turns the picture upright itself."""
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError("reading HEIC needs pillow-heif: install mien[heic]") from error
    try:
        picture = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
        pixels = np.asarray(picture)
    except (OSError, ValueError, RuntimeError, EOFError, SyntaxError, LookupError, TypeError) as error:
        raise PictureError(f"the HEIC picture is damaged or truncated ({line_of(error)}): fetch it again") from error
    return to_rgb(pixels if pixels.ndim == 2 else np.ascontiguousarray(_swapped(pixels)), data, None)


def _swapped(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    order = (2, 1, 0, 3) if pixels.shape[2] == 4 else (2, 1, 0)
    return pixels[:, :, order]


def _truncated(name: str) -> PictureError:
    return PictureError(f"the {name} picture is truncated: fetch it again")
