"""Costs that were measured before, kept in the data directory: measuring again would give the same."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mien.files import write_file
from mien.logs import get_logger
from mien.machine import Machine
from mien.settings import Settings
from models.nets.weights import default_path
from worker.tuning.costs import Costs

try:
    import fcntl
except ImportError:  # not on this system: then several workers that start at once all measure
    fcntl = None  # type: ignore[assignment]

FOLDER = "tuning"
LOCK_WAIT_S = 3.0
"""How long a worker waits for another one that measures; measuring takes a second."""

_VERSION = 2
_PACKAGES = ("mien", "openvino", "onnxruntime", "opencv-python-headless", "simplejpeg")
_MOST_BYTES = 100_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cache:
    """The costs that are known for one machine, set of weights, and what else decides about them."""

    folder: Path
    key: str

    @classmethod
    def of(cls, settings: Settings, machine: Machine) -> Cache:
        """Return the cache of the costs that these settings have on this machine."""
        return cls(settings.data_dir / FOLDER, _key(settings, machine))

    @property
    def path(self) -> Path:
        """The file of these costs."""
        return self.folder / f"{hashlib.sha256(self.key.encode()).hexdigest()[:24]}.json"

    def load(self) -> Costs | None:
        """Return the costs; None when none are kept, or when the file is damaged or of something else."""
        try:
            with self.path.open("rb") as file:
                kept = json.loads(file.read(_MOST_BYTES))
            if kept["key"] != self.key:
                return None
            return Costs.from_dict(kept["costs"])
        except FileNotFoundError:
            return None
        except (OSError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("kept costs cannot be read; measuring anew", file=str(self.path), reason=repr(error))
            return None

    def save(self, costs: Costs) -> None:
        """Keep costs; where that is impossible, they are measured again the next time."""
        document = {"key": self.key, "costs": costs.to_dict()}
        try:
            write_file(self.path, json.dumps(document, indent=1).encode(), synced=False)
        except OSError as error:
            log.warning("measured costs cannot be kept", file=str(self.path), reason=str(error))

    @contextlib.contextmanager
    def lock(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the right to measure; without it after `wait_s`, or where no file can be locked."""
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context((self.folder / "lock").open("ab"))
            except OSError:
                file = None
            if file is not None and fcntl is not None:
                _lock(file.fileno(), time.monotonic() + wait_s)
            yield


def _lock(descriptor: int, until_s: float) -> None:
    """Lock an open file; closing it, or the end of the process, ends that."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until_s:
                return
            time.sleep(0.05)
        else:
            return


def _key(settings: Settings, machine: Machine) -> str:
    """Return everything that costs depend on, as text; memory does not count, it is not the same at each start."""
    parts = {
        "version": _VERSION,
        "machine": [machine.cpu, machine.instructions, machine.cores, machine.bf16, machine.gpu],
        "weights": _checksum(settings.weights or default_path()),
        "packages": {name: _installed(name) for name in _PACKAGES},
        "detector": [settings.detector, str(settings.yunet or ""), settings.smallest_face_px],
        "runtime": [settings.runtime, settings.precision, settings.threads],
        "jpeg": [settings.jpeg_quality, settings.view_quality],
        "budget_ms": settings.budget_ms,
    }
    return json.dumps(parts, sort_keys=True)


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # said by whoever opens them
        return ""


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
