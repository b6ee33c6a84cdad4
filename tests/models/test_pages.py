from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from models.pages import data_uri, render
from tests.support.paths import ROOT

RESULT = "models.notebook/result.html.j2"
NASTY = "<script>alert('\"&')</script>"


def test_all_text_is_escaped() -> None:
    faces = [(NASTY, "happy", "90 %", "+0.10", "−0.20")]
    for page in (
        render(RESULT, title=NASTY, reason=NASTY, jpeg=None, faces=[]),
        render(RESULT, title=NASTY, reason="", jpeg=b"\xff", faces=faces),
    ):
        assert page.count("<script") == 0
        assert page.count("&lt;script&gt;") >= 2


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="title"):
        render(RESULT, reason="gone", jpeg=None, faces=[])


def test_a_file_becomes_an_address() -> None:
    assert data_uri(b"abc", "image/png") == "data:image/png;base64,YWJj"


@pytest.mark.parametrize("template", [path.relative_to(ROOT) for path in ROOT.glob("[mw]*/**/*.html.j2")], ids=str)
def test_what_is_not_escaped_is_code_and_data_of_our_own(template: Path) -> None:
    text = resources.files(".".join(template.parent.parts)).joinpath(template.name).read_text("utf-8")
    unescaped = {part.rsplit("{{", 1)[-1].strip() for part in text.split("| safe }}")[:-1]}
    assert unescaped <= {"policy", "css", "data", "plotly", "script"}
