"""`python -m bench` finds every bench, and every bench that is named somewhere is there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bench.__main__ import FOLDER, ROOMS, benches
from bench.report.table import BENCHES, SMOKE
from tests.support.paths import ROOT

NAMED = re.compile(r"python -m bench[ .](\w+)|`bench (\w+)|\bbench ([a-z]\w+) --")
MODULE = re.compile(r"[\"'](bench\.\w+\.\w+)[\"']")
# Read their arguments themselves: others start them.
NO_HELP = {"classic_loop", "fer_loop", "mien_loop", "on_beat", "stub_worker", "watch"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_the_list_names_every_program_with_a_sentence() -> None:
    listed = bench()
    assert listed.returncode == 0
    lines = listed.stdout.splitlines()
    programs = {
        path.stem
        for room in ROOMS
        for path in (FOLDER / room).glob("*.py")
        if '__name__ == "__main__"' in path.read_text()
    }
    assert programs == set(benches())
    for each in benches().values():
        assert any(line.split(maxsplit=1) == [each.name, each.sentence] for line in lines), each.name
    assert "How fast it is." in lines


def test_a_name_that_is_none_is_refused_in_one_line() -> None:
    refused = bench("speed")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("no bench is called 'speed': choose one of ")


def test_arguments_go_to_the_bench() -> None:
    ended = bench("old_labels", "nowhere.npz", "--out", "nowhere")
    assert ended.returncode != 0
    assert "nowhere.npz" in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(benches()) - NO_HELP))
def test_every_bench_explains_itself(name: str) -> None:
    helped = bench(name, "--help")
    assert helped.returncode == 0, helped.stderr
    assert helped.stdout.startswith("usage: ")


def test_every_bench_that_is_named_somewhere_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "Makefile"]
    programs = [
        path for folder in ("bench", "mien", "models", "worker", "tests") for path in (ROOT / folder).rglob("*.py")
    ]
    named = {
        (path.relative_to(ROOT).as_posix(), next(filter(None, found)))
        for path in (*pages, *programs)
        for found in NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    assert {(page, name) for page, name in named if name not in (*benches(), "NAME")} == set()


def test_the_modules_that_benches_start_are_benches() -> None:
    modules = {module for path in FOLDER.rglob("*.py") for module in MODULE.findall(path.read_text())}
    assert len(modules) > 15
    assert modules <= {each.module for each in benches().values()}
    assert {command[0] for command in (*BENCHES.values(), *SMOKE.values())} <= modules
