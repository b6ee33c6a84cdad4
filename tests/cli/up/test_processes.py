"""Processes run side by side, and end together, whatever ends first; each one here is a real one."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.up import processes
from cli.up.lines import Lines
from cli.up.processes import Command, LocalProcesses

ENDS_WHEN_ASKED = "print('here'); signal.pause()"
HEARS_AND_STAYS = "signal.signal(signal.SIGTERM, lambda *_: print('I stay'))\nprint('here')\nwhile True: signal.pause()"


class Said(io.StringIO):
    """What was printed; `when` does something as soon as a line contains a text."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: dict[str, Callable[[], object]] = {}

    def when(self, text: str, do: Callable[[], object]) -> None:
        self._awaited[text] = do

    def write(self, text: str) -> int:
        for awaited in [awaited for awaited in self._awaited if awaited in re.sub(r" +\| ", " | ", text)]:
            self._awaited.pop(awaited)()
        return super().write(text)

    def lines(self) -> list[str]:
        """Return all lines, without the time, the process ids and the spaces that align them."""
        lines = re.sub(r"^\d\d:\d\d:\d\d ", "", self.getvalue(), flags=re.MULTILINE).splitlines()
        return [re.sub(r" \(pid.*?\)", "", re.sub(r" +\| ", " | ", line)) for line in lines]

    def pids(self) -> set[int]:
        return {int(pid) for pid in re.findall(r"started \(pid=(\d+)\)", self.getvalue())}


@pytest.fixture
def said() -> Iterator[Said]:
    """What a test's processes say; none of them is there after the test, not even as a zombie."""
    said = Said()
    yield said
    assert said.pids()
    assert not {pid for pid in said.pids() if Path(f"/proc/{pid}").exists()}


def python(name: str, code: str, *, may_end: bool = False) -> Command:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    arguments = (sys.executable, "-c", f"import os, signal, subprocess, sys\n{code}")
    return Command(name, arguments, environment, may_end)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def run(said: Said, *commands: Command) -> bool:
    with LocalProcesses(Lines(said)) as running:
        for command in commands:
            running.start(command)
        return running.run()


def test_what_ends_ends_all(said: Said) -> None:
    ended = python("ends", "print('a last line'); sys.exit(3)")
    assert not run(said, python("stays", ENDS_WHEN_ASKED), ended)
    lines = said.lines()
    assert lines.index("ends | a last line") < lines.index("system | ends stopped (rc=3)")
    assert lines[-2:] == ["system | sending SIGTERM to stays", "system | stays stopped (rc=-15)"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(said: Said, number: signal.Signals) -> None:
    said.when("two | here", lambda: os.kill(os.getpid(), number))
    assert run(said, python("one", ENDS_WHEN_ASKED), python("two", ENDS_WHEN_ASKED))
    received = f"system | {number.name} received"
    assert {received, "system | one stopped (rc=-15)", "system | two stopped (rc=-15)"} <= set(said.lines())


def test_what_may_end_leaves_the_others(said: Said) -> None:
    said.when("film stopped", ctrl_c)
    assert run(said, python("stays", ENDS_WHEN_ASKED), python("film", "sys.exit(1)", may_end=True))
    lines = said.lines()
    assert lines.index("system | film stopped (rc=1)") < lines.index("system | SIGINT received")


def test_what_does_not_end_when_asked_is_killed(said: Said) -> None:
    said.when("stays | here", ctrl_c)
    before_s = time.monotonic()
    assert run(said, python("stays", HEARS_AND_STAYS))
    assert time.monotonic() - before_s >= processes._KILL_AFTER_S
    assert said.lines()[-3:] == [
        "stays | I stay",
        "system | sending SIGKILL to stays",
        "system | stays stopped (rc=-9)",
    ]


def test_the_second_ctrl_c_kills_at_once(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_KILL_AFTER_S", 3600.0)
    said.when("stays | here", ctrl_c)
    said.when("I stay", ctrl_c)
    assert run(said, python("stays", HEARS_AND_STAYS))
    assert said.lines()[-1] == "system | stays stopped (rc=-9)"


def test_a_child_in_the_group_is_asked_to_end_too(said: Said) -> None:
    said.when("parent | child", ctrl_c)
    code = (
        "child = subprocess.Popen(['sleep', '3600'])\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(-child.wait()))\n"
        "print('child', child.pid)\n"
        "signal.pause()"
    )
    assert run(said, python("parent", code))
    assert said.lines()[-1] == f"system | parent stopped (rc={signal.SIGTERM})"


def test_the_end_is_seen_although_a_child_holds_the_output(said: Said) -> None:
    code = "child = subprocess.Popen(['sleep', '3600'], start_new_session=True)\nprint('child', child.pid)"
    before_s = time.monotonic()
    assert not run(said, python("parent", code))
    took_s = time.monotonic() - before_s
    os.kill(int(re.findall(r"child (\d+)", said.getvalue())[0]), signal.SIGKILL)
    assert took_s < 30
    assert said.lines()[-1] == "system | parent stopped (rc=0)"


def test_a_process_can_be_added_while_others_run(said: Said) -> None:
    with LocalProcesses(Lines(said)) as running:
        added = python("added", ENDS_WHEN_ASKED)
        said.when("first | here", lambda: threading.Thread(target=running.start, args=(added,)).start())
        said.when("added | here", ctrl_c)
        running.start(python("first", ENDS_WHEN_ASKED))
        assert running.run()
        assert running.stopping.is_set()
        running.start(python("late", ENDS_WHEN_ASKED))
        assert running.run(), "nothing starts any more"
    assert len(said.pids()) == 2


def test_a_command_that_cannot_be_started_leaves_nothing_behind(said: Said) -> None:
    with pytest.raises(FileNotFoundError):
        run(said, python("stays", ENDS_WHEN_ASKED), Command("none", ("/no/such/program",), {}))


def test_the_handlers_of_signals_are_given_back(said: Said) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(said, python("ends", ""))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
