"""What every use of OpenVINO on a CPU shares: its options, whether the CPU computes in bf16, nets compiled and kept."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino

from mien.files import atomic_file, leftovers
from mien.logs import get_logger
from mien.machine import is_held_below_bf16

Options = dict[str, str | int | bool]

KEPT_FILES = 48
"""Compiled nets that a folder keeps, those that were used last; 1.5 MB for a detector's, 14 MB for a classifier's."""

_SUFFIX = ".net"
_LEFT_OVER_S = 3600.0
_DIGEST_BYTES = hashlib.sha256().digest_size

log = get_logger(__name__)


def the_core() -> openvino.Core:
    """Return what compiles all nets of this process; it stays until the process ends.

    OpenVINO tells the kernel to handle the signals of the thread that loads it on memory of the core's own (for AMX).
    A core that goes on another thread, or before a later one, leaves that thread with memory that is gone, and the next
    Ctrl-C or SIGTERM ends the process with SIGSEGV.
    """
    return _core_of(os.getpid())


@functools.cache
def _core_of(_process: int) -> openvino.Core:
    # For each process: what a fork inherits waits for threads that it did not inherit.
    return openvino.Core()


def has_bf16(core: openvino.Core) -> bool:
    """Return whether this CPU computes in bf16 itself, not by emulation, and may."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") and not is_held_below_bf16()


def options(core: openvino.Core, threads: int, *, bf16: bool = False) -> Options:
    """Return the options to compile a model with: one stream; `bf16` is ignored where the CPU has none.

    Threads are not pinned to cores: several workers on one machine would pin themselves to the same ones.
    """
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 and has_bf16(core) else "f32",
        "INFERENCE_NUM_THREADS": max(1, threads),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }


class Compiler:
    """Compiles nets for the CPU, and keeps them in a folder when there is one: 0.07 s of CPU time instead of 0.4.

    Several processes may share the folder, and then share memory too, because kept nets are mapped and not read. What
    is compiled runs for as long as its compiler is there. Whatever is wrong with the folder (read-only, full, a damaged
    file), nets are compiled as if there were none. OpenVINO's own cache reads and changes the model before it looks,
    which is half of the work, and trusts what it finds.
    """

    def __init__(self, threads: int, folder: Path | None = None, *, bf16: bool = False) -> None:
        self._core = the_core()
        self._options = options(self._core, threads, bf16=bf16)
        self._folder = folder
        self._mapped: list[openvino.Tensor] = []

    def compile(
        self,
        source: bytes | Path,
        build: Callable[[openvino.Model], openvino.Model],
        *shape: int,
        more: Options | None = None,
        keep: bool = True,
    ) -> openvino.CompiledModel:
        """Return the net of a model, compiled; TensorFlow Lite's are read from a path only.

        `build` makes of the model what is wanted, and `shape` is all that its outcome depends on, beside its code.
        Nets of shapes that hardly come again should not push others out of the folder: `keep` says so.
        """
        chosen = {**self._options, **(more or {})}
        path = None if self._folder is None else self._folder / self._name(source, build, shape, chosen)
        kept = None if path is None else self._kept(path, chosen)
        if kept is not None:
            return kept
        compiled = self._core.compile_model(build(self._core.read_model(source)), "CPU", chosen)
        if path is None or not keep or not _write(path, compiled):
            return compiled
        # As kept it takes less memory: 25 MB instead of 40 for a classifier's.
        return self._kept(path, chosen) or compiled

    def _kept(self, path: Path, chosen: Options) -> openvino.CompiledModel | None:
        mapped = _map(path)
        if mapped is None:
            return None
        try:
            net = openvino.Tensor(np.frombuffer(mapped, np.uint8, len(mapped) - _DIGEST_BYTES), shared_memory=True)
            compiled = self._core.import_model(net, "CPU", chosen)
        except RuntimeError as error:
            log.debug("a compiled net could not be used", path=str(path), error=str(error))
            return None
        self._mapped.append(net)
        if hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)  # the net has its own copies of what it computes with
        return compiled

    def _name(
        self,
        source: bytes | Path,
        build: Callable[[openvino.Model], openvino.Model],
        shape: tuple[int, ...],
        chosen: Options,
    ) -> str:
        """Return a name that differs whenever the compiled net would: by version, processor, model, code, options."""
        machine = [self._core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        code = Path(build.__code__.co_filename)
        text = repr((openvino.get_version(), machine, sorted(chosen.items()), shape, build.__qualname__))
        digest = hashlib.sha256(text.encode())
        digest.update(hashlib.sha256(source if isinstance(source, bytes) else source.read_bytes()).digest())
        digest.update(code.read_bytes() if code.is_file() else b"")
        return digest.hexdigest()[:32] + _SUFFIX


class Nets:
    """Nets of one model, compiled for one shape of input each when that is first asked for, and kept.

    One thread runs them, another may compile further ones meanwhile: a net is there as soon as it is whole.
    """

    def __init__(self, compiled: Callable[[tuple[int, int, int]], openvino.CompiledModel]) -> None:
        """`compiled` returns the net for (batch, width, height), or for -1, -1 one of free shape."""
        self._compiled = compiled
        self._requests: dict[tuple[int, int, int], openvino.InferRequest] = {}

    def request(self, batch: int, width: int, height: int) -> openvino.InferRequest:
        """Return what runs the net for a batch of inputs of width × height."""
        shape = (batch, width, height)
        request = self._requests.get(shape)
        if request is None:
            request = self._requests.setdefault(shape, self._compiled(shape).create_infer_request())
        return request

    @property
    def shapes(self) -> frozenset[tuple[int, int, int]]:
        """The shapes that are compiled."""
        return frozenset(self._requests)


def _map(path: Path) -> mmap.mmap | None:
    """Return the file of a compiled net, its checksum last, or None when there is none or it is not whole."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    with memoryview(mapped) as whole:
        is_whole = hashlib.sha256(whole[:-_DIGEST_BYTES]).digest() == whole[-_DIGEST_BYTES:]
    return mapped if is_whole else None


def _write(path: Path, compiled: openvino.CompiledModel) -> bool:
    """Keep a compiled net: the file is there whole or not at all. Returns whether it is there."""
    net = compiled.export_model()
    data = net if isinstance(net, bytes) else net.getvalue()
    try:
        with atomic_file(path, synced=False) as file:
            file.write(data)
            file.write(hashlib.sha256(data).digest())
        _forget_oldest(path.parent)
    except OSError as error:
        log.debug("a compiled net was not kept", path=str(path), error=str(error))
        return False
    return True


def _forget_oldest(folder: Path) -> None:
    """Remove what was not used for longest, and what a process left that was killed while it wrote."""
    kept = sorted(folder.glob(f"*{_SUFFIX}"), key=_used)
    now = time.time()
    left_over = [path for path in leftovers(folder) if now - _used(path) > _LEFT_OVER_S]
    for path in [*kept[:-KEPT_FILES], *left_over]:
        path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    """Return when a file was last used; one that another process has just removed counts as the oldest."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
