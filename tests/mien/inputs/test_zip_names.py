"""Names in a zip are read in the encoding that they were written in."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from mien.inputs.archives import ZipArchive
from mien.inputs.zip_names import encoding_of


def packed(names: list[bytes], *, extra: bytes = b"") -> io.BytesIO:
    """A zip that says nothing of the encoding of its names."""
    file = io.BytesIO()
    stand_ins = ["QXZJVWKY"[number] * len(name) for number, name in enumerate(names)]
    with zipfile.ZipFile(file, "w") as archive:
        for stand_in in stand_ins:
            info = zipfile.ZipInfo(stand_in)
            info.extra = extra
            archive.writestr(info, b"pixels")
    data = file.getvalue()
    for stand_in, name in zip(stand_ins, names, strict=True):
        data = data.replace(stand_in.encode(), name)
    return io.BytesIO(data)


def names_in(file: io.BytesIO) -> list[str]:
    return [member.name for member in ZipArchive(file).members()]


SPOKEN = [
    ("utf-8", ["é/ü.jpg", "写真.jpg"]),
    ("utf-8", ["Ünïcödé/Bild 1.jpg"]),
    ("cp437", ["Müller/Straße.jpg", "café.jpg"]),
    ("cp932", ["写真/顔.jpg", "表示/能.jpg"]),
    ("cp932", ["カメラ１.jpg", "ひらがな.jpg"]),
    ("cp949", ["사진/얼굴.jpg", "가족.jpg"]),
    ("gbk", ["照片/脸.jpg", "我们的家庭.jpg"]),
    ("cp866", ["Фото/лицо.jpg", "Семья.jpg"]),
    ("cp1252", ["Größe/Überraschung.jpg", "naïve façade.jpg"]),
]


@pytest.mark.parametrize(("encoding", "names"), SPOKEN)
def test_names_are_as_they_were_written(encoding: str, names: list[str]) -> None:
    file = packed([name.encode(encoding) for name in [*names, "plain.jpg"]])
    assert names_in(file) == [*names, "plain.jpg"]
    archive = ZipArchive(file)
    for name in names:
        assert b"".join(archive.pieces(name, 1000)) == b"pixels"


def test_a_name_beside_the_name_counts() -> None:
    raw = "日.jpg".encode("cp932")
    told = "Θ-日.jpg".encode()
    body = b"\x01" + struct.pack("<I", zlib.crc32(raw)) + told
    file = packed([raw], extra=struct.pack("<HH", 0x7075, len(body)) + body)
    assert names_in(file) == ["Θ-日.jpg"]
    other = body[:1] + struct.pack("<I", zlib.crc32(raw) ^ 1) + told
    file = packed([raw], extra=struct.pack("<HH", 0x7075, len(other)) + other)
    assert names_in(file) == ["日.jpg"]


def test_names_that_are_no_words_stay_those_of_dos() -> None:
    assert encoding_of([b"\xff\xfe\xb0.jpg"]) == "cp437"
    assert names_in(packed([b"\xb0\xff.jpg"])) == ["░\xa0.jpg"]


def test_names_without_odd_letters_are_any() -> None:
    assert names_in(packed([b"a.jpg", b"b/c.jpg"])) == ["a.jpg", "b/c.jpg"]
