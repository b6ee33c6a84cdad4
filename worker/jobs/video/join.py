"""The annotated video: its segments one after the other, without encoding them again, and the original sound."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import JobError, VideoError
from mien.logs import get_logger
from models.video.plan import VideoLayout
from models.video.source import open_video, packets_of, said_by
from worker.jobs.video.encode import new_mp4

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container.output import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

Timed = tuple[float, "Packet[Any]"]

# What MP4 carries and players know; other sound becomes AAC.
_CARRIED = frozenset({"aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"})
_AAC_RATE = 48_000
# The encoder's run-up belongs to the sound; what was recorded longer before the first frame is left out.
_RUN_UP_S = 0.1
# Where the times of frames were repaired: what those of the sound may skip or repeat and be no jump of a clock.
_LONGEST_SILENCE_S, _LONGEST_OVERLAP_S = 10.0, 0.1

log = get_logger(__name__)


def join(source: Path, plan: VideoLayout, segments: Sequence[tuple[Path, Sequence[int]]], into: Path) -> str:
    """Write the annotated video to `into`; return what became of the sound: copied, encoded, none or lost.

    `segments` are the rendered files, each with the ticks of its frames. Each frame is shown when it was in the
    source, and so is the sound; time begins with the first frame. Raises JobError for a segment that is not whole,
    OSError when the result cannot be written.
    """
    import av

    for way in _ways(source, plan):
        try:
            with ExitStack() as stack:
                sound = None
                container = stack.enter_context(new_mp4(into, movflags="+faststart"))
                if way in ("copied", "encoded"):
                    original, _ = stack.enter_context(open_video(source))
                    sound = _Sound(original.streams.audio[0], container, plan, is_copied=way == "copied")
                _write(container, plan, segments, sound)
        except (VideoError, av.error.FFmpegError, _SoundError) as error:
            if way in ("none", "lost") or isinstance(error, OSError):
                raise
            log.warning("sound not taken over as it is", way=way, reason=said_by(error))
            continue
        return way
    raise JobError("an annotated video was not written")


class _SoundError(Exception):
    """The sound cannot go into the video this way."""


def _ways(source: Path, plan: VideoLayout) -> tuple[str, ...]:
    if not plan.has_sound:
        return ("none",)
    try:
        with open_video(source) as (container, _):
            track = container.streams.audio[0]
            if track.codec_context is not None and track.codec_context.codec.canonical_name in _CARRIED:
                return ("copied", "encoded", "lost")
    except VideoError:
        return ("lost",)
    return ("encoded", "lost")


def _write(
    container: OutputContainer, plan: VideoLayout, segments: Sequence[tuple[Path, Sequence[int]]], sound: _Sound | None
) -> None:
    pictures = _Pictures(container, plan, segments)
    ways: list[Iterator[Timed]] = [pictures.packets()]
    if sound is not None:
        ways.append(sound.packets())
    for _, packet in heapq.merge(*ways, key=lambda timed: timed[0]):
        container.mux(packet)


class _Pictures:
    """The packets of the rendered segments, with the times of the source."""

    def __init__(
        self, container: OutputContainer, plan: VideoLayout, segments: Sequence[tuple[Path, Sequence[int]]]
    ) -> None:
        import av

        self._plan = plan
        self._segments = [(path, ticks) for path, ticks in segments if len(ticks)]
        with av.open(str(self._segments[0][0])) as first:
            template = first.streams.video[0]
            self._head = template.codec_context.extradata
            self._stream: VideoStream = container.add_stream_from_template(template)
        self._stream.time_base = plan.tick

    def packets(self) -> Iterator[Timed]:
        plan = self._plan
        for place, (path, ticks) in enumerate(self._segments):
            is_last = place == len(self._segments) - 1
            end = plan.origin + round(plan.seconds / plan.tick) if is_last else self._segments[place + 1][1][0]
            yield from self._segment(path, ticks, max(int(end), int(ticks[-1]) + 1))

    def _segment(self, path: Path, ticks: Sequence[int], end: int) -> Iterator[Timed]:
        import av

        plan = self._plan
        number = 0
        with av.open(str(path)) as container:
            track = container.streams.video[0]
            if track.codec_context.extradata != self._head:
                path.unlink(missing_ok=True)
                raise JobError(f"{path.name} was rendered by another encoder than the first segment: retry the job")
            for packet in container.demux(track):
                if not packet.size:
                    continue
                if number < len(ticks):
                    now = int(ticks[number])
                    packet.duration = (int(ticks[number + 1]) if number + 1 < len(ticks) else end) - now
                    packet.pts = packet.dts = now - plan.origin
                    packet.time_base = plan.tick
                    packet.stream = self._stream
                    yield plan.seconds_at(now), packet
                number += 1
        if number != len(ticks):
            path.unlink(missing_ok=True)
            raise JobError(f"{path.name} has {number} frames and not {len(ticks)}: retry the job")


class _Sound:
    """The packets of the original sound, its times counted from the first frame of the video."""

    def __init__(self, track: AudioStream, container: OutputContainer, plan: VideoLayout, *, is_copied: bool) -> None:
        self._track = track
        self._start = plan.origin * plan.tick
        self._is_timed = plan.timed
        self._is_copied = is_copied
        self._last: int | None = None
        self._stream: AudioStream
        if is_copied:
            self._stream = container.add_stream_from_template(track)
        else:
            self._stream = container.add_stream("aac", rate=_AAC_RATE)
            context = self._stream.codec_context
            context.layout = "mono" if track.codec_context.channels == 1 else "stereo"

    def packets(self) -> Iterator[Timed]:
        return self._copied() if self._is_copied else self._encoded()

    def _copied(self) -> Iterator[Timed]:
        tick = Fraction(self._track.time_base or Fraction(1, 1000))
        shift = round(self._start / tick)
        last: int | None = None
        for packet in self._packets():
            if not packet.size or packet.pts is None or packet.dts is None:
                continue
            pts = packet.pts - shift
            if float((pts + (packet.duration or 0)) * tick) < -_RUN_UP_S or (last is not None and pts <= last):
                continue
            last = packet.pts = packet.dts = pts
            packet.stream = self._stream
            yield float(pts * tick), packet

    def _encoded(self) -> Iterator[Timed]:
        import av

        context = self._stream.codec_context
        resampler = av.AudioResampler(format=context.format or "fltp", layout=context.layout, rate=_AAC_RATE)
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if (
                    frame.pts is None
                    or frame.time_base is None
                    or frame.pts * frame.time_base + _RUN_UP_S < self._start
                ):
                    continue
                frame.pts -= round(self._start / frame.time_base)
                for fitting in resampler.resample(frame):
                    yield from self._timed(self._stream.encode(fitting))
        for fitting in resampler.resample(None):
            yield from self._timed(self._stream.encode(fitting))
        yield from self._timed(self._stream.encode(None))

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        container: Any = self._track.container
        packets = packets_of(container, self._track, lambda why: log.info("sound ends early", reason=why))
        return packets if self._is_timed else _steady(packets)

    def _timed(self, packets: Sequence[Packet[AudioStream]]) -> Iterator[Timed]:
        for packet in packets:
            # Sound that jumps back in time, in a damaged file, is left out.
            if packet.pts is not None and (self._last is None or packet.pts > self._last):
                self._last = packet.pts
                yield float(packet.pts * packet.time_base), packet


def _steady(packets: Iterator[Packet[AudioStream]]) -> Iterator[Packet[AudioStream]]:
    """Let the sound of a video whose clock jumps go on where it was, as its frames do."""
    shift, expected = 0, None
    for packet in packets:
        if packet.pts is not None and packet.dts is not None:
            tick = Fraction(packet.time_base or Fraction(1, 1000))
            ahead_s = float((packet.pts + shift - expected) * tick) if expected is not None else 0.0
            if expected is not None and not -_LONGEST_OVERLAP_S <= ahead_s <= _LONGEST_SILENCE_S:
                shift = expected - packet.pts
            packet.pts += shift
            packet.dts += shift
            expected = packet.pts + (packet.duration or 0)
        yield packet
