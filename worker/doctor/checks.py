"""Checks of an installation, for `mien doctor`: each says what it looked at, and whether that is as it should be."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mien.address import Address
from mien.bus.broker import connect
from mien.bus.bus import Bus
from mien.bus.plan import SavingsPlan
from mien.bus.rejected import Rejected
from mien.errors import MienError, line_of
from mien.machine import Machine, all_cores
from mien.settings import Settings
from mien.types import Camera, CameraState
from worker.tuning.choose import count
from worker.tuning.forecast import classifies_on_gpu

State = Literal["ok", "failed", "none"]
"""`none`: not present; not an error."""

WORKER_MIB = 400
"""Memory of a live worker."""

LEAST_FREE_MIB = 500
"""Free space that uploads, results and caches should find."""

PACKAGES = ("numpy", "redis", "opencv-python-headless", "simplejpeg", "rq")
"""What workers cannot do without, beside a runtime."""

RUNTIMES = {"openvino": "openvino", "onnxruntime": "onnxruntime", "tensorflow": "tensorflow"}

_LATELY_MS = 3_600_000
_GONE_MS = 60_000

_BAD_STATES = frozenset({CameraState.FAILED, CameraState.NO_SIGNAL})


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report: `group` is its heading, `detail` one sentence."""

    group: str
    name: str
    state: State
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


def all_checks(settings: Settings, machine: Machine) -> Iterator[Check]:
    """Yield every check but those of the models, which `model_checks` opens; takes well under a second."""
    yield from _machine(settings, machine)
    yield from _software()
    yield _data_dir(settings)
    yield _broker("bus", settings.bus_url)
    yield _broker("jobs", settings.jobs_url)
    yield from _live(settings)


def model_checks(settings: Settings) -> Iterator[Check]:
    """Yield whether the weights are valid, and whether the detector opens and runs."""
    from models.detect.detector import detector_of
    from models.nets import weights as weights_file

    def weights() -> str:
        found = weights_file.load(settings.weights)
        return f"{found.name} {found.version} ({found.variant}, {found.input_size} px), checksums match"

    def detector() -> str:
        import numpy as np

        started_s = time.perf_counter()
        opened = detector_of(settings)
        opened.detect(np.zeros((720, 1280, 3), np.uint8))
        return f"{opened.name} opens in {time.perf_counter() - started_s:.1f} s"

    yield _tried("models", "weights", weights)
    yield _tried("models", "detector", detector)


def _tried(group: str, name: str, run: Callable[[], str]) -> Check:
    try:
        return Check(group, name, "ok", run())
    except MienError as error:
        return Check(group, name, "failed", line_of(error))
    except Exception as error:  # whatever a library raises is what the doctor is asked about
        return Check(group, name, "failed", line_of(repr(error)))


def _machine(settings: Settings, machine: Machine) -> Iterator[Check]:
    has = all_cores()
    limited = f" of {has} (limited by affinity or container)" if machine.cores < has else ""
    yield Check("machine", "CPU", "ok", machine.cpu)
    yield Check("machine", "instructions", "ok", machine.instructions)
    yield Check("machine", "cores", "ok", f"{machine.cores}{limited}")
    if machine.memory_mib:
        enough = machine.memory_mib >= 2 * WORKER_MIB
        advice = "" if enough else f": a live worker alone takes {WORKER_MIB} MiB"
        yield Check("machine", "memory", "ok" if enough else "failed", f"{machine.memory_mib:,} MiB{advice}")
    yield Check("machine", "bf16", "ok" if machine.bf16 else "none", _bf16(settings, machine))
    if classifies_on_gpu(settings, machine):
        yield Check("machine", "GPU", "ok", "an NVIDIA device; faces are classified on it")
    else:
        unused = "an NVIDIA device, not used: install 'mien[gpu]'" if machine.gpu else "none found"
        yield Check("machine", "GPU", "none", unused)


def _bf16(settings: Settings, machine: Machine) -> str:
    if not machine.bf16:
        return "the CPU has none"
    if settings.precision == "fp32":
        return "the CPU computes in it; not used, because `precision` is fp32"
    return "the CPU computes in it: detectors take about 0.6 of the time"


def _software() -> Iterator[Check]:
    fits = sys.version_info >= (3, 11)
    version = platform.python_version()
    yield Check("software", "Python", "ok" if fits else "failed", version if fits else f"{version}: mien needs 3.11")
    versions = {package: _version(package) for package in ("mien", *PACKAGES)}
    missing = [package for package, version in versions.items() if not version]
    if missing:
        yield Check("software", "packages", "failed", f"missing: {', '.join(missing)} (pip install 'mien[worker]')")
    else:
        told = ", ".join(f"{package} {version}" for package, version in versions.items())
        yield Check("software", "packages", "ok", told)
    installed = {name: _version(package) for name, package in RUNTIMES.items() if importlib.util.find_spec(package)}
    for name in RUNTIMES:
        there = name in installed
        yield Check("software", name, "ok" if there else "none", installed[name] or "?" if there else "not installed")
    if not installed:
        yield Check("software", "runtime", "failed", "none is installed: pip install openvino")


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _data_dir(settings: Settings) -> Check:
    folder = settings.data_dir.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"mien")
        free_mib = shutil.disk_usage(folder).free // (1024 * 1024)
    except OSError as error:
        return Check("storage", "data_dir", "failed", f"{folder} cannot be written ({error.strerror}): set `data_dir`")
    if free_mib < LEAST_FREE_MIB:
        return Check("storage", "data_dir", "failed", f"{folder} has {free_mib} MiB left: make room, or set `data_dir`")
    return Check("storage", "data_dir", "ok", f"{folder} can be written, {free_mib / 1024:.1f} GiB free")


