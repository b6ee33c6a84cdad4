"""`mien up` runs everything on one machine, starts again what dies, and leaves nothing behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from mien.bus.bus import Bus
from mien.errors import BrokerUnavailable
from mien.machine import usable_cores
from mien.settings import load_settings
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until


@contextmanager
def mien_up(folder: Path, port: int, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `mien up` in `folder`; on the way out, Ctrl-C it if it still runs."""
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up", "--port", str(port), *arguments],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.STDOUT,
            stdout=log,
            text=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(15)


def parts(port: int, path: str, timeout_s: float = 60) -> Generator[tuple[dict[str, str], bytes]]:
    """Yield headers and body of each part of an MJPEG stream, as soon as it is there."""
    deadline = time.monotonic() + timeout_s
    while True:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)) as connection:
            try:
                connection.request("GET", path)
                with closing(connection.getresponse()) as response:
                    if response.status == 200:
                        yield from parts_of(response, deadline)
                        return
            except ConnectionRefusedError:
                pass
        assert time.monotonic() < deadline, f"{path} does not come up"
        time.sleep(0.2)


def parts_of(response: http.client.HTTPResponse, deadline: float) -> Iterator[tuple[dict[str, str], bytes]]:
    headers: dict[str, str] = {}
    while time.monotonic() < deadline:
        line = response.readline().decode().strip()
        if ":" in line:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        elif not line and "content-length" in headers:
            yield headers, response.read(int(headers["content-length"]))
            headers = {}


def get_json(port: int, path: str) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    answer: object = json.loads(response.read())
    connection.close()
    return answer


