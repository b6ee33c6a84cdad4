"""Every Python example of the docs runs as it stands, on real pictures, and finds what is in them."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import pytest

from models.analyzer import open_analyzer
from models.pictures.picture import encode_jpeg
from tests.support.media import astronaut, demo_media
from tests.support.paths import ROOT

NOTEBOOKS = ROOT / "docs" / "notebooks.md"
_EXAMPLE = re.compile(r"^## (?P<title>.+?)$(?:(?!^## ).*?)^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

EXAMPLES = {found["title"]: found["code"] for found in _EXAMPLE.finditer(NOTEBOOKS.read_text())}

# What the names that an example leaves must hold, beside that it ran.
CHECKS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "A photo": lambda names: len(names["result"].faces) == 5 and "<img" in names["result"]._repr_html_(),
    "A plot": lambda names: Path("faces.png").stat().st_size > 10_000,
    "Pixels instead of files": lambda names: (
        [[face.emotion for face in names[name].faces] for name in ("of_bytes", "of_pil", "of_array", "of_opencv")]
        == [["happy"]] * 4
    ),
    "Many photos in one table": lambda names: len(names["table"]) == 6 and [*names["unread"]] == ["photos/notes.txt"],
    "A video as a timeline": lambda names: set(names["shares"].index.get_level_values("track")) == {"1"},
    "A moment of a video": lambda names: names["happiest"].seconds > 0 and Path("happiest.png").is_file(),
    "Settings of your own": lambda names: names["small_faces"].runtime == "onnxruntime",
    "Two detectors side by side": lambda names: list(names["counts"].columns) == ["blazeface", "haar"],
    "Measured on your own pictures": lambda names: names["accuracy"] == 1.0,
}


_opened_once = functools.cache(open_analyzer)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the examples work in."""
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed: mien[notebook]").use("Agg")
    portrait = astronaut()
    for name, source in {"family.jpg": "multi_face.jpg", "talk.mp4": "WolfgangLanger_Pexels.mp4"}.items():
        shutil.copyfile(demo_media(source), tmp_path / name)
    cv2.imwrite(str(tmp_path / "portrait.png"), portrait[:, :, ::-1])
    (tmp_path / "photos").mkdir()
    shutil.copyfile(tmp_path / "family.jpg", tmp_path / "photos" / "family.jpg")
    (tmp_path / "photos" / "portrait.jpg").write_bytes(encode_jpeg(portrait))
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "labelled" / "happy").mkdir(parents=True)
    (tmp_path / "labelled" / "happy" / "1.jpg").write_bytes(encode_jpeg(portrait))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIEN_RUNTIME", "onnxruntime")  # nothing is measured first: quicker
    monkeypatch.setattr("models.notebook.analyzer.open_analyzer", _opened_once)
    return tmp_path


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_of_the_docs_runs(title: str, place: Path) -> None:
    from matplotlib import pyplot

    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(EXAMPLES[title], f"docs/notebooks.md: {title}", "exec"), names)
        assert CHECKS[title](names)
    finally:
        pyplot.close("all")


def test_every_example_is_short_and_checked() -> None:
    assert EXAMPLES.keys() == CHECKS.keys()
    assert NOTEBOOKS.read_text().count("```python") == len(EXAMPLES)
    assert all(len(code.splitlines()) <= 13 for code in EXAMPLES.values())