def _broker(role: Literal["bus", "jobs"], url: str) -> Check:
    name = f"{role} broker"
    if not url:
        return Check(
            "brokers", name, "none", f"no address: `mien up` does not run here, and MIEN_{role.upper()}_URL is not set"
        )

    address = Address.of_broker(url)

    def ask() -> str:
        with connect(address, role) as client:
            started_s = time.perf_counter()
            client.ping()
            took_ms = 1000 * (time.perf_counter() - started_s)
            about: Any = client.info("server")
        kind = "Valkey" if "valkey_version" in about else "Redis"
        version = about.get("valkey_version") or about.get("redis_version", "")
        return f"{kind} {version} at {address} answers in {took_ms:.1f} ms"

    check = _tried("brokers", name, ask)
    if check.state == "failed":
        return Check("brokers", name, "failed", f"{address} does not answer ({check.detail}): is it running?")
    return check


def _live(settings: Settings) -> Iterator[Check]:
    """Yield a check for each camera and each live worker; nothing is expected where no bus is."""
    if not settings.bus_url:
        yield Check("cameras", "cameras", "none", "not known without a bus")
        yield Check("workers", "live workers", "none", "not known without a bus")
        return
    try:
        bus = Bus.from_settings(settings)
        try:
            cameras, workers, rejected = bus.cameras(), bus.workers(), bus.rejected()
            now_ms = bus.clock.now_ns() / 1e6
        finally:
            bus.close()
    except MienError:
        yield Check("cameras", "cameras", "none", "not known while the bus does not answer")
        yield Check("workers", "live workers", "none", "not known while the bus does not answer")
        return
    if not cameras:
        yield Check("cameras", "cameras", "none", "none yet: mien produce --camera NAME SOURCE")
    yield from (_camera(camera, now_ms - camera.updated_ns / 1e6) for camera in cameras)
    yield _unreadable(*rejected, now_ms)
    if not workers:
        live = any(camera.state == CameraState.LIVE for camera in cameras)
        advice = "none, and cameras are live: start one with `mien work`" if live else "none runs"
        yield Check("workers", "live workers", "failed" if live else "none", advice)
    for name in sorted(workers):
        yield Check("workers", name, "ok", _worker(workers[name]))


def _unreadable(count: int, last: Sequence[Rejected], now_ms: float) -> Check:
    """Say what lay on the bus and could not be read; it fails when that was within the last hour."""
    if not count:
        return Check("cameras", "unreadable entries", "ok", "none")
    if not last:
        return Check("cameras", "unreadable entries", "none", f"{count:,} were moved aside")
    newest = last[0]
    whose = f" of camera {newest.camera}" if newest.camera else ""
    state: State = "failed" if now_ms - newest.at_ms < _LATELY_MS else "none"
    detail = f"{count:,} were moved aside; the last, a {newest.kind}{whose} at {newest.where}: {newest.reason}"
    return Check("cameras", "unreadable entries", state, line_of(detail))


def _camera(camera: Camera, silent_ms: float) -> Check:
    """Say how a camera is; one that was not heard of for a minute is gone, and no failure of what runs here."""
    if silent_ms > _GONE_MS and camera.state != CameraState.LIVE:
        reason = f" ({line_of(camera.reason)})" if camera.reason else ""
        heard = f"gone: nothing was heard of it for {silent_ms / 60_000:.0f} min{reason}"
        return Check("cameras", camera.name, "none", heard)
    state: State = "failed" if camera.state in _BAD_STATES else "ok" if camera.state == CameraState.LIVE else "none"
    size = f", {camera.width}×{camera.height} at {camera.fps:.3g} fps" if camera.width else ""
    reason = f": {line_of(camera.reason)}" if camera.reason else ""
    return Check("cameras", camera.name, state, f"{camera.state.value}{size}{reason}")


def _worker(note: dict[str, Any]) -> str:
    parts = [line_of(f"process {note.get('pid', '?')} on {note.get('host', '?')}", 100)]
    cameras = note.get("cameras")
    if isinstance(cameras, list):
        parts.append(count(len(cameras), "camera"))
    if isinstance(note.get("fps"), int | float):
        parts.append(f"{note['fps']:.3g} fps")
    if isinstance(note.get("plan"), dict):
        try:
            parts.append(f"level {note.get('level', '?')}: {SavingsPlan.from_dict(note['plan']).words}")
        except (TypeError, ValueError):
            parts.append("a plan that this version does not know")
    return ", ".join(parts)
