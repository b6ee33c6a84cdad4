"""The analyzer for notebooks and scripts: `from mien import FaceAnalyzer`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import structlog

from mien.errors import InputError, PictureError, SettingsError
from mien.inputs.fetch import Fetcher
from mien.logs import configure_logs
from mien.pixels import Rgb
from mien.settings import DetectorName, Precision, RuntimeName, load_settings
from mien.types import BaselineUse
from models.analyzer import open_analyzer
from models.notebook.result import PictureResult
from models.pictures.given import name_of, photo_of, whole
from models.pictures.photo import Photo

if TYPE_CHECKING:
    from mien.prior import Prior
    from models.pictures.given import GivenPicture

# Faces of a few pictures are classified together; more gains little on a CPU and needs memory.
_GROUP_PICTURES = 8
_GROUP_PIXELS = 16_000_000


class FaceAnalyzer:
    """Reads the apparent emotion of every face in pictures and videos: what a face shows, not what a person feels.

    >>> analyzer = FaceAnalyzer()
    >>> result = analyzer.analyze("picture.jpg")
    >>> [(face.emotion, face.confidence) for face in result.faces]

    It opens its models when it is made (about a second) and gives the same numbers as live cameras, `mien photo` and
    jobs. Any thread may use it; they take turns. What is not given is as in the settings of every command of mien:
    `mien.yaml` in the current folder, then `MIEN_*` in the environment, then the defaults.
    """

    def __init__(
        self,
        *,
        detector: DetectorName | None = None,
        smallest_face_px: int | None = None,
        yunet: str | Path | None = None,
        weights: str | Path | None = None,
        runtime: RuntimeName | None = None,
        emotion_prior: Prior | None = None,
        precision: Precision | None = None,
        threads: int | None = None,
        smoothing_ms: float | None = None,
        photo_max_pixels: int | None = None,
    ) -> None:
        """Open the models.

        `detector`: which one finds the faces; `yunet` is the file that the one of that name needs.
        `smallest_face_px`: the smallest face to find, in a picture whose shorter side is 720 px.
        `weights`: a file of classifier weights instead of those that mien ships.
        `runtime`, `threads`: what runs the nets; OpenCV gets as many threads, in the whole process.
        `precision`: what the nets compute in, `auto`, `fp32` or `bf16`.
        `emotion_prior`: how often each emotion is expected: `balanced`, `everyday`, or a share of each.
        `smoothing_ms`: the time over which the labels of a video are smoothed.
        `photo_max_pixels`: pictures that declare more are refused.

        Raises SettingsError for a value that cannot be used, WeightsError for a damaged file of weights, and
        RuntimeMissing when a package is not installed.
        """
        if not structlog.is_configured():
            configure_logs("warning")  # a notebook is no place for how a runtime was chosen
        self._settings = load_settings(
            detector=detector,
            smallest_face_px=smallest_face_px,
            yunet=yunet,
            weights=weights,
            runtime=runtime,
            emotion_prior=emotion_prior,
            precision=precision,
            threads=threads,
            smoothing_ms=smoothing_ms,
            photo_max_pixels=photo_max_pixels,
        )
        self._analyzer = open_analyzer(self._settings)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FaceAnalyzer(detector={self.detector!r}, runtime={self.runtime!r}, weights={self.weights!r})"

    @property
    def detector(self) -> str:
        """The name of the detector in use."""
        return self._analyzer.detector

    @property
    def runtime(self) -> str:
        """The name of the runtime in use."""
        return self._analyzer.runtime

    @property
    def weights(self) -> str:
        """Name and version of the classifier's weights."""
        return self._analyzer.weights

    @property
    def threshold(self) -> float:
        """Below this top probability a face is `uncertain`."""
        return self._analyzer.threshold

    def analyze(self, picture: GivenPicture) -> PictureResult:
        """Return what is to be seen in one picture.

        `picture`: the path of a file (JPEG, PNG, WebP, BMP, TIFF, GIF: its first picture), or an address such as
        `https://…`, `s3://…` or `zip://inner.jpg::outer.zip`; the bytes of a file; a numpy array, uint8 RGB [height,
        width, 3], grey [height, width] or RGBA [height, width, 4]; or a PIL image. Files and PIL images are turned
        upright as their EXIF orientation says. Arrays of OpenCV are BGR: give `bgr[:, :, ::-1]`.

        Raises PictureError when there is no such file or when it is no usable picture, and RuntimeMissing when an
        address needs a package that is not installed.
        """
        photo = self._photo_of(picture)
        with self._lock:
            faces = self._analyzer.analyze(photo.pixels)
        return PictureResult.of(name_of(picture), photo, faces, partial(_kept, photo))

    def analyze_many(
        self, pictures: Iterable[GivenPicture], *, errors: Literal["raise", "keep"] = "raise"
    ) -> Iterator[PictureResult]:
        """Yield the result of each picture, in their order; a few are read together, which is a little faster.

        Any number of pictures can be gone through: results of files do not hold their pixels, and read them again
        when they are asked for. `errors`: with `keep`, a picture that cannot be read gives a result without faces
        and with its `reason`; with `raise` (the default) it ends the iteration as `analyze` would.
        """
        if errors not in ("raise", "keep"):
            raise SettingsError(f"errors={errors!r} is not known: choose 'raise' or 'keep'")
        if isinstance(pictures, str | Path | bytes):
            raise InputError("analyze_many takes several pictures: give a list, or `Path(folder).glob('*.jpg')`")
        return self._analyze_many(pictures, errors == "keep")

    def video(self, path: str | Path, every: int = 1, baseline: BaselineUse = "off") -> Iterator[PictureResult]:
        """Yield the result of every `every`th frame of a video file, in order, as it is read.

        Each has `seq` (number of the frame from 0) and `seconds` (its time from the first frame, as the container
        says). Its faces have a `track` ("1", "2", … as they appear, from left to right; never an identity) and, beside
        what the frame alone shows, `smoothed` probabilities and a `label` over time. Frames are upright; those that
        cannot be decoded are left out, and the others keep their numbers, as in a job.

        `baseline`: with `auto`, what a face says at rest is taken from its `smoothed` probabilities and its `label`,
        where its track was seen for about 10 s and near rest (its `baseline` is then `known`, else `learning`); its
        `probabilities` and `emotion` stay those of the frame. That needs the whole video: it is read to its end before
        the first result.

        Raises VideoError when there is no such file, no video in it, or when its frames change their size, and
        RuntimeMissing without PyAV.
        """
        if every < 1:
            raise SettingsError(f"every={every} cannot be used: 1 reads every frame, 5 every fifth")
        if baseline not in get_args(BaselineUse):
            raise SettingsError(f"baseline={str(baseline)[:40]!r} is not known: choose 'off' or 'auto'")
        results = self._video(Path(path).expanduser(), every)
        return results if baseline == "off" else self._with_baselines(results)

    def _analyze_many(self, pictures: Iterable[GivenPicture], keep_errors: bool) -> Iterator[PictureResult]:
        group: list[tuple[GivenPicture, Photo | PictureError]] = []
        with Fetcher() as fetcher:
            for picture in pictures:
                try:
                    group.append((picture, self._photo_of(picture, fetcher)))
                except PictureError as error:
                    if not keep_errors:
                        yield from self._results(group)
                        raise
                    group.append((picture, error))
                pixels = sum(photo.pixels.size // 3 for _, photo in group if isinstance(photo, Photo))
                if len(group) >= _GROUP_PICTURES or pixels >= _GROUP_PIXELS:
                    yield from self._results(group)
                    group = []
        yield from self._results(group)

    def _results(self, group: Sequence[tuple[GivenPicture, Photo | PictureError]]) -> Iterator[PictureResult]:
        with self._lock:
            found, _ = self._analyzer.analyze_many([photo.pixels for _, photo in group if isinstance(photo, Photo)])
        faces = iter(found)
        limits = (self._settings.photo_max_pixels, self._settings.smallest_face_px)
        for given, photo in group:
            if isinstance(photo, PictureError):
                yield PictureResult.failed(name_of(given), str(photo))
                continue
            is_file = isinstance(given, str | Path)
            reopen = partial(photo_of, given, *limits) if is_file else partial(_kept, photo)
            yield PictureResult.of(name_of(given), photo, next(faces), reopen)

    def _photo_of(self, given: GivenPicture, fetcher: Fetcher | None = None) -> Photo:
        return photo_of(given, self._settings.photo_max_pixels, self._settings.smallest_face_px, fetcher)

    def _with_baselines(self, results: Iterable[PictureResult]) -> Iterator[PictureResult]:
        from models.tracks.personal import PersonalFaces, TrackHistory

        history, kept = TrackHistory(), list(results)
        for result in kept:
            for face in result.faces:
                history.add(face, result.seconds or 0.0)
        personal = PersonalFaces(self._settings.smoothing_ms, self.threshold, history.baselines())
        for result in kept:
            yield replace(result, faces=tuple(personal.label(face, result.seconds or 0.0) for face in result.faces))

    def _video(self, path: Path, every: int) -> Iterator[PictureResult]:
        from models.tracks.follow import VideoFaces
        from models.video.frames import frames

        following = VideoFaces(self._settings.smoothing_ms, self.threshold)
        for frame in frames(path, every, self._settings.inference_threads):
            rgb = frame.read()
            with self._lock:
                faces = self._analyzer.analyze(rgb)
            faces = following.follow(faces, frame.seconds)
            reopen = partial(_again, frame.again)
            yield PictureResult.of(str(path), whole(rgb), faces, reopen, frame.number, frame.seconds)


def _kept(photo: Photo) -> Photo:
    return photo


def _again(read: Callable[[], Rgb]) -> Photo:
    return whole(read())
