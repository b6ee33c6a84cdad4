"""JPEGs as phones, cameras and converters write them are read, to the pixel; what is cut off or damaged is not."""

from __future__ import annotations

import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from mien.errors import PictureError
from models.pictures.picture import decode, encode_jpeg
from tests.support.media import astronaut

FACE = astronaut()[:256, 96:352]
JPEG = encode_jpeg(FACE, 90)
START_OF_SCAN = JPEG.index(b"\xff\xda")
Change = Callable[[bytes], bytes]


def other_jfif(data: bytes) -> bytes:
    """The version 2.01."""
    return data.replace(b"JFIF\x00\x01\x01", b"JFIF\x00\x02\x01", 1)


def other_scan(data: bytes) -> bytes:
    """A scan that says it ends with the first coefficient, as some phones say."""
    at = data.index(b"\xff\xda")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    return data[: at + 2 + length - 3] + b"\x00\x00\x00" + data[at + 2 + length :]


def without_end(data: bytes) -> bytes:
    assert data.endswith(b"\xff\xd9")
    return data[:-2]


def padded(data: bytes) -> bytes:
    return data + b"\x00" * 700


def with_adobe(data: bytes) -> bytes:
    """An Adobe segment with a transform that nobody has defined."""
    return data[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x07" + data[2:]


def with_fill(data: bytes) -> bytes:
    """Fill bytes before a marker."""
    return data[:2] + b"\xff\xff" + data[2:]


ODD: list[Change] = [other_jfif, other_scan, without_end, padded, with_adobe, with_fill]


def both(first: Change, second: Change) -> Change:
    return lambda data: second(first(data))


@pytest.mark.parametrize(
    "change",
    [*ODD, both(other_jfif, other_scan), both(other_scan, without_end), both(with_adobe, without_end)],
    ids=lambda change: change.__name__,
)
def test_an_odd_header_costs_no_pixel(change: Change) -> None:
    odd = change(JPEG)
    assert odd != JPEG
    assert (decode(odd) == decode(JPEG)).all()
    assert (decode(odd, shrink=2) == decode(JPEG, shrink=2)).all()


@pytest.mark.parametrize("change", [lambda data: data, *ODD])
@pytest.mark.parametrize("left", [0.3, 0.7, 0.97])
def test_what_is_cut_off_is_refused_however_odd(change: Change, left: float) -> None:
    odd = change(JPEG)
    cut = odd[: START_OF_SCAN + int((len(JPEG) - START_OF_SCAN) * left)]
    with pytest.raises(PictureError, match="damaged or truncated"):
        decode(cut)
    with pytest.raises(PictureError, match="damaged or truncated"):
        decode(cut + b"\xff\xd9")


def bits(number: int) -> str:
    """Return size and value of a difference of two DC values (ITU-T T.81, F.1.2.1), with the codes of table K.3."""
    codes = ["00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110", "111111110"]
    size = abs(number).bit_length()
    value = number if number > 0 else number + (1 << size) - 1
    return codes[size] + (f"{value:0{size}b}" if size else "")


def flat(sampling: tuple[tuple[int, int], ...], width: int, height: int, *, whole: bool = True) -> bytes:
    """Return a JPEG of one colour, in `sampling` (across, down) of each component, all with the tables of luminance."""
    head = bytearray(JPEG[:START_OF_SCAN])
    frame = head.index(b"\xff\xc0")
    head[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    for component, (across, down) in enumerate(sampling):
        head[frame + 11 + 3 * component : frame + 13 + 3 * component] = bytes([across << 4 | down, 0])
    scan = bytes.fromhex("ffda000c03010002000300003f00")
    most = max(across for across, _ in sampling), max(down for _, down in sampling)
    units = -(-width // (8 * most[0])) * -(-height // (8 * most[1]))
    coded = ""
    for unit in range(units):
        for component, (across, down) in enumerate(sampling):
            for block in range(across * down):
                first = unit == 0 and block == 0
                coded += bits((60, -40, 90)[component] if first else 0) + "1010"  # and the end of the block, table K.5
    coded += "1" * (-len(coded) % 8)
    pixels = bytes(int(coded[at : at + 8], 2) for at in range(0, len(coded), 8)).replace(b"\xff", b"\xff\x00")
    return bytes(head) + scan + (pixels + b"\xff\xd9" if whole else pixels[: len(pixels) // 2])


ODD_SAMPLINGS = [
    ((3, 1), (1, 1), (1, 1)),
    ((1, 3), (1, 1), (1, 1)),
    ((4, 2), (1, 1), (1, 1)),
    ((2, 2), (2, 1), (1, 1)),
    ((2, 2), (1, 1), (2, 1)),
    ((1, 1), (2, 2), (2, 2)),
    ((4, 1), (1, 2), (1, 1)),
]


@pytest.mark.parametrize("sampling", ODD_SAMPLINGS, ids=str)
@pytest.mark.parametrize("shrink", [1, 2])
def test_colours_of_any_size_are_read(sampling: tuple[tuple[int, int], ...], shrink: int) -> None:
    usual = decode(flat(((2, 2), (1, 1), (1, 1)), 130, 99))
    assert np.ptp(usual, axis=(0, 1)).max() == 0
    odd = decode(flat(sampling, 130, 99), shrink=shrink)  # type: ignore[arg-type]
    assert odd.shape == (-(-99 // shrink), -(-130 // shrink), 3)
    assert np.abs(odd.astype(int) - usual[0, 0]).max() <= 1


@pytest.mark.parametrize("sampling", ODD_SAMPLINGS, ids=str)
def test_colours_of_any_size_that_are_cut_off_are_refused(sampling: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(PictureError, match="damaged or truncated"):
        decode(flat(sampling, 1300, 990, whole=False))


def test_only_the_name_of_the_exif_must_be_right() -> None:
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    for pad in (b"\x00", b"\xff", b"E"):
        body = b"Exif\x00" + pad + tiff
        turned = JPEG[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + JPEG[2:]
        assert (decode(turned) == np.rot90(decode(JPEG), 3)).all()


def test_a_png_with_a_damaged_text_is_read_and_one_with_damaged_pixels_is_not() -> None:
    png = cv2.imencode(".png", FACE[:, :, ::-1])[1].tobytes()
    text = b"\x00\x00\x00\x09tEXtTitle\x00abc" + b"\x00\x00\x00\x00"
    assert (decode(png[:33] + text + png[33:]) == FACE).all()
    at = next(re.finditer(b"IDAT", png)).end() + 20
    with pytest.raises(PictureError, match="checksum"):
        decode(png[:at] + bytes([png[at] ^ 1]) + png[at + 1 :])
