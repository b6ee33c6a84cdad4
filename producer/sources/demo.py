"""The demo camera: it runs without a camera, a file and the network."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from mien.demo import demo_clip, fetch_demo_clip
from mien.errors import InputError, UnknownSource
from mien.logs import get_logger
from mien.settings import Settings
from producer.sources.astronaut import AstronautPan, astronaut
from producer.sources.pattern import Pattern
from producer.sources.source import Grab, PacedSource
from producer.sources.video_file import VideoFile

_JOIN_S = 0.5

log = get_logger(__name__)


class Demo(PacedSource):
    """The demo clip, again and again.

    Until it is fetched, and when it cannot be fetched, it shows a slow pan over a portrait, or the test pattern without
    scikit-image, which has the portrait.
    """

    def __init__(self, settings: Settings, *, fps: float = 0.0) -> None:
        self._settings = settings
        self._fps = fps
        self._playing: PacedSource = AstronautPan(fps=fps)
        self._began_s = 0.0
        self._position_s = 0.0
        self._cancel = threading.Event()
        self._fetching: threading.Thread | None = None
        self._fetched: Path | None = None

    def open(self) -> None:
        """Play what is there; fetch the clip when it is not."""
        self._began_s = self._position_s = 0.0
        clip = demo_clip(self._settings)
        if clip is not None:
            self._playing = self._clip(clip)
        else:
            log.info("fetching the demo clip; a slow pan over a portrait is shown until it is here")
            self._cancel.clear()
            self._fetching = threading.Thread(target=self._fetch, name="demo-fetch", daemon=True)
            self._fetching.start()
            self._playing = self._stand_in()
        self._playing.open()

    def read(self) -> Grab | None:
        """Return the next picture; there is no end."""
        self._change_to_fetched()
        grab = self._playing.read()
        if grab is None:
            return None
        self._position_s = self._began_s + grab.position_s
        return replace(grab, position_s=self._position_s)

    def pass_over(self, position_s: float) -> int:
        """Pass over pictures without decoding them."""
        return self._playing.pass_over(position_s - self._began_s)

    def close(self) -> None:
        """Stop playing, and fetching."""
        self._cancel.set()
        if self._fetching is not None:
            self._fetching.join(_JOIN_S)
            self._fetching = None
        self._playing.close()

    def _clip(self, path: Path) -> VideoFile:
        return VideoFile(path, self._settings, fps=self._fps, loop=True)

    def _stand_in(self) -> PacedSource:
        try:
            astronaut()
        except UnknownSource:
            return Pattern(width=640, height=360, fps=self._fps or 25.0)
        return AstronautPan(fps=self._fps)

    def _fetch(self) -> None:
        try:
            self._fetched = fetch_demo_clip(self._settings, self._cancel)
        except InputError as error:
            if not self._cancel.is_set():
                log.warning("the demo camera shows a slow pan over a portrait", reason=str(error))

    def _change_to_fetched(self) -> None:
        if self._fetched is None:
            return
        self._playing.close()
        self._playing = self._clip(self._fetched)
        self._fetched = None
        self._playing.open()
        self._began_s = self._position_s
        log.info("the demo clip is here")
