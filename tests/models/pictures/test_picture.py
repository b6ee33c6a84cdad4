"""Bytes become pixels by one strict policy, and what is no picture says so in one line."""

from __future__ import annotations

import io
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from mien.errors import PictureError
from mien.limits import PHOTO_PIXELS
from mien.pixels import Rgb
from models.pictures.picture import decode, encode_jpeg, read_header
from tests.support.media import astronaut, demo_media


def _encoded(rgb: Rgb, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, rgb[:, :, ::-1])[1].tobytes())


def _with_orientation(jpeg: bytes, orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _declaring(jpeg: bytes, width: int, height: int) -> bytes:
    start = jpeg.index(b"\xff\xc0")
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


def test_a_jpeg_of_a_real_face_comes_back_as_it_was() -> None:
    rgb = astronaut()
    assert np.abs(decode(encode_jpeg(rgb, 95)).astype(int) - rgb).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_lossless_formats_come_back_exactly_as_rgb(suffix: str) -> None:
    assert np.array_equal(decode(_encoded(astronaut(), suffix)), astronaut())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif"])
def test_the_size_is_read_from_the_header(suffix: str) -> None:
    header = read_header(_encoded(astronaut()[:300, :400], suffix))
    assert (header.width, header.height) == (400, 300)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_picture_is_refused(suffix: str, share: float) -> None:
    data = _encoded(astronaut(), suffix)
    with pytest.raises(PictureError) as caught:
        decode(data[: int(len(data) * share)])
    assert "\n" not in str(caught.value)


def test_a_damaged_png_is_refused() -> None:
    data = bytearray(_encoded(astronaut(), ".png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(PictureError, match="checksum"):
        decode(bytes(data))


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8", b"\xff\xd8\xff\xe0junk", b"%PDF-1.7 not a picture"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        decode(data)


def test_thirty_thousand_pixels_squared_are_refused_from_the_header() -> None:
    bomb = _declaring(encode_jpeg(astronaut()), 30_000, 30_000)
    assert read_header(bomb).width == 30_000
    with pytest.raises(PictureError, match="30000×30000"):
        decode(bomb, PHOTO_PIXELS)


def test_the_limit_is_on_pixels() -> None:
    jpeg = encode_jpeg(astronaut())
    assert decode(jpeg, 512 * 512).shape == (512, 512, 3)
    with pytest.raises(PictureError, match="more than the 262143 allowed"):
        decode(jpeg, 512 * 512 - 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_as_opencv_turns_it(orientation: int) -> None:
    jpeg = _with_orientation(encode_jpeg(astronaut()[:300, :400]), orientation)
    expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    turned = decode(jpeg)
    assert turned.shape == expected.shape
    assert np.abs(turned.astype(int) - expected[:, :, ::-1]).mean() < 1


def test_a_grey_jpeg_becomes_rgb() -> None:
    grey = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)
    rgb = decode(bytes(cv2.imencode(".jpg", grey)[1].tobytes()))
    assert rgb.shape == (512, 512, 3)
    assert np.array_equal(rgb[:, :, 0], rgb[:, :, 2])


def pillow_rgb(data: bytes) -> Rgb:
    """What Pillow shows: upright, and over white."""
    with Image.open(io.BytesIO(data)) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.has_transparency_data:
            white = Image.new("RGBA", picture.size, "white")
            white.alpha_composite(picture.convert("RGBA"))
            picture = white
        return np.asarray(picture.convert("RGB"))


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def photo(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(astronaut()[:300, :400]).convert(mode)


def cut_out() -> Image.Image:
    """A photo whose left is transparent, with a soft edge, and black below."""
    picture = photo("RGBA")
    alpha = np.full((300, 400), 255, np.uint8)
    alpha[:, :200] = np.linspace(0, 255, 200).astype(np.uint8)
    rgba = np.array(picture)
    rgba[alpha == 0] = 0
    rgba[:, :, 3] = alpha
    return Image.fromarray(rgba)


LOSSLESS = {"WEBP": {"lossless": True, "exact": True}}


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "PNG"), ("L", "PNG"), ("P", "PNG"), ("1", "PNG"),
        ("RGB", "TIFF"), ("L", "TIFF"), ("P", "TIFF"), ("1", "TIFF"), ("CMYK", "TIFF"),
        ("RGB", "BMP"), ("L", "BMP"), ("P", "BMP"), ("1", "BMP"), ("RGBA", "BMP"),
        ("P", "GIF"), ("L", "GIF"), ("RGB", "WEBP"),
        ("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"),
    ],
)  # fmt: skip
def test_pixels_are_those_that_pillow_reads(mode: str, kind: str) -> None:
    data = saved(photo(mode), kind, **LOSSLESS.get(kind, {}))
    assert np.abs(decode(data).astype(int) - pillow_rgb(data)).max() <= 2


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")])
def test_what_is_transparent_becomes_white(mode: str, kind: str) -> None:
    data = saved(cut_out().convert(mode), kind, **LOSSLESS.get(kind, {}))
    rgb = decode(data)
    assert np.abs(rgb.astype(int) - pillow_rgb(data)).max() <= 2
    assert rgb[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "1"])
