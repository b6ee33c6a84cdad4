"""Pictures of a few bytes that declare to be huge, and that decoders take for what they say."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image


def encoded(kind: str, **options: Any) -> bytes:
    """Return a picture of 8 × 8 pixels and one colour."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (10, 200, 30)).save(out, kind, **options)
    return out.getvalue()


def jpeg(width: int, height: int) -> bytes:
    """Return a JPEG that declares a size in its frame header."""
    data = encoded("JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def webp(width: int, height: int) -> bytes:
    """Return a lossy WebP that declares a size in its key frame (RFC 6386, section 9.1)."""
    data = encoded("WEBP")
    at = data.index(b"\x9d\x01\x2a") + 3
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


def lossless_webp(width: int, height: int) -> bytes:
    """Return a whole lossless WebP: one colour takes no bit a pixel, so it is of any size that its header says."""
    data = encoded("WEBP", lossless=True)
    at = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, at)
    bits = bits >> 28 << 28 | (height - 1) << 14 | (width - 1)
    return data[:at] + struct.pack("<I", bits) + data[at + 4 :]


def extended_webp(width: int, height: int) -> bytes:
    """Return a WebP of the extended format, whose canvas and picture declare a size."""
    inner = lossless_webp(width, height)[12:]
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png(width: int, height: int) -> bytes:
    """Return a PNG that declares a size."""
    data = encoded("PNG")
    return data[:16] + struct.pack(">II", width, height) + data[24:]


def bmp(width: int, height: int) -> bytes:
    """Return a BMP that declares a size, with its first row on top."""
    data = encoded("BMP")
    return data[:18] + struct.pack("<ii", width, -height) + data[26:]


def old_bmp(width: int, height: int) -> bytes:
    """Return a BMP as OS/2 wrote them, which declares a size in 16 bits."""
    core = struct.pack("<IHHHH", 12, width, height, 1, 24)
    return b"BM" + struct.pack("<IHHI", 26 + 192, 0, 0, 26) + core + bytes(192)
