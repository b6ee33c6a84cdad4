"""The font of pictures: DejaVu Sans, which comes with matplotlib, and texts that it can show."""

from __future__ import annotations

from pathlib import Path

from mien.errors import RuntimeMissing


def font_file(*, bold: bool = False) -> str:
    """Return the path of the font's file; raises RuntimeMissing without matplotlib."""
    try:
        from matplotlib import get_data_path
    except ImportError as error:
        raise RuntimeMissing("pictures of a timeline need matplotlib: install mien[video]") from error
    return str(Path(get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf")


def printable(text: str) -> str:
    """Return a text with `?` for what the font cannot draw: some scripts, control characters."""
    from matplotlib.ft2font import FT2Font

    font = FT2Font(font_file())
    return "".join(letter if letter.isprintable() and font.get_char_index(ord(letter)) else "?" for letter in text)


def shortened(text: str, most: int) -> str:
    """Return a text with its middle left out where it has more than `most` letters: names differ at both ends.

    >>> shortened("a_long_name_of_a_video.mp4", 16)
    'a_long_nam…o.mp4'
    """
    if len(text) <= most:
        return text
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"