def test_a_colour_that_stands_for_transparent_becomes_white(mode: str) -> None:
    picture = photo(mode)
    key = picture.getpixel((5, 5))
    data = saved(picture, "PNG", transparency=key if mode != "1" else 1)
    assert np.abs(decode(data).astype(int) - pillow_rgb(data)).max() <= 1


def test_a_gif_with_a_transparent_ground_is_white_there() -> None:
    data = saved(cut_out(), "GIF")
    assert np.abs(decode(data).astype(int) - pillow_rgb(data)).max() <= 1


@pytest.mark.parametrize(
    ("kind", "photometric"),
    [("TIFF", "minisblack"), ("TIFF", "miniswhite"), ("TIFF", "rgb"), ("PNG", "minisblack"), ("PNG", "rgb")],
)
def test_sixteen_bits_are_scaled_and_not_clipped(kind: str, photometric: str) -> None:
    eight = np.asarray(photo("RGB" if photometric == "rgb" else "L"))
    stored = 255 - eight if photometric == "miniswhite" else eight
    rounds = ((stored > 0) & (stored < 255)).astype(np.uint16) * np.uint16(100)
    deep = stored.astype(np.uint16) * np.uint16(257) + rounds
    if kind == "TIFF":
        out = io.BytesIO()
        tifffile.imwrite(out, deep, photometric=photometric)
        data = out.getvalue()
    else:
        data = bytes(cv2.imencode(".png", deep[:, :, ::-1] if photometric == "rgb" else deep)[1].tobytes())
    rgb = decode(data)
    expected = eight if eight.ndim == 3 else np.repeat(eight[:, :, None], 3, axis=2)
    assert np.array_equal(rgb, expected)


def test_sixteen_bits_with_transparency() -> None:
    deep = np.asarray(cut_out()).astype(np.uint16) * 257
    data = bytes(cv2.imencode(".png", deep[:, :, [2, 1, 0, 3]])[1].tobytes())
    assert np.abs(decode(data).astype(int) - pillow_rgb(saved(cut_out(), "PNG"))).max() <= 1


@pytest.mark.parametrize("extra", ["assocalpha", "unassalpha", "unspecified"])
def test_the_fourth_channel_of_a_tiff_counts_as_what_it_is(extra: str) -> None:
    rgba = np.array(cut_out())
    expected = pillow_rgb(saved(cut_out(), "PNG"))
    if extra == "unspecified":  # no transparency at all
        expected = rgba[:, :, :3]
    if extra == "assocalpha":
        rgba[:, :, :3] = (rgba[:, :, :3] * (rgba[:, :, 3:] / 255) + 0.5).astype(np.uint8)
    out = io.BytesIO()
    tifffile.imwrite(out, rgba, photometric="rgb", extrasamples=[extra])
    assert np.abs(decode(out.getvalue()).astype(int) - expected).max() <= 2


def test_floating_point_pixels_are_refused() -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((40, 50), np.float32))
    with pytest.raises(PictureError, match="float32: save it with 8 or 16 bits"):
        decode(out.getvalue())


def ycck(rgb: Rgb) -> bytes:
    """A JPEG as Photoshop writes them: inverted CMYK whose first three channels went through YCbCr."""
    ycbcr = Image.fromarray(rgb).convert("YCbCr")
    black = Image.new("L", ycbcr.size, 255)
    data = bytearray(saved(Image.merge("CMYK", (*ycbcr.split(), black)), "JPEG", quality=95, subsampling=0))
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    data[at] = 2  # the transform flag of the Adobe marker: YCCK
    # Pillow inverted what it was given, as Adobe does: undo that, so that the channels hold YCbCr of R', G', B'.
    return bytes(data)


def test_an_inverted_ycck_jpeg_of_adobe_is_read_as_pillow_reads_it() -> None:
    data = ycck(astronaut()[:300, :400])
    assert read_header(data).channels == 4
    assert np.abs(decode(data).astype(int) - pillow_rgb(data)).mean() < 1


