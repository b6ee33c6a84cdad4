"""The whole check says how long each of its steps took, however it ends."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.paths import ROOT


def run(script: str, folder: Path, **environment: str) -> tuple[int, list[str]]:
    """Run steps; returns the exit code and the lines of the table at the end, without what came before."""
    text = f'set -euo pipefail\n. "{ROOT}/.ci/steps.sh"\n{script}'
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    return done.returncode, lines[lines.index("=== how long it took") + 1 :]


def names_in(table: list[str]) -> list[str]:
    return [re.sub(r"^ +\d+:\d\d  ", "", line) for line in table]


def test_each_step_is_in_the_table(tmp_path: Path) -> None:
    code, table = run('step "one thing" true\nstep two touch made', tmp_path)
    assert (code, names_in(table)) == (0, ["one thing", "two", "in all"])
    assert (tmp_path / "made").exists()


def test_a_step_that_fails_is_the_last_and_is_named(tmp_path: Path) -> None:
    code, table = run("step one true\nstep two bash -c 'exit 3'\nstep three touch made", tmp_path)
    assert (code, names_in(table)) == (3, ["one", "two  FAILED (3)", "in all"])
    assert not (tmp_path / "made").exists()


def test_what_takes_too_long_is_said(tmp_path: Path) -> None:
    code, table = run("SECONDS=2200\nstep one true", tmp_path)
    assert (code, table[-2:]) == (0, ["  36:40  in all", "over the limit of 35 minutes: make a step shorter"])


def test_every_target_that_the_check_makes_is_there() -> None:
    asked = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / ".ci" / "run").read_text()))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert len(asked) > 5
    assert asked <= there