def children(pid: int) -> set[int]:
    """Return the ids of all processes below `pid`."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found |= {int(child)} | children(int(child))
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}/status").exists()
            and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()}  # fmt: skip


def test_everything_starts_and_two_different_annotated_pictures_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    media = ROOT / ".mien" / "media"
    if media.is_dir():  # the clip that `make setup` fetched
        (tmp_path / ".mien").mkdir()
        (tmp_path / ".mien" / "media").symlink_to(media)
    with mien_up(tmp_path, port) as process:
        seen: dict[str, bytes] = {}
        with closing(parts(port, "/cameras/demo/stream.mjpg")) as stream:
            while len(set(seen.values())) < 10:
                headers, jpeg = next(stream)
                assert jpeg.startswith(b"\xff\xd8")
                if headers.get("x-frame-id"):
                    seen[headers["x-frame-id"]] = jpeg
        monkeypatch.chdir(tmp_path)
        bus = Bus.from_settings(load_settings())
        results = {result.frame_id: result for result in bus.recent_results("demo", 500)}
        assert set(seen) <= results.keys(), "a view without a result of its frame"
        assert any(result.faces for result in results.values()), "no face was read"
        assert bus.counts("demo").balanced
        cameras = get_json(port, "/api/v1/cameras")
        assert "demo" in json.dumps(cameras)
        bus.close()

        below = children(process.pid)
        assert len(below) >= 6
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
        took_s = time.monotonic() - before
        wait_until(lambda: not alive(below), what="its processes to end")
        assert took_s < 15, f"stopping took {took_s:.1f} s (the promise is 3 s)"
    assert not (tmp_path / ".mien" / "up.json").exists()


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with mien_up(tmp_path, port) as process:
            assert process.wait(20) == 1
    (line,) = (tmp_path / "up.log").read_text().splitlines()
    assert re.match(rf"mien: port {port} .*choose another", line)


def test_a_camera_that_is_not_name_and_source_is_refused(tmp_path: Path) -> None:
    with mien_up(tmp_path, free_port(), "--camera", "lobby") as process:
        assert process.wait(20) == 2
    assert "NAME=SOURCE" in (tmp_path / "up.log").read_text()


def test_what_mien_keeps_is_for_its_user_alone_and_results_elsewhere_have_the_modes_of_the_user(tmp_path: Path) -> None:
    kept, out = tmp_path / ".mien", tmp_path / "results"
    old = kept / "jobs" / "0123456789" / "uploads" / "old.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    assert old.stat().st_mode & 0o777 == 0o644
    (kept / "notes.txt").write_text("somebody's own")
    with mien_up(tmp_path, free_port(), "--camera", "one=test://pattern"):
        pid_of(tmp_path, "jobs")
        for picture, arguments in (("a.png", ()), ("b.png", ("--out", str(out)))):
            Image.new("RGB", (64, 64)).save(tmp_path / picture)
            enqueue = [sys.executable, "-m", "cli", "photos", "enqueue", picture, "--wait", *arguments]
            subprocess.run(enqueue, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=60)
        wait_until(lambda: results_flow(tmp_path), 60, "results")
        modes = {
            path.relative_to(kept): path.lstat().st_mode & 0o777
            for path in (kept, *kept.rglob("*"))
            if path.is_file() or len(path.relative_to(kept).parts) < 3
        }  # no folder is open whose parent is not
    assert modes.pop(Path("notes.txt")) == 0o644
    assert {"up.json", "broker", "jobs"} <= {path.parts[0] for path in modes if path.parts}
    assert any(path.name == "results.csv" for path in modes)
    assert {path: mode for path, mode in modes.items() if mode & 0o077} == {}
    assert (out / "results.csv").stat().st_mode & 0o777 == 0o644


def left_in(temporary: Path) -> set[Path]:
    """Return what is in a temporary folder, except for the one file of the user's that ONNX Runtime writes there."""
    return set(temporary.iterdir()) - {temporary / ".ses"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_nothing_outlives_mien_up_when_it_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    port, temporary = free_port(), tmp_path / "tmp"
    temporary.mkdir()
    with mien_up(tmp_path, port, "--camera", "one=test://pattern", TMPDIR=str(temporary)) as process:
        with closing(parts(port, "/cameras/one/stream.mjpg")) as stream:
            next(stream)
        wait_until(lambda: results_flow(tmp_path), 30, "results")
        assert any(temporary.glob("*/broker.sock"))
        below = children(process.pid)
        process.send_signal(number)
        process.wait(20)
        wait_until(lambda: not alive(below), 20, "its processes to end")
        assert left_in(temporary) == set()


def test_what_is_left_when_everything_is_killed_at_once_goes_at_the_next_start(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    arguments = ("--camera", "one=test://pattern")
    with mien_up(tmp_path, free_port(), *arguments, TMPDIR=str(temporary)) as process:
        pid_of(tmp_path, "camera.one")
        below = children(process.pid)
        for pid in (process.pid, *below):
            os.kill(pid, signal.SIGSTOP)
        for pid in (process.pid, *below):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not alive(below), 20, "its processes to end")
    left = left_in(temporary)
    assert left
    with mien_up(tmp_path, free_port(), *arguments, TMPDIR=str(temporary)) as process:
        pid_of(tmp_path, "camera.one")
        assert not left & set(temporary.iterdir())
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert left_in(temporary) == set()


def workers_started(folder: Path) -> int:
    return len(re.findall(r"worker\.\d+ started", (folder / "up.log").read_text()))


def test_a_second_worker_comes_with_the_second_camera_and_goes_with_the_rest(tmp_path: Path) -> None:
    if usable_cores() < 2:
        pytest.skip("one core, one worker")
    port = free_port()
    cameras = [part for name in ("one", "two", "three") for part in ("--camera", f"{name}=test://pattern")]
    with mien_up(tmp_path, port, *cameras) as process:
        wait_until(lambda: workers_started(tmp_path) >= 2, 60, "a second worker")
        below = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
        wait_until(lambda: not alive(below), what="its processes to end")
    assert workers_started(tmp_path) <= usable_cores()
    assert "a worker is added" in (tmp_path / "up.log").read_text()


def test_a_number_of_workers_that_is_given_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = [part for name in ("one", "two") for part in ("--camera", f"{name}=test://pattern")]
    monkeypatch.chdir(tmp_path)
    with mien_up(tmp_path, free_port(), "--workers", "1", *cameras):
        wait_until((tmp_path / ".mien" / "up.json").exists, 30, "the brokers")
        with closing(Bus.from_settings(load_settings())) as bus:
            # Two seconds in which both are live: where cameras are counted, they are counted twice.
            wait_until(lambda: min(bus.counts(name).captured for name in ("one", "two")) > 50, 60, "frames")
    assert workers_started(tmp_path) == 1


def pid_of(folder: Path, name: str) -> int:
    """Return the process id of the last start of a part; waits for the first one."""
    pattern = rf"{re.escape(name)} started \(pid=(\d+)\)"
    wait_until(lambda: re.search(pattern, (folder / "up.log").read_text()) is not None, 30, f"{name} to start")
    return int(re.findall(pattern, (folder / "up.log").read_text())[-1])


def broker_pid(up: int, folder: Path, *, durable: bool) -> int:
    """Return the process id of one of the two brokers: the durable one works in the data folder."""
    brokers = [pid for pid in children(up) if "valkey" in Path(f"/proc/{pid}/exe").readlink().name]
    at_home = [pid for pid in brokers if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder / ".mien")]
    (found,) = at_home if durable else set(brokers) - set(at_home)
    return found


