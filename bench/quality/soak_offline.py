"""`python -m bench soak_offline [--pictures N] [--kills N] [--json]`: a job whose workers are killed at random moments.

Small pictures, some of them broken, and one video are read twice by real `mien jobs work` processes: once in peace, and
once while workers are killed by SIGKILL and replaced, at random moments that are spread over the whole job, some of
them right after a start. Then each input must be in the table once, the sums must hold, nothing unfinished may be left,
and the numbers must be those of the run in peace. Ends with 1 if anything is wrong, and in any case within `--limit-s`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from mien.bus.embedded import EmbeddedBroker
from mien.inputs.input import Input
from mien.jobs.jobs import QUEUES, Jobs
from mien.jobs.view import JobView
from mien.settings import Settings
from tests.support.demo_media import astronaut
from tests.support.paths import ROOT

EARLY = 0.2
"""Share of the kills that are followed by one of the worker's successor, within `EARLY_S` of its start."""
EARLY_S = 2.0
_LAST = 0.97
_POLL_S = 0.05
_CHUNK_SIZE = 25
_BOX = ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True)
class SoakSize:
    """What to do: `video_s` seconds of video, 0 for none."""

    pictures: int = 2000
    video_s: int = 75
    kills: int = 50
    workers: int = 2
    seed: int = 0
    limit_s: float = 1800.0


@dataclass(slots=True)
class Outcome:
    """What came of it; nothing is in `problems` when all is well."""

    kills: int = 0
    rounds: int = 0
    peace_s: float = 0.0
    killed_s: float = 0.0
    inputs: int = 0
    done: int = 0
    failed: int = 0
    running_again_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def slowest_restart_s(self) -> float:
        """The longest time from a kill until the step in hand was being worked on again."""
        return max(self.running_again_s, default=0.0)


