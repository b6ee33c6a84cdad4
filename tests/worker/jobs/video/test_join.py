from __future__ import annotations

import resource
import signal
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mien.errors import JobError, RuntimeMissing
from mien.jobs.videofiles import VideoFiles
from models.video.plan import write_plan
from models.video.probe import probe
from tests.support.clips import SquareFinder, decoded, make_clip, squares, turned
from worker.jobs.video.analyse import analyse_segment
from worker.jobs.video.encode import choose_encoder
from worker.jobs.video.found import Found
from worker.jobs.video.join import join
from worker.jobs.video.render import render_segment
from worker.jobs.video.tracks import follow_video, seen_in


class Made:
    """A video annotated step by step, without a queue."""

    def __init__(self, clip: Path, folder: Path, every: int = 1, encoder: str = "") -> None:
        self.plan, times = probe(clip)
        self.path = folder / "annotated.mp4"
        folder.mkdir(exist_ok=True)
        write_plan(folder, self.plan, times, render=True)
        for number, segment in enumerate(self.plan.segments):
            found = analyse_segment(clip, self.plan, times, segment, SquareFinder(), every=every)
            assert found is not None
            found.write(VideoFiles(folder).analysed(number))
        assert follow_video(folder, self.plan, 400.0)
        self.segments = []
        for number, segment in enumerate(self.plan.segments):
            path = folder / f"{number}.mp4"
            encoder = encoder or choose_encoder()
            seen = list(seen_in(folder, self.plan))
            assert render_segment(clip, self.plan, times, segment, seen, path, encoder=encoder, every=every)
            self.segments.append((path, Found.read(VideoFiles(folder).analysed(number)).ticks.tolist()))
        self.sound = join(clip, self.plan, self.segments, self.path)

    @property
    def times(self) -> list[float]:
        return [float(time) for time, _ in decoded(self.path)]


