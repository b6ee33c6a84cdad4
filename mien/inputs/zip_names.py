"""The names in a zip, in the encoding that they were written in.

A zip says of a name that it is UTF-8, or nothing: then it should be that of MS-DOS (APPNOTE 6.3.10, appendix D), and is
whatever the machine spoke that packed it. macOS writes UTF-8 all the same; Windows writes its own encoding. Info-ZIP's
extra field holds the name in UTF-8 beside it. One archive was packed by one machine: its names are judged together.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence

_IS_UTF8 = 0x800
_UNICODE_PATH = 0x7075
# Latin and Cyrillic letters in one word, or others between Latin ones: it was another encoding.
_MIXED = re.compile("[A-Za-z][Ѐ-ӿ]|[Ѐ-ӿ][A-Za-z]|[a-z][가-힣一-鿿]+[a-z]")


def names_of(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the name of each file of a zip; as MS-DOS has them where no encoding makes words of all."""
    raw = [_raw(info) for info in infos]
    unnamed = [name for info, name in zip(infos, raw, strict=True) if name is not None and _told(info, name) is None]
    encoding = encoding_of([name for name in unnamed if not name.isascii()])
    return [_name(info, name, encoding) for info, name in zip(infos, raw, strict=True)]


def encoding_of(names: Sequence[bytes]) -> str:
    """Return the encoding in which all names are words, the likeliest one first; that of MS-DOS when there is none."""
    return next((encoding for encoding, fits in _ENCODINGS if _all_words(names, encoding, fits)), "cp437")


def _raw(info: zipfile.ZipInfo) -> bytes | None:
    """Return the bytes of a name that is not said to be UTF-8."""
    return None if info.flag_bits & _IS_UTF8 else info.orig_filename.encode("cp437")


def _told(info: zipfile.ZipInfo, raw: bytes) -> str | None:
    """Return the name that Info-ZIP's extra field gives (APPNOTE 6.3.10, 4.6.9), None when there is none of this name.

    >>> _told(zipfile.ZipInfo("a.jpg"), b"a.jpg") is None
    True
    """
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and len(body) > 5:
            version, checksum = struct.unpack_from("<BI", body)
            if version == 1 and checksum == zlib.crc32(raw):
                try:
                    return body[5:].decode("utf-8")
                except UnicodeDecodeError:
                    return None
    return None


def _name(info: zipfile.ZipInfo, raw: bytes | None, encoding: str) -> str:
    if raw is None or raw.isascii():
        return info.filename
    told = _told(info, raw)
    name = raw.decode(encoding, "replace") if told is None else told
    return name.split("\0", 1)[0]  # as zipfile cuts them


def _all_words(names: Sequence[bytes], encoding: str, fits: Callable[[str], bool]) -> bool:
    try:
        read = [name.decode(encoding) for name in names]
    except UnicodeDecodeError:
        return False
    if any(_MIXED.search(name) for name in read):
        return False
    return all(fits(letter) for name in read for letter in name if letter > "\x7f")


def _any(_letter: str) -> bool:
    return True


def _is_hangul(letter: str) -> bool:
    return "가" <= letter <= "힣"


def _is_cyrillic(letter: str) -> bool:
    return "Ѐ" <= letter <= "ӿ" or letter == "№"


def _is_western(letter: str) -> bool:
    return letter <= "ɏ" and unicodedata.category(letter).startswith("L") and letter not in "ªº"


def _is_east_asian(letter: str) -> bool:
    """Return whether a letter is Chinese, Japanese or full-width; other encodings look like half-width kana."""
    return "\u3000" <= letter <= "ヿ" or "一" <= letter <= "鿿" or "！" <= letter <= "～"


_ENCODINGS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("utf-8", _any),  # what is UTF-8 by chance is rare: two bytes of it are one letter of another kind
    ("cp437", _is_western),
    ("euc_kr", _is_hangul),
    ("cp866", _is_cyrillic),
    ("cp1251", _is_cyrillic),
    ("cp932", _is_east_asian),
    ("gbk", _is_east_asian),
    ("big5", _is_east_asian),
    ("cp1252", _is_western),
)