def main() -> None:
    """Run once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = SoakSize()
    parser.add_argument("--pictures", type=int, default=defaults.pictures, help="how many (2000)")
    parser.add_argument("--video-s", type=int, default=defaults.video_s, help="seconds of video, 0: none (75)")
    parser.add_argument("--kills", type=int, default=defaults.kills, help="how many (50)")
    parser.add_argument("--workers", type=int, default=defaults.workers, help="at a time (2)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of the random moments (0)")
    parser.add_argument("--limit-s", type=float, default=defaults.limit_s, help="give up after so many seconds (1800)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = vars(parser.parse_args())
    as_json = arguments.pop("json")
    with tempfile.TemporaryDirectory(prefix="mien-soak-") as folder:
        outcome = soak(SoakSize(**arguments), Path(folder))
    if as_json:
        print(json.dumps(asdict(outcome)))
    else:
        print(summary(outcome))
    sys.exit(1 if outcome.problems else 0)


def summary(outcome: Outcome) -> str:
    """Return the outcome for people."""
    times = sorted(outcome.running_again_s)
    lines = [
        f"{outcome.kills} kills, {outcome.rounds} round(s): {outcome.killed_s:.0f} s; {outcome.peace_s:.0f} s in peace",
        f"inputs {outcome.inputs} = done {outcome.done} + failed {outcome.failed}",
    ]
    if times:
        lines.append(f"running again after {times[len(times) // 2]:.1f} s (median), {times[-1]:.1f} s (slowest)")
    return "\n".join([*lines, *(outcome.problems or ["all is well"])])


def soak(plan: SoakSize, folder: Path) -> Outcome:
    """Do what the plan says in an empty folder and return what came of it."""
    outcome = Outcome()
    deadline_s = time.monotonic() + plan.limit_s
    pictures, videos = make_pictures(folder / "pictures", plan.pictures), []
    if plan.video_s:
        videos = [make_video(folder / "walk.mp4", plan.video_s)]
    with EmbeddedBroker(keep_in=folder / "broker") as broker:
        settings = Settings(bus_url=broker.url, jobs_url=broker.url, data_dir=folder / "data", chunk_size=_CHUNK_SIZE)
        office = SoakSite(Jobs.from_settings(settings), folder, pictures, videos)
        with Crew(settings, plan.workers, folder) as crew:
            started_s = time.monotonic()
            peace = office.enqueue("peace")
            while not office.ended(peace) and time.monotonic() < deadline_s:
                time.sleep(_POLL_S)
            outcome.peace_s = time.monotonic() - started_s
            peace = office.look(peace)
            started_s = time.monotonic()
            killer = Killer(plan, crew, office, outcome)
            while outcome.kills < plan.kills and time.monotonic() < deadline_s:
                killed = killer.round(deadline_s)
                outcome.problems += office.compare(peace, killed)
                outcome.inputs = sum(view.inputs for view in killed)
                outcome.done = sum(view.done for view in killed)
                outcome.failed = sum(view.failed for view in killed)
            outcome.killed_s = time.monotonic() - started_s
    if outcome.kills < plan.kills:
        outcome.problems.append(f"only {outcome.kills} of {plan.kills} kills within {plan.limit_s:.0f} s")
    return outcome


class SoakSite:
    """The jobs: the same pictures and videos each time, results in a folder each."""

    def __init__(self, jobs: Jobs, folder: Path, pictures: Sequence[Path], videos: Sequence[Path]) -> None:
        self.jobs = jobs
        self._folder = folder
        self._pictures = [Input.of(str(path), path.name) for path in pictures]
        self._videos = [Input.of(str(path), path.name) for path in videos]

    def enqueue(self, name: str) -> list[JobView]:
        """Queue the jobs, with results in folders of that name."""
        return [
            self.jobs.enqueue(
                kind, items, name=name, out=self._folder / name / kind,
                options={"annotate": True} if kind == "video" else {"annotate": True, "formats": ["csv", "json"]},
            )
            for kind, items in (("photos", self._pictures), ("video", self._videos))
            if items
        ]  # fmt: skip

    def look(self, views: Sequence[JobView]) -> list[JobView]:
        """Return how jobs are now."""
        return [self.jobs.get(view.id) for view in views]

    def ended(self, views: Sequence[JobView]) -> bool:
        """Say whether all jobs have ended."""
        return all(view.ended for view in self.look(views))

    def progress(self, views: Sequence[JobView]) -> float:
        """Return how much of the jobs is done, from 0 to 1."""
        now = self.look(views)
        return sum(view.progress for view in now) / len(now)

    def compare(self, peace: Sequence[JobView], killed: Sequence[JobView]) -> list[str]:
        """Return what is wrong with jobs whose workers were killed."""
        problems: list[str] = []
        for calm, view in zip(peace, killed, strict=True):
            problems += [f"{view.kind}: {problem}" for problem in self._problems(calm, view)]
        return problems

    def _problems(self, calm: JobView, view: JobView) -> Iterator[str]:
        if view.state != "done":
            yield f"the job is {view.state}: {view.reason}"
            return
        if view.inputs != view.done + view.failed:
            yield f"{view.inputs} inputs, but {view.done} done and {view.failed} failed"
        found, expected = (view.done, view.failed, view.faces), (calm.done, calm.failed, calm.faces)
        if found != expected:
            yield f"done, failed and faces are {found}, in peace {expected}"
        places = (view.out, self.jobs.folder(view.id).path)
        left = [
            path for place in places for path in place.rglob("*") if path.suffix in (".new", ".partial", ".reading")
        ]
        if left:
            yield f"{len(left)} unfinished files left, such as {left[0]}"
        for table in sorted(calm.out.rglob("*.csv")):
            yield from differences(table, view.out / table.relative_to(calm.out))
        missing = {path.relative_to(calm.out) for path in calm.out.rglob("*")} - {
            path.relative_to(view.out) for path in view.out.rglob("*")
        }
        if missing:
            yield f"{len(missing)} results are missing, such as {sorted(missing)[0]}"


class Crew:
    """Worker processes that are replaced when they are killed."""

    def __init__(self, settings: Settings, workers: int, folder: Path) -> None:
        self._environment = {
            **os.environ,
            "MIEN_JOBS_URL": settings.jobs_url,
            "MIEN_DATA_DIR": str(settings.data_dir),
            "PYTHONPATH": str(ROOT),
            "MIEN_LOG_FORMAT": "json",
        }
        self._log = (folder / "workers.log").open("ab")
        self._folder = folder
        self.processes = [self._start() for _ in range(workers)]

    def kill(self, number: int) -> int:
        """Kill a worker by SIGKILL, start another one, and return the process id of the dead one."""
        process = self.processes[number]
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.processes[number] = self._start()
        return process.pid

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cli", "jobs", "work"]
        return subprocess.Popen(command, env=self._environment, cwd=self._folder, stdout=self._log, stderr=self._log)


class Killer:
    """Kills workers while jobs go on, and watches how long their work lies idle."""

    def __init__(self, plan: SoakSize, crew: Crew, office: SoakSite, outcome: Outcome) -> None:
        self._plan = plan
        self._crew = crew
        self._office = office
        self._outcome = outcome
        self._random = random.Random(plan.seed)
        self._idle: dict[str, tuple[float, bytes]] = {}

    def round(self, deadline_s: float) -> list[JobView]:
        """Run the jobs once, with the kills that are left spread over them; returns the jobs when they have ended."""
        self._outcome.rounds += 1
        views = self._office.enqueue(f"killed-{self._outcome.rounds}")
        left = self._plan.kills - self._outcome.kills
        moments = sorted((self._random.uniform(0, _LAST), self._random.random() < EARLY) for _ in range(left))
        while not self._office.ended(views) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
            self._watch()
            if not moments or self._office.progress(views) < moments[0][0]:
                continue
            _, early = moments.pop(0)
            time.sleep(self._random.uniform(0.1, 0.5))
            worker = self._random.randrange(self._plan.workers)
            self._kill(worker)
            if early and moments:
                moments.pop(0)
                time.sleep(self._random.uniform(0, EARLY_S))
                self._kill(worker)
        self._idle.clear()
        return self._office.look(views)

    def _kill(self, number: int) -> None:
        held = self._held()
        pid = self._crew.kill(number)
        self._outcome.kills += 1
        if pid in held:
            job, worker = held[pid]
            self._idle[job] = (time.monotonic(), worker)

    def _held(self) -> dict[int, tuple[str, bytes]]:
        """Return by process id what workers have in hand: the RQ job, and the worker's name."""
        redis = self._office.jobs.redis
        held = {}
        for queue in QUEUES.values():
            for entry in cast("list[bytes]", redis.zrange(f"rq:wip:{queue}", 0, -1)):
                job = entry.partition(b":")[0].decode()
                worker = cast("bytes | None", redis.hget(f"rq:job:{job}", "worker_name")) or b""
                pid = cast("bytes | None", redis.hget(f"rq:worker:{worker.decode()}", "pid"))
                if pid:
                    held[int(pid)] = (job, worker)
        return held

    def _watch(self) -> None:
        """Note the steps that are worked on again by another worker."""
        for job, (killed_s, dead) in tuple(self._idle.items()):
            status, worker = self._office.jobs.redis.hmget(f"rq:job:{job}", "status", "worker_name")
            if status is None or (worker != dead and status in (b"started", b"finished")) or status == b"finished":
                del self._idle[job]
                if worker != dead:
                    self._outcome.running_again_s.append(round(time.monotonic() - killed_s, 2))


