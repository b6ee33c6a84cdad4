"""Settings are read in order, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import SettingsError
from mien.settings import check_camera_name, load_settings
from mien.settings_page import render
from tests.support.paths import ROOT


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_flags_win_over_the_environment_which_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mien.yaml").write_text("port: 1001\nview_quality: 71\nthreads: 2\n")
    monkeypatch.setenv("MIEN_PORT", "1002")
    monkeypatch.setenv("MIEN_VIEW_QUALITY", "72")
    settings = load_settings(port=1003, host=None)
    assert (settings.port, settings.view_quality, settings.threads, settings.host) == (1003, 72, 2, "127.0.0.1")


def test_an_unknown_key_in_the_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.yaml").write_text("budgetms: 3\n")
    monkeypatch.setenv("MIEN_CONFIG", "other.yaml")
    with pytest.raises(SettingsError, match=r"'budgetms'.*did you mean 'budget_ms'"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port: 8001\nhost: [1", r"mien\.yaml, line 2"),
        ("port: 8001\nhost: a: b", r"mien\.yaml, line 2: mapping values are not allowed here"),
        ("\tport: 1", r"mien\.yaml, line 1"),
        ("- 1", "must hold a setting a line"),
        ("just words", "must hold a setting a line"),
        ("7: 8", "must hold a setting a line"),
        ("? {", r"mien\.yaml, line 1"),
        ('!!python/object/apply:os.system ["id"]', "could not determine a constructor"),
        ("a: *b", "undefined alias"),
        ("&a [*a]", "must hold a setting a line"),
        ('"\\x00"', "must hold a setting a line"),
        ("port: \x00", "special characters are not allowed"),
        ("port: 2001-99-99", "month must be in"),
        ("[" * 100_000, "nested too deep"),
        ("#" * 1_000_001, "more than 1 MB"),
        (b"\xff\xfe\x00port", "can't decode"),
        ("smoothing_ms: .inf", "'smoothing_ms'.*finite"),
        ("smoothing_ms: .nan", "'smoothing_ms'"),
        ("smoothing_ms: 1e999", "'smoothing_ms'.*finite"),
        ("smoothing_ms: 2001-01-01", "'smoothing_ms'"),
        ("port: {a: [1, {b: 2}]}", "'port'"),
        ("host: &a [*a]", "'host'"),
    ],
)
def test_a_file_that_says_nothing_usable_is_one_line(text: str | bytes, said: str) -> None:
    Path("mien.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError, match=said) as raised:
        load_settings()
    assert len(str(raised.value)) < 500
    assert "\n" not in str(raised.value)


def test_a_small_file_that_stands_for_a_large_value_is_one_short_line() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    Path("mien.yaml").write_text("\n".join(lines))
    with pytest.raises(SettingsError, match="'a'") as raised:
        load_settings()
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_a_file_without_settings_leaves_the_defaults(text: str) -> None:
    Path("mien.yaml").write_text(text)
    assert load_settings().port == 8000


@pytest.mark.parametrize("text", ["[1]", "7", "", "{", "[" * 100_000])
def test_a_record_of_mien_up_that_is_none_names_no_brokers(text: str) -> None:
    Path(".mien").mkdir()
    Path(".mien/up.json").write_text(text)
    assert load_settings().bus_url == ""


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_BUDGET", "3")
    with pytest.raises(SettingsError, match="MIEN_BUDGET is not a setting"):
        load_settings()


def test_a_value_that_does_not_fit_is_named() -> None:
    with pytest.raises(SettingsError, match=r"'port'.*70000"):
        load_settings(port=70000)


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", "missing.yaml")
    with pytest.raises(SettingsError, match=r"missing\.yaml"):
        load_settings()


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '"x"'])
def test_a_damaged_record_of_mien_up_is_no_record(text: str) -> None:
    Path(".mien").mkdir()
    Path(".mien/up.json").write_text(text)
    assert load_settings().bus_url == ""


def test_brokers_are_those_that_mien_up_recorded() -> None:
    Path(".mien").mkdir()
    Path(".mien/up.json").write_text('{"bus_url": "unix:///b", "jobs_url": "unix:///j"}')
    assert load_settings().bus_url == "unix:///b"
    assert load_settings(bus_url="redis://x").bus_url == "redis://x"
    assert load_settings(bus_url="redis://x").jobs_url == "unix:///j"


@pytest.mark.parametrize("name", ["lobby", "Lobby-2", "a.b_c", "7"])
def test_a_plain_name_is_a_camera_name(name: str) -> None:
    assert check_camera_name(name) == name


@pytest.mark.parametrize("name", ["", "two words", "a/b", "../x", "-x", "a:b", "é", "a" * 65, "a\n"])
def test_anything_else_is_not(name: str) -> None:
    with pytest.raises(SettingsError, match="camera name"):
        check_camera_name(name)


def test_the_page_of_settings_is_up_to_date() -> None:
    page = ROOT / "docs" / "settings.md"
    assert page.read_text() == render(), "run: python -m mien.settings_page > docs/settings.md"
