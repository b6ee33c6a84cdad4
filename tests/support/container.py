"""A container that has fewer cores than its machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien import machine


def limit_cores(folder: Path, monkeypatch: pytest.MonkeyPatch, cores: float = 1) -> None:
    """Put this process into a control group (version 2, its files in `folder`) that may use so many cores."""
    (folder / "cpu.max").write_text(f"{round(100_000 * cores)} 100000\n")
    monkeypatch.setattr(machine, "_groups", lambda _controller: [folder])
