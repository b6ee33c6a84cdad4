"""The way from pictures to faces, the same live and offline: detect, align, classify."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from mien.errors import SettingsError
from mien.pixels import Rgb
from mien.settings import Settings
from mien.types import Box, Detection, Face, VaSource
from models.classifier import Classifier
from models.detect.detector import Detector, cache_dir_of, detector_of
from models.nets import weights as weights_file
from models.runtimes.choose import open_runtime

# What cameras send most: detectors compile their net for each shape of frame, and the first frame should not wait.
_WARM_SHAPE = (720, 1280, 3)


class PixelAnalyzer:
    """Detects and classifies every face of decoded pictures; one thread at a time may use it.

    Live workers, jobs, `mien photo` and `mien.FaceAnalyzer` (which takes files too) all use it.

    >>> analyzer = open_analyzer(load_settings())
    >>> faces = analyzer.analyze(decode(Path("picture.jpg").read_bytes()))
    """

    def __init__(self, detector: Detector, classifier: Classifier) -> None:
        self._detector = detector
        self._classifier = classifier

    @property
    def detector(self) -> str:
        """The name of the detector in use."""
        return self._detector.name

    @property
    def runtime(self) -> str:
        """The name of the runtime in use."""
        return self._classifier.runtime.name

    @property
    def weights(self) -> str:
        """Name and version of the classifier's weights."""
        return f"{self._classifier.weights.name} {self._classifier.weights.version}"

    @property
    def va_source(self) -> VaSource:
        """Where valence and arousal come from."""
        return self._classifier.weights.va_source

    @property
    def threshold(self) -> float:
        """Below this top probability a face is `uncertain`."""
        return self._classifier.weights.threshold

    @property
    def crop_px(self) -> int:
        """Side of the square that the classifier sees of a face."""
        return self._classifier.weights.crop.size

    def analyze(self, rgb: Rgb) -> tuple[Face, ...]:
        """Return the faces of one picture, most certain detection first."""
        return self.analyze_many([rgb])[0][0]

    def analyze_many(self, rgbs: Sequence[Rgb]) -> tuple[list[tuple[Face, ...]], Mapping[str, float]]:
        """Return the faces of each picture, and the milliseconds of the stages `detect` and `classify`.

        All faces of all pictures are classified as one batch. What a face gets does not depend on its batch.
        """
        started = time.perf_counter()
        found = [self._detector.detect(rgb) for rgb in rgbs]
        detected = time.perf_counter()
        classified_faces = iter(
            self.classify([(rgb, each) for rgb, faces in zip(rgbs, found, strict=True) for each in faces])
        )
        faces = [tuple(next(classified_faces) for _ in each) for each in found]
        classified = time.perf_counter()
        stages_ms = {"detect": 1000 * (detected - started), "classify": 1000 * (classified - detected)}
        return faces, stages_ms

    def detect(self, rgb: Rgb, smallest_face_px: int | None = None) -> tuple[Detection, ...]:
        """Return where the faces of one whole picture are, as `Detector.detect` does."""
        return self._detector.detect(rgb, smallest_face_px)

    def near(self, rgb: Rgb, boxes: Sequence[Box]) -> tuple[Detection | None, ...]:
        """Return the face at each of the boxes where one is expected, or None, as `Detector.near` does."""
        return self._detector.near(rgb, boxes)

    def prepare(self, shapes: Sequence[tuple[int, int]], smallest_face_px: int) -> None:
        """Make `detect` ready for frames of these shapes (width, height); another thread may call it meanwhile."""
        self._detector.prepare(shapes, smallest_face_px)

    def classify(self, found: Sequence[tuple[Rgb, Detection]]) -> list[Face]:
        """Return the face of each detection in its picture, in this order, all of them classified as one batch."""
        crops = [self._classifier.crop(rgb, each) for rgb, each in found]
        return self._classifier.faces([each for _, each in found], crops)


def open_analyzer(settings: Settings) -> PixelAnalyzer:
    """Return an analyzer as the settings say, its models loaded and warm.

    That takes 1.7 s of CPU time, and 0.7 s once compiled models are kept in the data folder, on two threads.

    Also limits OpenCV to `threads`, for the whole process. Raises SettingsError, WeightsError or RuntimeMissing.
    """
    cv2.setNumThreads(settings.inference_threads)
    weights = weights_file.load(settings.weights).under(settings.emotion_prior)
    opened: list[Detector | Exception] = []
    # Detector and classifier compile side by side: OpenVINO does not hold the interpreter meanwhile.
    thread = threading.Thread(target=_open_detector, args=(settings, opened), daemon=True)
    thread.start()
    runtime = open_runtime(
        weights,
        settings.runtime,
        threads=settings.inference_threads,
        precision=settings.precision,
        cache_dir=cache_dir_of(settings),
    )
    thread.join()
    detector = opened[0] if opened else SettingsError(f"detector {settings.detector!r} did not open")
    if isinstance(detector, Exception):
        raise detector
    return PixelAnalyzer(detector, Classifier(weights, runtime))


def _open_detector(settings: Settings, opened: list[Detector | Exception]) -> None:
    try:
        detector = detector_of(settings)
        detector.detect(np.zeros(_WARM_SHAPE, np.uint8))
        opened.append(detector)
    except Exception as error:  # raised again on the thread that asked
        opened.append(error)