def results_flow(folder: Path) -> bool:
    """Return whether a result of a frame of camera one comes that was captured after now."""
    address = json.loads((folder / ".mien" / "up.json").read_text())["bus_url"]
    with closing(Bus(address, load_settings())) as bus:
        try:
            now_ns = bus.clock.now_ns()
            end_s = time.monotonic() + 0.5
            while time.monotonic() < end_s:
                if any(result.captured_ns > now_ns for result in bus.recent_results("one", 1)):
                    return True
                time.sleep(0.02)
        except BrokerUnavailable:
            pass
    return False


def is_ready(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False


@pytest.mark.slow
def test_each_part_that_is_killed_comes_back_and_results_flow_again(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "up.log"
    parts_of_mien = {
        "worker.1": "live worker worker.1",
        "camera.one": "producer camera.one",
        "jobs": "jobs worker jobs",
        "dashboard": "dashboard",
        "bus": "broker of cameras",
        "queue": "broker of jobs",
    }
    with mien_up(tmp_path, port, "--camera", "one=test://pattern") as process:
        wait_until((tmp_path / ".mien" / "up.json").exists, 30, "the brokers")
        for name, title in parts_of_mien.items():
            wait_until(lambda: results_flow(tmp_path) and is_ready(port), 60, f"results before {title} dies")
            below = children(process.pid)
            if name in ("bus", "queue"):
                pid = broker_pid(process.pid, tmp_path, durable=name == "queue")
            else:
                pid = pid_of(tmp_path, name)
            os.kill(pid, signal.SIGKILL)
            said = f"{title} ended (killed by SIGKILL), started again at once"
            wait_until(lambda said=said: said in log.read_text(), 10, said)  # type: ignore[misc]
            wait_until(lambda: results_flow(tmp_path) and is_ready(port), 60, f"results after {title} died")
            assert process.poll() is None
            assert len(children(process.pid)) == len(below), log.read_text()
        below = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
        wait_until(lambda: not alive(below), what="its processes to end")
    assert log.read_text().count("started again") == len(parts_of_mien)


@pytest.mark.slow
def test_a_live_worker_that_hangs_is_noticed_until_it_goes_on(tmp_path: Path) -> None:
    port = free_port()
    with mien_up(tmp_path, port, "--camera", "one=test://pattern"):
        wait_until((tmp_path / ".mien" / "up.json").exists, 30, "the brokers")
        wait_until(lambda: results_flow(tmp_path) and is_ready(port), 60, "results")
        worker = pid_of(tmp_path, "worker.1")
        os.kill(worker, signal.SIGSTOP)
        try:
            wait_until(lambda: not is_ready(port), 30, "the dashboard to say that no results flow")
        finally:
            os.kill(worker, signal.SIGCONT)
        wait_until(lambda: results_flow(tmp_path) and is_ready(port), 60, "results again")


def test_a_part_that_cannot_run_ends_all_soon_and_is_named_with_what_it_said(tmp_path: Path) -> None:
    with mien_up(tmp_path, free_port(), "--camera", "one=test://pattern", MIEN_WEIGHTS="none.zip") as process:
        wait_until((tmp_path / ".mien" / "up.json").exists, 30, "the brokers")
        below = children(process.pid)
        assert process.wait(60) == 1
        wait_until(lambda: not alive(below), what="its processes to end")
    last = (tmp_path / "up.log").read_text().splitlines()[-1]
    assert last.startswith("mien stopped, because live worker worker.1 ended 5 times within a minute")
    assert "none.zip" in last
    assert not (tmp_path / ".mien" / "up.json").exists()
