from __future__ import annotations

from typing import Any

import pytest

from mien.errors import InputError
from mien.jobs.options import MOST_EVERY, check_job_options


def test_options_are_stored_as_they_were_given_and_formats_in_one_order() -> None:
    assert check_job_options("photos", {}) == {}
    asked = {"annotate": False, "formats": ["parquet", "csv"], "every": MOST_EVERY, "baseline": "auto"}
    assert check_job_options("video", asked) == {**asked, "formats": ["csv", "parquet"]}
    known = {"annotate": False, "crops": True, "source": "faces", "split": "test"}
    assert check_job_options("evaluation", known) == known


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("video", {"formats": ["json"]}),
        ("video", {"formats": ["csv", "json"]}),
        ("video", {"formats": []}),
        ("video", {"formats": "csv"}),
        ("video", {"every": 0}),
        ("video", {"every": MOST_EVERY + 1}),
        ("video", {"every": True}),
        ("video", {"annotate": "yes"}),
        ("video", {"baseline": "on"}),
        ("video", {"baseline": True}),
        ("photos", {"baseline": "auto"}),
        ("photos", {"every": 2}),
        ("photos", {"formats": ["exe"]}),
        ("photos", {"formats": [7]}),
        ("photos", {"crops": True}),
        ("evaluation", {"formats": ["csv"]}),
        ("evaluation", {"source": 7}),
    ],
)
def test_what_a_kind_of_job_does_not_have_is_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{kind}"):
        check_job_options(kind, options)
