"""A result shows what was read: as JSON types, as a table, as a picture."""

from __future__ import annotations

import base64
import json
import pickle
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import PictureError, RuntimeMissing
from mien.pixels import Rgb
from mien.types import EMOTIONS, Face, FrameResult
from models.notebook.result import PictureResult
from models.pictures.given import photo_of, whole
from models.pictures.overlay import GREEN, draw_faces
from models.pictures.photo import Photo
from models.pictures.picture import decode, encode_jpeg

HAPPY = (0.01, 0.01, 0.01, 0.01, 0.9, 0.04, 0.01, 0.01)
FACE = Face((100.0, 60.0, 80.0, 90.0), "happy", 0.9, HAPPY, 0.8, 0.2)
TRACKED = Face(
    (10, 10, 20, 20), "sad", 0.5, HAPPY, 0, 0, track="2", smoothed=HAPPY, label="happy", label_confidence=0.9
)


def grey(height: int = 300, width: int = 400) -> Rgb:
    return np.full((height, width, 3), 90, np.uint8)


def a_result(*faces: Face, rgb: Rgb | None = None, seconds: float | None = None) -> PictureResult:
    picture = grey() if rgb is None else rgb
    return PictureResult.of("a.jpg", whole(picture), faces, partial(photo_of, picture), 25 if seconds else 0, seconds)


def test_a_result_is_a_frame_result_whose_json_is_that_of_photos_and_comes_back() -> None:
    result = a_result(FACE)
    assert isinstance(result, FrameResult)
    assert result.to_dict() == {"path": "a.jpg", "width": 400, "height": 300, "faces": [FACE.to_dict()]}
    assert PictureResult.from_json(result.to_json()) == result
    frame = a_result(TRACKED, seconds=1.04)
    assert json.loads(frame.to_json())["seconds"] == 1.04
    assert PictureResult.from_json(frame.to_json()) == frame
    failed = PictureResult.failed("b.jpg", "is empty")
    assert failed.to_dict() == {"path": "b.jpg", "reason": "is empty"}
    assert PictureResult.from_json(failed.to_json()) == failed


def test_pixels_are_neither_compared_nor_printed_but_travel_to_other_processes() -> None:
    result = a_result(FACE)
    assert result == a_result(FACE, rgb=grey() // 2)
    assert "reopen" not in repr(result)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(result)).pixels(), grey())


def test_the_annotated_picture_is_a_copy_with_the_overlay_of_the_product() -> None:
    picture = grey()
    expected = grey()
    draw_faces(expected, [FACE])
    np.testing.assert_array_equal(a_result(FACE, rgb=picture).annotated(), expected)
    np.testing.assert_array_equal(picture, grey())
    small = a_result(FACE).annotated(200)
    assert small.shape == (150, 200, 3)
    assert tuple(small[60, 50]) == GREEN  # the left edge of the box, at half the size


def test_faces_of_a_photo_that_was_scaled_down_are_in_pixels_of_the_file() -> None:
    small = Photo(grey(), 1600, 1200)
    result = PictureResult.of("a.jpg", small, (FACE,), lambda: small)
    assert (result.width, result.height) == (1600, 1200)
    assert result.faces[0].box == (400, 240, 320, 360)
    np.testing.assert_array_equal(result.annotated(), a_result(FACE).annotated())


def test_what_has_no_picture_any_more_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), grey())
    result = PictureResult.of(str(path), whole(grey()), (FACE,), partial(photo_of, path))
    np.testing.assert_array_equal(result.pixels(), grey())
    path.unlink()
    with pytest.raises(PictureError, match="does not exist"):
        result.pixels()
    assert "happy" in result._repr_html_()
    assert "<img" not in result._repr_html_()
    with pytest.raises(PictureError, match="has no picture: is empty"):
        PictureResult.failed("b.jpg", "is empty").plot()


def test_a_table_has_a_row_for_each_face_and_always_the_same_columns() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed: mien[notebook]")
    table = a_result(FACE, FACE).to_pandas()
    assert list(table["face"]) == [1, 2]
    assert table.loc[0, ["x", "y", "width", "height"]].tolist() == [100, 60, 80, 90]
    assert table.loc[0, list(EMOTIONS)].tolist() == list(HAPPY)
    assert "seconds" not in table
    both = pd.concat([a_result().to_pandas(), table], ignore_index=True)
    pd.testing.assert_frame_equal(both, table)


def test_a_table_of_a_frame_has_its_time_track_and_label() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: mien[notebook]")
    row = a_result(TRACKED, seconds=1.04).to_pandas().iloc[0]
    assert (row["frame"], row["seconds"], row["track"]) == (25, 1.04, "2")
    assert (row["emotion"], row["label"], row["label_confidence"]) == ("sad", "happy", 0.9)


def test_a_plot_is_in_pixels_of_the_picture_however_large_it_is() -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed: mien[notebook]").use("Agg")
    from matplotlib import pyplot

    ax = a_result(FACE, rgb=grey(1500, 2000), seconds=2.5).plot()
    try:
        assert ax.get_xlim() == (-0.5, 1999.5)
        assert ax.get_ylim() == (1499.5, -0.5)
        assert ax.get_title() == "a.jpg at 2.50 s"
        (image,) = ax.get_images()
        assert np.asarray(image.get_array()).shape == (960, 1280, 3)
        assert a_result(FACE).plot(ax) is ax
    finally:
        pyplot.close("all")


def test_a_notebook_shows_a_small_picture_and_a_table() -> None:
    shown = a_result(FACE, rgb=grey(1500, 2000))._repr_html_()
    encoded = re.search(r'src="data:image/jpeg;base64,([^"]+)"', shown)
    assert encoded is not None
    assert decode(base64.b64decode(encoded[1])).shape == (480, 640, 3)
    assert "<td>happy</td><td>90 %</td><td>+0.80</td><td>+0.20</td>" in shown
    assert "<td>2</td><td>happy</td><td>90 %</td>" in a_result(TRACKED, seconds=1.04)._repr_html_()
    assert "no face" in a_result()._repr_html_()


def test_names_of_files_cannot_write_into_a_notebook() -> None:
    name = "<script>alert(1)<script>.jpg"
    for result in (
        PictureResult.failed(name, "<b>"),
        PictureResult.of(name, whole(grey()), (), partial(photo_of, grey())),
    ):
        assert "<script" not in result._repr_html_()
        assert "<b>" not in result._repr_html_()


def test_bytes_can_be_drawn_again() -> None:
    data = encode_jpeg(grey())
    assert PictureResult.of("", whole(grey()), (), partial(photo_of, data)).annotated().shape == (300, 400, 3)


@pytest.mark.parametrize(("package", "ask"), [("pandas", PictureResult.to_pandas), ("matplotlib", PictureResult.plot)])
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    package: str, ask: Callable[[PictureResult], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeMissing, match=rf"needs {package}: install mien\[notebook\]"):
        ask(a_result(FACE))