def make_pictures(folder: Path, count: int) -> list[Path]:
    """Write small pictures with a face each, all different; one in fifty is broken."""
    folder.mkdir(parents=True)
    face = np.ascontiguousarray(astronaut()[:260, 90:350])
    made = []
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        pixels = cv2.resize(face, (140 + number % 60, 140 + number % 60), interpolation=cv2.INTER_AREA)
        pixels = np.clip(pixels.astype(np.int16) + number % 41 - 20, 0, 255).astype(np.uint8)
        jpeg = cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()
        path.write_bytes(jpeg[: len(jpeg) // 2] if number % 50 == 7 else jpeg)
        made.append(path)
    return made


def make_video(path: Path, seconds: int, fps: int = 10) -> Path:
    """Write a video of a face that moves slowly."""
    picture = np.ascontiguousarray(astronaut()[:, :, ::-1])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (320, 240))
    for number in range(seconds * fps):
        shift = int(60 + 40 * np.sin(number / 15))
        writer.write(np.ascontiguousarray(picture[:240, shift : shift + 320]))
    writer.release()
    return path


def differences(calm: Path, killed: Path) -> Iterator[str]:
    """Say how a table differs from the one of the run in peace: boxes by more than 1 px, numbers by more than 1e-4."""
    if not killed.is_file():
        yield f"{killed.name} is missing"
        return
    expected, found = _rows(calm), _rows(killed)
    if len(expected) != len(found):
        yield f"{calm.name} has {len(found)} rows, in peace {len(expected)}"
        return
    different = [row for row, other in zip(expected, found, strict=True) if not _alike(row, other)]
    if different:
        yield f"{len(different)} rows of {calm.name} differ, such as {different[0]}"


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _alike(row: dict[str, str], other: dict[str, str]) -> bool:
    return row.keys() == other.keys() and all(_close(name, row[name], other[name]) for name in row)


def _close(name: str, text: str, other: str) -> bool:
    if text == other:
        return True
    try:
        return abs(float(text) - float(other)) <= (1.0 if name in _BOX else 1e-4)
    except ValueError:
        return False


if __name__ == "__main__":
    main()
