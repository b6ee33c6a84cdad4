"""`precision` means the same for every net, whoever opens it: asked is the compiler, as if the CPU had bf16."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from mien import FaceAnalyzer
from mien.machine import Machine
from mien.settings import Precision, Settings
from models.analyzer import open_analyzer
from models.detect.detector import detector_of
from models.evaluation.measure import EvaluationRequest, measure
from models.labelled.data import ArrayPictures, LabelledData
from models.runtimes import compiled
from tests.support.media import astronaut, yunet_file
from worker.doctor.checks import model_checks
from worker.jobs.evaluation import open_crop_analyzer
from worker.tuning.tuner import open_tuned

DETECTOR: dict[Precision, str] = {"auto": "bf16", "fp32": "f32", "bf16": "bf16"}
CLASSIFIER: dict[Precision, str] = {"auto": "f32", "fp32": "f32", "bf16": "bf16"}
MACHINE = Machine("a CPU", 2, 8000, bf16=True, gpu=False)


class Asked:
    """The precisions that detectors and classifiers were compiled or loaded with."""

    def __init__(self) -> None:
        self.detector: set[str] = set()
        self.classifier: set[str] = set()

    def note(self, net: openvino.CompiledModel, chosen: dict[str, Any]) -> openvino.CompiledModel:
        """Note one net; the classifier's is the one of grey pictures [N, H, W, 1]."""
        asked = self.classifier if net.input(0).partial_shape[3] == 1 else self.detector
        asked.add(str(chosen["INFERENCE_PRECISION_HINT"]))
        return net


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    compile_model, import_model = openvino.Core.compile_model, openvino.Core.import_model
    monkeypatch.setattr(compiled, "has_bf16", lambda core: True)
    monkeypatch.setattr(openvino.Core, "compile_model", lambda *given: found.note(compile_model(*given), given[3]))
    monkeypatch.setattr(openvino.Core, "import_model", lambda *given: found.note(import_model(*given), given[3]))
    return found


def _live(settings: Settings) -> None:
    open_tuned(settings, MACHINE).analyzer.analyze(astronaut())


def _checked_by_the_doctor(settings: Settings) -> None:
    assert [check.state for check in model_checks(settings)] == ["ok", "ok"]
    open_crop_analyzer(settings).analyze_many([astronaut()])


def _photos_and_jobs(settings: Settings) -> None:
    open_analyzer(settings).analyze(astronaut())


def _windows(settings: Settings) -> None:
    detector = detector_of(settings)
    (found,) = detector.detect(astronaut())
    detector.near(astronaut(), [found.box] * 2)
    open_crop_analyzer(settings).analyze_many([astronaut()])


def _yunet(settings: Settings) -> None:
    _windows(settings.model_copy(update={"yunet": yunet_file()}))


def _notebook(settings: Settings) -> None:
    FaceAnalyzer(precision=settings.precision, runtime="openvino").analyze(astronaut())


def _evaluation(settings: Settings) -> None:
    pictures = ArrayPictures(np.stack([astronaut()]), ("a",))
    data = LabelledData("one", pictures, np.array([0]), np.eye(8, dtype=np.float32)[:1])
    measure(data, EvaluationRequest(), settings)


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
@pytest.mark.parametrize(
    "opened", [_live, _checked_by_the_doctor, _photos_and_jobs, _windows, _yunet, _notebook, _evaluation]
)
def test_every_net_computes_in_what_the_setting_says(
    opened: Callable[[Settings], None], precision: Precision, asked: Asked, tmp_path: Path
) -> None:
    opened(Settings(precision=precision, runtime="openvino", data_dir=tmp_path))
    assert asked.detector == {DETECTOR[precision]}
    assert asked.classifier == {CLASSIFIER[precision]}
