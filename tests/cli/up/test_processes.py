"""Processes run side by side, are started again when they die, and end together; each one here is a real one."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis

from cli.up import processes
from cli.up.lines import Lines
from cli.up.process import Command
from cli.up.processes import LocalProcesses
from mien.bus.embedded import EmbeddedBroker
from tests.support.ports import free_port
from tests.support.waiting import wait_until

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


def python(
    name: str, code: str, *, may_end: bool = False, part: str = "process", died: Callable[[int], None] | None = None
) -> Command:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    arguments = (sys.executable, "-c", f"import os, signal, subprocess, sys\n{code}")
    return Command(name, arguments, environment, may_end, part, died)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def hang_up_and_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    ctrl_c()


def run(said: Said, *commands: Command) -> str:
    with LocalProcesses(Lines(said)) as running:
        for command in commands:
            running.start(command)
        return running.run()


def test_what_dies_is_started_again_and_the_others_run_on(said: Said) -> None:
    died: list[int] = []
    victim = python("victim", ENDS_WHEN_ASKED, part="live worker", died=died.append)

    def kill_it() -> None:
        said.when("victim | here", ctrl_c)
        os.kill(int(re.findall(r"victim started \(pid=(\d+)\)", said.getvalue())[-1]), signal.SIGKILL)

    said.when("victim | here", kill_it)
    assert run(said, python("stays", ENDS_WHEN_ASKED), victim) == ""
    lines = said.lines()
    assert "system | live worker victim ended (killed by SIGKILL), started again at once" in lines
    assert lines.count("system | victim started") == 2
    assert lines.count("system | stays started") == 1
    assert lines.count("system | stays stopped (rc=-15)") == 1
    first, second = re.findall(r"victim started \(pid=(\d+)\)", said.getvalue())
    assert died == [int(first)]
    assert first != second


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_what_dies_five_times_within_a_minute_ends_all_and_is_named(said: Said, code: int) -> None:
    began_s = time.monotonic()
    dies = python("jobs", f"print('a last line'); sys.exit({code})", part="jobs worker")
    why = run(said, python("stays", ENDS_WHEN_ASKED), dies)
    assert time.monotonic() - began_s < 20, "a mistake in the settings is said soon"
    reason = "; it said: a last line" if code else ""
    assert why == f"jobs worker jobs ended 5 times within a minute (the last time: exit code {code}{reason})"
    lines = said.lines()
    assert f"system | {why}" in lines
    waits = [line.rpartition("started again ")[2] for line in lines if "started again" in line]
    assert waits == ["at once", "in 0.2 s", "in 0.4 s", "in 0.8 s"]
    assert lines.count("system | jobs started") == 5
    assert lines[-2:] == ["system | sending SIGTERM to stays", "system | stays stopped (rc=-15)"]


def test_each_part_has_deaths_of_its_own(said: Said) -> None:
    """Four deaths of two parts are eight, and still no reason to end."""
    script = "import pathlib\np = pathlib.Path(sys.argv[1])\nn = len(p.read_text()) if p.exists() else 0\n"
    script += (
        "p.write_text('x' * (n + 1))\nif n < 4: os.kill(os.getpid(), signal.SIGKILL)\nprint('here')\nsignal.pause()"
    )
    with tempfile.TemporaryDirectory() as folder:
        commands = [
            Command(name, (sys.executable, "-c", f"import os, signal, sys\n{script}", f"{folder}/{name}"), os.environ)
            for name in ("one", "two")
        ]
        here: list[str] = []

        def note(name: str) -> None:
            here.append(name)
            if len(here) == len(commands):
                ctrl_c()

        for command in commands:
            said.when(f"{command.name} | here", partial(note, command.name))
        assert run(said, *commands) == ""
    assert sum("started again" in line for line in said.lines()) == 8


def test_a_port_that_a_child_of_a_killed_one_holds_is_free_for_the_next(said: Said) -> None:
    port = free_port()
    code = (
        "import socket\nlistener = socket.socket()\n"
        "listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        f"listener.bind(('127.0.0.1', {port})); listener.listen()\n"
        "child = os.fork()\nif child: print('listens')\nsignal.pause()"
    )

    def kill_it() -> None:
        said.when("page | listens", ctrl_c)
        os.kill(int(re.findall(r"page started \(pid=(\d+)\)", said.getvalue())[-1]), signal.SIGKILL)

    said.when("page | listens", kill_it)
    assert run(said, python("page", code)) == ""
    assert sum("started again" in line for line in said.lines()) == 1, "the first try found the port taken"


@pytest.mark.parametrize("durable", [False, True])
def test_a_broker_that_dies_comes_back_on_the_same_socket(said: Said, tmp_path: Path, durable: bool) -> None:
    with (
        EmbeddedBroker(keep_in=tmp_path if durable else None) as broker,
        LocalProcesses(Lines(said)) as running,
        redis.Redis.from_url(broker.url) as client,
    ):
        client.set("kept", "yes")
        before = broker.pid
        running.keep("broker of jobs", broker)
        running.start(python("stays", ENDS_WHEN_ASKED))
        said.when("stays | here", lambda: os.kill(before, signal.SIGKILL))
        said.when("started again", lambda: threading.Thread(target=wait_and_stop).start())

        def wait_and_stop() -> None:
            wait_until(lambda: broker.pid != before and answers(client), 30, "the broker")
            ctrl_c()

        assert running.run() == ""
        assert client.get("kept") == (b"yes" if durable else None)
    assert "system | broker of jobs ended (killed by SIGKILL), started again at once" in said.lines()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all(said: Said, number: signal.Signals) -> None:
    said.when("two | here", lambda: os.kill(os.getpid(), number))
    assert run(said, python("one", ENDS_WHEN_ASKED), python("two", ENDS_WHEN_ASKED)) == ""
    received = f"system | {number.name} received"
    assert {received, "system | one stopped (rc=-15)", "system | two stopped (rc=-15)"} <= set(said.lines())


def test_under_nohup_a_terminal_that_goes_is_no_reason_to_end(said: Said) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        said.when("stays | here", hang_up_and_ctrl_c)
        assert run(said, python("stays", ENDS_WHEN_ASKED)) == ""
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "system | SIGHUP received" not in said.lines()


@pytest.mark.parametrize("code", [0, 2])
def test_what_has_an_end_or_cannot_run_is_not_started_again(said: Said, code: int) -> None:
    said.when("film stopped", ctrl_c)
    film = python("film", f"sys.exit({code})", may_end=True, part="producer")
    assert run(said, python("stays", ENDS_WHEN_ASKED), film) == ""
    lines = said.lines()
    assert lines.index(f"system | film stopped (rc={code})") < lines.index("system | SIGINT received")
    assert lines.count("system | film started") == 1


@pytest.mark.parametrize(
    ("end", "how"), [("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"), ("sys.exit(1)", "exit code 1")]
)
def test_a_film_that_was_killed_or_failed_is_started_again(said: Said, end: str, how: str) -> None:
    why = run(said, python("film", end, may_end=True, part="producer"))
    assert why == f"producer film ended 5 times within a minute (the last time: {how})"
    assert said.lines().count("system | film started") == 5


def test_what_does_not_end_when_asked_is_killed(said: Said) -> None:
    said.when("stays | here", ctrl_c)
    before_s = time.monotonic()
    assert run(said, python("stays", HEARS_AND_STAYS)) == ""
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
    assert run(said, python("stays", HEARS_AND_STAYS)) == ""
    assert said.lines()[-1] == "system | stays stopped (rc=-9)"


def test_a_child_in_the_group_is_asked_to_end_too(said: Said) -> None:
    said.when("parent | child", ctrl_c)
    code = (
        "child = subprocess.Popen(['sleep', '3600'])\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(-child.wait()))\n"
        "print('child', child.pid)\n"
        "signal.pause()"
    )
    assert run(said, python("parent", code)) == ""
    assert said.lines()[-1] == f"system | parent stopped (rc={signal.SIGTERM})"


def test_the_end_is_seen_although_a_child_holds_the_output(said: Said) -> None:
    code = "child = subprocess.Popen(['sleep', '3600'], start_new_session=True)\nprint('child', child.pid)"
    before_s = time.monotonic()
    assert run(said, python("parent", code, may_end=True)) == ""
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
        assert running.run() == ""
        assert running.stopping.is_set()
        running.start(python("late", ENDS_WHEN_ASKED))
        assert running.run() == "", "nothing starts any more"
    assert len(said.pids()) == 2


def test_a_command_that_cannot_be_started_leaves_nothing_behind(said: Said) -> None:
    with pytest.raises(FileNotFoundError):
        run(said, python("stays", ENDS_WHEN_ASKED), Command("none", ("/no/such/program",), {}))


def test_the_handlers_of_signals_are_given_back(said: Said) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    run(said, python("ends", "", may_end=True))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
