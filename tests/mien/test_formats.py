from __future__ import annotations

import sys

import pytest

from mien.errors import InputError, RuntimeMissing
from mien.formats import FORMATS, JOB_FORMATS, check_formats, check_installed, check_priority, formats_of, named


def test_formats_come_once_each_and_in_one_order_however_they_were_named() -> None:
    assert check_formats(named(" Parquet,csv,csv ")) == ("csv", "parquet")
    assert check_formats(["parquet", "json", "csv"]) == FORMATS


@pytest.mark.parametrize("wrong", ["", "csv,xls", "../csv", ","])
def test_what_is_no_format_is_refused_with_the_ones_that_are(wrong: str) -> None:
    with pytest.raises(InputError, match=r"there is no format .*: choose from csv, json, parquet"):
        check_formats(named(wrong))


@pytest.mark.parametrize("kind", ["photos", "video"])
def test_a_kind_of_job_has_exactly_its_formats(kind: str) -> None:
    for name in (*FORMATS, "xls"):
        if name in JOB_FORMATS[kind]:
            assert formats_of(kind, {"formats": [name]}) == (name,)
        else:
            with pytest.raises(InputError, match=f"no format '{name}' for jobs of kind {kind}"):
                formats_of(kind, {"formats": [name]})


def test_without_a_word_a_job_has_the_usual_formats() -> None:
    assert formats_of("photos", {}) == ("csv", "json")
    assert formats_of("video", {}) == ("csv",)
    with pytest.raises(InputError, match="jobs of kind evaluation: choose from none"):
        formats_of("evaluation", {})


def test_a_format_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_installed(["csv", "json"])
    with pytest.raises(RuntimeMissing, match=r"install mien\[parquet\]"):
        check_installed(["csv", "parquet"])


def test_what_is_no_priority_is_refused() -> None:
    assert check_priority("low") == "low"
    for wrong in ("", "LOW", "urgent"):
        with pytest.raises(InputError, match="choose from high, normal, low"):
            check_priority(wrong)