def sound_of(path: Path) -> tuple[str, float, float, np.ndarray]:
    """Codec, first time, length in seconds, and samples."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        assert track.time_base is not None
        frames = list(container.decode(track))
        assert frames[0].pts is not None
        samples = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in frames])
        rate = track.codec_context.sample_rate
        return track.codec_context.name, float(frames[0].pts * track.time_base), len(samples) / rate, samples


def pitch_hz(samples: np.ndarray, rate: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples[: int(rate)] * np.hanning(int(rate))))
    return float(np.argmax(spectrum))


def test_joined_segments_have_every_frame_at_its_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 140, fps=2, gop=8, sound="aac")
    made = Made(clip, tmp_path / "made")
    assert len(made.segments) == 3
    assert made.times == [number / 2 for number in range(140)]
    assert list(tmp_path.glob("made/.*")) == []


def test_the_drawn_boxes_lie_on_the_squares_of_their_own_frame(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 40)
    made = Made(clip, tmp_path / "made")
    for number, (_, rgb) in enumerate(decoded(made.path)):
        original = squares(number)
        change = np.abs(rgb.astype(int) - original).max(axis=2)
        # Left of the red square stands the green side of its box; the ground far below it stays as it was.
        x = 40 - abs(30 - number % 60)
        assert rgb[20:40, x - 1 : x + 1, 1].mean() > rgb[20:40, x - 1 : x + 1, 0].mean()
        assert change[70:, :60].max() < 40


def test_uneven_rates_are_kept(tmp_path: Path) -> None:
    shown_ms = [0, 40, 80, 500, 517, 1250, 1251, 3000]
    clip = make_clip(tmp_path / "a.mkv", 8, times=shown_ms, tick=Fraction(1, 1000), sound="aac")
    made = Made(clip, tmp_path / "made")
    assert made.times == pytest.approx([ms / 1000 for ms in shown_ms], abs=1e-6)


def test_time_begins_with_the_first_frame_and_the_sound_keeps_its_place(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "a.mkv", 50, times=[500 + 40 * number for number in range(50)], tick=Fraction(1, 1000), sound="flac"
    )
    made = Made(clip, tmp_path / "made")
    assert made.times[0] == 0
    assert made.sound == "copied"
    _, first_s, length_s, _ = sound_of(made.path)
    assert -0.1 <= first_s <= 0.05
    assert first_s + length_s == pytest.approx(made.plan.seconds, abs=0.15)


@pytest.mark.parametrize(
    ("name", "codec", "way", "kept"),
    [
        ("a.mp4", "aac", "copied", "aac"),
        ("a.ts", "aac", "copied", "aac"),
        ("a.mkv", "libopus", "copied", "opus"),
        ("a.avi", "pcm_s16le", "encoded", "aac"),
        ("a.mkv", "pcm_s16le", "encoded", "aac"),
        ("a.mkv", "libmp3lame", "copied", "mp3float"),
    ],
)
def test_the_sound_is_that_of_the_source(tmp_path: Path, name: str, codec: str, way: str, kept: str) -> None:
    try:
        video = "mpeg4" if name.endswith("avi") else "libx264"
        clip = make_clip(tmp_path / name, 75, sound=codec, codec=video)
    except (av.error.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV makes no {codec}: {error}")
    made = Made(clip, tmp_path / "made")
    assert made.sound == way
    name, first_s, length_s, samples = sound_of(made.path)
    assert name.removeprefix("lib") == kept
    assert abs(first_s) < 0.06
    assert length_s == pytest.approx(3.0, abs=0.15)
    assert pitch_hz(samples, len(samples) / length_s) == pytest.approx(440, abs=3)
    assert len(made.times) == 75


def test_a_video_without_sound_stays_without(tmp_path: Path) -> None:
    assert Made(make_clip(tmp_path / "a.mp4", 5), tmp_path / "made").sound == "none"


def test_odd_sizes_and_turned_frames_become_even_and_upright(tmp_path: Path) -> None:
    odd = make_clip(
        tmp_path / "a.mkv", 12, paint=lambda number: squares(number, 161, 121), codec="mjpeg", pixels="yuvj420p"
    )
    made = Made(odd, tmp_path / "odd")
    assert decoded(made.path)[0][1].shape == (122, 162, 3)
    phone = turned(make_clip(tmp_path / "b.mp4", 12), tmp_path / "c.mp4")
    made = Made(phone, tmp_path / "phone")
    shown = decoded(made.path)[0][1]
    assert shown.shape == (160, 120, 3)
    assert tuple(shown[25, 95]) == pytest.approx((230, 20, 20), abs=12)


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.gif", "gif", "rgb8"), ("a.avi", "mjpeg", "yuvj422p")])
def test_colours_stay_what_they_are(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    made = Made(make_clip(tmp_path / name, 12, fps=10, codec=codec, pixels=pixels), tmp_path / "made")
    _, rgb = decoded(made.path)[5]
    assert tuple(rgb[25, 30]) == pytest.approx((230, 20, 20), abs=30)
    assert tuple(rgb[60, 80]) == pytest.approx((30, 30, 30), abs=12)
    assert len(made.times) == 12


def test_browsers_can_play_it_before_it_is_there_whole(tmp_path: Path) -> None:
    made = Made(make_clip(tmp_path / "a.mp4", 5), tmp_path / "made")
    data = made.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(made.path)) as container:
        track = container.streams.video[0]
        assert (track.codec_context.name, track.codec_context.pix_fmt) == ("h264", "yuv420p")


def test_another_encoder_keeps_the_times_too(tmp_path: Path) -> None:
    shown_ms = [0, 40, 80, 500, 517, 1250]
    clip = make_clip(tmp_path / "a.mkv", 6, times=shown_ms, tick=Fraction(1, 1000))
    made = Made(clip, tmp_path / "made", encoder="mpeg4")
    assert made.times == pytest.approx([ms / 1000 for ms in shown_ms], abs=1e-6)


def test_a_segment_that_is_not_whole_is_not_joined(tmp_path: Path) -> None:
    made = Made(make_clip(tmp_path / "a.mp4", 10), tmp_path / "made")
    path, ticks = made.segments[0]
    with pytest.raises(JobError, match="has 10 frames and not 9"):
        join(tmp_path / "a.mp4", made.plan, [(path, ticks[:9])], tmp_path / "b.mp4")
    assert not path.exists()
    assert not (tmp_path / "b.mp4").exists()


def test_an_encoder_that_is_not_there_is_refused() -> None:
    with pytest.raises(RuntimeMissing, match="set video_encoder"):
        choose_encoder("libopenh264")


def test_a_disk_that_is_full_is_an_error_of_the_disk(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", 60, paint=lambda number: _noise(number))
    plan, times = probe(clip)
    (tmp_path / "full").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            render_segment(
                clip, plan, times, plan.segments[0], [], tmp_path / "full" / "0.mp4", encoder=choose_encoder()
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list((tmp_path / "full").iterdir()) == []


def _noise(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (120, 160, 3), np.uint8)
