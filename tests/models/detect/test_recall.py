"""At the default setting nine in ten faces of 48 px and more are found in a 720p frame."""

from __future__ import annotations

import pytest

from bench.quality import recall
from models.detect.detector import open_detector
from tests.support.demo_media import DEFAULT_FOLDER
from tests.support.media import demo_media


def test_nine_in_ten_faces_of_48_px_and_more_are_found() -> None:
    demo_media("multi_face.jpg")
    faces, free = recall.sources(DEFAULT_FOLDER), recall.backgrounds(DEFAULT_FOLDER)
    detector = open_detector()
    rows = [
        recall.measure(detector, size, list(recall.scenes(size, faces, free, 52))) for size in recall.SMOKE_SIZES_PX
    ]
    assert sum(row.found for row in rows) >= 0.9 * sum(row.faces for row in rows)
    # Of the smallest alone so few are shown that two more or less are chance.
    assert rows[0].share >= 0.85
    assert sum(row.extra for row in rows) <= 0.3 * sum(row.frames for row in rows)


def test_the_bench_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    demo_media("multi_face.jpg")
    assert recall.main(["--smoke", "--json", "--detectors", "blazeface"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["detectors"]["blazeface"]["recall"]) == {str(size) for size in recall.SMOKE_SIZES_PX}
