"""Names that scripts rely on do not change unseen."""

from __future__ import annotations

import inspect

import mien.errors
import mien.types
from mien import FaceAnalyzer


def test_the_error_tree_is_the_one_that_is_drawn() -> None:
    drawn = {line.strip("│├└─ ").split()[0] for line in (mien.errors.__doc__ or "").splitlines() if "─" in line}
    defined = {
        name
        for name, value in vars(mien.errors).items()
        if inspect.isclass(value) and issubclass(value, mien.errors.MienError) and name != "MienError"
    }
    assert drawn == defined


def test_the_emotions_and_their_order_stay() -> None:
    assert mien.types.EMOTIONS == ("anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert mien.types.UNCERTAIN == "uncertain"


def test_the_reasons_for_a_drop_stay() -> None:
    assert [reason.value for reason in mien.types.DropReason] == [
        "superseded", "stale", "undecodable", "trimmed", "overload", "worker_lost",
    ]  # fmt: skip


def test_what_notebooks_call_stays() -> None:
    takes = {
        name: list(inspect.signature(getattr(FaceAnalyzer, name)).parameters)[1:]
        for name in ("__init__", "analyze", "analyze_many", "video")
    }
    assert takes == {
        "__init__": [
            "detector", "smallest_face_px", "yunet", "weights", "runtime", "emotion_prior", "precision", "threads",
            "smoothing_ms", "photo_max_pixels",
        ],
        "analyze": ["picture"],
        "analyze_many": ["pictures", "errors"],
        "video": ["path", "every", "baseline"],
    }  # fmt: skip


def test_a_result_of_a_picture_is_a_frame_result() -> None:
    from models.notebook.result import PictureResult

    assert issubclass(PictureResult, mien.types.FrameResult)
    for name in ("path", "pixels", "annotated", "to_dict", "to_json", "to_pandas", "plot"):
        assert hasattr(PictureResult, name)