def test_a_cmyk_jpeg_shows_the_colours_it_was_made_of() -> None:
    data = saved(photo("CMYK"), "JPEG", quality=95, subsampling=0)
    assert np.abs(decode(data).astype(int) - np.asarray(photo())).mean() < 2


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_may_be_read_smaller(mode: str) -> None:
    data = saved(photo(mode), "JPEG", quality=95, subsampling=0)
    small = decode(data, shrink=2)
    assert small.shape == (150, 200, 3)
    whole = cv2.resize(decode(data), (200, 150), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - whole).mean() < 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_no_photo(kind: str) -> None:
    others = [Image.fromarray(255 - np.asarray(photo())), Image.fromarray(np.asarray(photo())[::-1])]
    data = saved(photo(), kind, save_all=True, append_images=others, **LOSSLESS.get(kind, {}))
    with pytest.raises(PictureError, match="is an animation of 3 pictures"):
        decode(data)
    alone = saved(photo(), kind, save_all=True, **LOSSLESS.get(kind, {}))
    assert np.abs(decode(alone).astype(int) - pillow_rgb(alone)).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_every_kind_is_turned_upright_as_pillow_turns_it(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"quality": 95} if kind == "AVIF" else LOSSLESS.get(kind, {})
    data = saved(photo(), kind, exif=exif, **options)
    rgb, expected = decode(data), pillow_rgb(data)
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fill", [1, 2, 3, 100_000])
def test_fill_bytes_before_a_marker_hide_no_orientation(fill: int, orientation: int) -> None:
    jpeg = _with_orientation(encode_jpeg(astronaut()[:300, :400]), orientation)
    filled = jpeg[:2] + b"\xff" * fill + jpeg[2:]
    assert np.array_equal(decode(filled), decode(jpeg))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("packed", [True, False])
def test_the_orientation_that_imagemagick_writes_into_a_png_counts(orientation: int, *, packed: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    profile = exif.tobytes()
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(profile):8}\n{profile.hex()}\n", zip=packed)
    data = saved(photo(), "PNG", pnginfo=info)
    assert np.array_equal(decode(data), pillow_rgb(data))
    assert decode(data).shape == ((400, 300, 3) if orientation > 4 else (300, 400, 3))


@pytest.mark.parametrize("text", ["", "\nexif\n", "\nexif\n 4\nnot hex", "\nexif\n 2\nffff"])
def test_a_text_of_a_png_that_is_no_orientation_turns_nothing(text: str) -> None:
    info = PngInfo()
    info.add_text("Raw profile type exif", text)
    assert np.array_equal(decode(saved(photo(), "PNG", pnginfo=info)), np.asarray(photo()))


def heic(picture: Image.Image, orientation: int = 1) -> bytes:
    """A HEIC as phones write it: stored as the sensor lies, with the turn as a property of the picture."""
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = picture.copy()
    picture.info["exif"] = exif.tobytes()
    out = io.BytesIO()
    pillow_heif.from_pillow(picture).save(out, quality=90)
    return out.getvalue()


def test_heic_is_read() -> None:
    data = heic(photo())
    assert np.abs(decode(data).astype(int) - np.asarray(photo())).mean() < 5
    with pytest.raises(PictureError, match="HEIC picture is damaged or truncated"):
        decode(data[: len(data) // 2])
    with pytest.raises(PictureError, match="more than the 1000 allowed"):
        decode(data, 1000)


@pytest.mark.parametrize("quarters", range(4))
def test_heic_of_a_phone_is_turned_by_its_property_and_not_once_more_by_its_exif(quarters: int) -> None:
    data = bytearray(heic(photo(), orientation=6))
    assert b"Exif" in data
    at = data.index(b"irot") + 4
    data[at] = 0
    stored = decode(bytes(data))
    assert stored.shape == (400, 300, 3)
    data[at] = quarters  # counter-clockwise (ISO/IEC 23008-12, section 6.5.10)
    assert np.abs(decode(bytes(data)).astype(int) - np.rot90(stored, quarters)).mean() < 3


def test_a_transparent_heic_becomes_white() -> None:
    rgb = decode(heic(cut_out()))
    assert rgb[10, 2].min() > 245
    assert np.abs(rgb.astype(int) - pillow_rgb(saved(cut_out(), "PNG"))).mean() < 5


def test_heic_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(photo())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"install mien\[heic\]"):
        decode(data)


def test_avif_of_ten_bits_is_scaled_too() -> None:
    data = bytes(cv2.imencode(".avif", astronaut()[:, :, ::-1].astype(np.uint16) * 4, [cv2.IMWRITE_AVIF_DEPTH, 10])[1])
    assert np.abs(decode(data).astype(int) - astronaut()).mean() < 4


def test_padding_of_a_webcam_is_forgiven() -> None:
    jpeg = encode_jpeg(astronaut())
    padded = jpeg[:-2] + b"\0" * 7 + jpeg[-2:]
    assert np.array_equal(decode(padded), decode(jpeg))


def test_a_real_photo_file_is_read() -> None:
    path: Path = demo_media("multi_face.jpg")
    assert decode(path.read_bytes()).shape == (667, 1000, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIC"])
def test_whatever_is_damaged_is_refused_in_one_line_or_read(kind: str) -> None:
    small = Image.fromarray(astronaut()[:60, :80])
    whole = heic(small) if kind == "HEIC" else saved(small, kind)
    random = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in random.integers(0, min(len(damaged), int(random.choice([64, 600, 10**6]))), 2):
            damaged[at] = random.integers(256)
        with suppress(PictureError):
            assert decode(bytes(damaged), 10_000_000).shape[2] == 3
