"""Training a head for valence and arousal: its loss, its targets, and one whole training (TensorFlow, so slow)."""

from __future__ import annotations

import csv
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import InputError
from mien.settings import load_settings
from mien.types import EMOTIONS
from models.circumplex import POINTS
from models.evaluation.agreement import ccc, mean_ccc, va_agreement
from models.evaluation.measure import EvaluationRequest, chosen_part, measure
from models.labelled.data import read_labelled
from models.labelled.ferplus import FaceSet
from models.nets import weights as weights_file
from models.nets.weights import CropGeometry
from models.training import checkpoint, runlog
from models.training.batches import batches
from models.training.faces import Cutting, need_points, read_training_data
from models.training.plan import Augmentation, EpochReport, TrainingPlan
from tests.support.paths import ROOT
from tests.support.tiny_faces import picture

slow = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # TensorFlow's own imports warn.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def face_set(count: int = 40, known: bool = True) -> FaceSet:
    """Return faces of all emotions; every fifth has no point."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % len(EMOTIONS)
    points = np.array([POINTS[EMOTIONS[label]] for label in labels], np.float32)
    points[::5] = np.nan
    pictures = np.stack([picture(int(label), rng) for label in labels])
    targets = np.eye(8, dtype=np.float32)[labels]
    return FaceSet(pictures, targets, labels.astype(np.int64), np.zeros(count, bool), points if known else None)


def test_concordance_is_that_of_lin() -> None:
    """Against a value worked out by hand: means 2 and 3, variances 2/3, covariance 2/3, so 2·(2/3) / (4/3 + 1)."""
    assert ccc(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])) == pytest.approx((4 / 3) / (7 / 3))


def test_only_rows_that_are_known_in_both_count() -> None:
    truth = np.array([[0.1, 0.2], [np.nan, 0.3], [0.5, -0.5], [0.9, 0.0]])
    found = np.array([[0.2, 0.2], [0.9, 0.9], [0.4, -0.4], [np.nan, np.nan]])
    figures = va_agreement(truth, found)
    assert figures["n"] == 2
    assert figures["valence"]["rmse"] == pytest.approx(0.1)
    assert mean_ccc(truth, found) == pytest.approx(
        (figures["valence"]["ccc"] + figures["arousal"]["ccc"]) / 2, abs=1e-3
    )
    assert math.isnan(mean_ccc(truth[1:2], found[1:2]))


def test_points_come_with_their_pictures_and_mixing_pictures_mixes_them() -> None:
    faces = face_set()
    plan = TrainingPlan(batch=40, augmentation=Augmentation(mixup=0.0))
    (plain,) = list(batches(faces, plan, 32, epoch=0))
    assert plain.points is not None
    for target, point in zip(plain.targets, plain.points, strict=True):
        assert np.isnan(point).all() or point.tolist() == pytest.approx(POINTS[EMOTIONS[int(target.argmax())]])
    (mixed,) = list(batches(faces, replace(plan, augmentation=Augmentation(mixup=1.0)), 32, epoch=0))
    assert mixed.points is not None
    known = ~np.isnan(mixed.points).any(axis=1)
    blended = known & (mixed.targets.max(axis=1) < 0.999)
    assert blended.any()
    expected = mixed.targets @ np.array([POINTS[name] for name in EMOTIONS])
    np.testing.assert_allclose(mixed.points[known], expected[known], atol=1e-5)
    # What is unknown of one of two is unknown of both together.
    assert known.sum() < (~np.isnan(plain.points).any(axis=1)).sum()


def test_data_without_points_gives_batches_without() -> None:
    (batch,) = list(batches(face_set(known=False), TrainingPlan(batch=40), 32, epoch=0))
    assert batch.points is None


def test_pictures_and_targets_are_the_same_with_and_without_points() -> None:
    one, other = (
        next(iter(batches(face_set(known=known), TrainingPlan(batch=40), 32, epoch=0))) for known in (True, False)
    )
    np.testing.assert_array_equal(one.pictures, other.pictures)
    np.testing.assert_array_equal(one.targets, other.targets)


def test_data_without_points_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="valence and arousal"):
        need_points(face_set(), face_set(known=False))
    need_points(face_set(), face_set())


def test_a_folder_without_points_is_refused_before_a_face_is_cut(tmp_path: Path) -> None:
    for name in ("happy", "sad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "broken.png").write_bytes(b"no picture")  # cutting it would be another error
    with pytest.raises(InputError, match="no valence and arousal"):
        read_training_data(tmp_path, Cutting(CropGeometry(48)), with_points=True)


def report_of(epoch: int, concordance: float) -> EpochReport:
    return EpochReport(epoch, 10 * epoch, 1.0, 1e-3, 2.0, 1.5, 0.5, 0.4, 100.0, concordance)


def test_the_log_has_a_cell_for_concordance_that_may_be_empty(tmp_path: Path) -> None:
    log = runlog.RunLog(tmp_path)
    log.write(report_of(0, math.nan))
    log.write(report_of(1, 0.75))
    log.close()
    first, second = runlog.read(tmp_path)
    assert math.isnan(first["ccc"])
    assert second["ccc"] == 0.75


def test_a_log_of_an_older_version_goes_on_with_its_columns(tmp_path: Path) -> None:
    columns = [name for name in EpochReport.__slots__ if name != "ccc"]
    with (tmp_path / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, [0] * len(columns)])
    log = runlog.RunLog(tmp_path)
    log.write(report_of(1, math.nan))
    log.close()
    assert [row["accuracy"] for row in runlog.read(tmp_path)] == [0.0, 0.5]


# --- what needs Keras


class TestLoss:
    """The loss against the same in numpy."""

    pytestmark = slow

    def outputs(self, count: int) -> np.ndarray:
        """Return logits and points [N, 10]."""
        rng = np.random.default_rng(5)
        return np.column_stack([rng.normal(0, 2, (count, 8)), np.tanh(rng.normal(0, 1, (count, 2)))]).astype(np.float32)

    def test_it_is_cross_entropy_and_one_minus_concordance(self) -> None:
        from models.evaluation.score import softmax
        from models.training.loss import EmotionAndPoint, lesson

        plan = TrainingPlan(batch=40, class_weights=0.5)
        (batch,) = list(batches(face_set(), plan, 32, epoch=0))
        outputs = self.outputs(40)
        loss = float(EmotionAndPoint(0.5)(lesson(batch), outputs))
        entropy = -(batch.targets * np.log(softmax(outputs))).sum(axis=1) * batch.weights
        assert batch.points is not None
        assert loss == pytest.approx(entropy.mean() + 0.5 * (1 - mean_ccc(batch.points, outputs[:, 8:])), abs=1e-3)

    def test_a_batch_in_which_nothing_varies_or_nothing_is_known_has_a_finite_loss(self) -> None:
        from models.training.loss import EmotionAndPoint, lesson

        (batch,) = list(batches(face_set(), TrainingPlan(batch=40), 32, epoch=0))
        outputs = self.outputs(40)
        outputs[:, 8:] = 0.3
        alone = float(EmotionAndPoint(0.0)(lesson(batch), outputs))
        for points in (np.full((40, 2), 0.3), np.full((40, 2), np.nan), np.full((40, 2), -0.3)):
            loss = float(EmotionAndPoint(0.5)(lesson(batch._replace(points=points.astype(np.float32))), outputs))
            assert np.isfinite(loss)
            assert alone - 1e-4 <= loss <= alone + 0.5 + 1e-4
        unknown = batch._replace(points=np.full((40, 2), np.nan, np.float32))
        assert float(EmotionAndPoint(0.5)(lesson(unknown), outputs)) == pytest.approx(alone, abs=1e-5)

    def test_keras_and_the_graph_give_the_same_numbers(self) -> None:
        from models.nets import graph
        from models.nets.architecture import Architecture
        from models.nets.heads import EMOTION_VA
        from models.runtimes.choose import open_runtime
        from tests.support.weights import random_weights

        weights = random_weights(Architecture(heads=EMOTION_VA))
        faces = np.random.default_rng(2).uniform(0, 255, (3, 48, 48, 1)).astype(np.float32)
        expected = np.asarray(graph.rebuild(weights).predict_on_batch(faces))
        assert expected.shape == (3, 10)
        for name in ("openvino", "onnxruntime", "tensorflow"):
            np.testing.assert_allclose(open_runtime(weights, name).logits(faces), expected, atol=1e-4)

    def test_weights_without_the_head_keep_their_emotions_and_the_head_is_new(self) -> None:
        from models.nets.architecture import Architecture
        from models.nets.heads import EMOTION_VA
        from models.training.backbones.nets import ConvNeXt, fitted

        narrow, wide = ConvNeXt(Architecture()), ConvNeXt(Architecture(heads=EMOTION_VA))
        old, new = narrow.arrays(narrow.build()), wide.arrays(wide.build())
        kept = fitted(old["head.fc.weight"], new["head.fc.weight"])
        assert kept is not None
        np.testing.assert_array_equal(kept[:, :8], old["head.fc.weight"])
        np.testing.assert_array_equal(kept[:, 8:], new["head.fc.weight"][:, 8:])
        back = fitted(new["head.fc.bias"], old["head.fc.bias"])
        assert back is not None
        assert back.shape == (8,)
        assert fitted(old["head.norm.weight"], new["head.fc.weight"]) is None
        assert "heads" not in narrow.facts
        assert wide.facts["heads"] == EMOTION_VA


def write_csv(folder: Path, per_split: tuple[int, int, int]) -> Path:
    """Write crops and a CSV with splits, valence and arousal; every seventh face has no point.

    The points are not those of the circumplex, turned by a quarter: what is projected cannot fit them.
    """
    rng = np.random.default_rng(0)
    path = folder / "faces.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "valence", "arousal", "split"))
        for split, count in zip(("train", "validation", "test"), per_split, strict=True):
            for index in range(count):
                emotion = index % len(EMOTIONS)
                name = f"{split}{index}.png"
                cv2.imwrite(str(folder / name), picture(emotion, rng))
                valence, arousal = POINTS[EMOTIONS[emotion]]
                point = ("", "") if index % 7 == 6 else (f"{-arousal:.2f}", f"{valence:.2f}")
                rows.writerow((name, EMOTIONS[emotion], *point, split))
    return path


def mien(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=250)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_head_learns_is_exported_and_says_that_it_measures(tmp_path: Path) -> None:
    data, run = str(write_csv(tmp_path, (640, 48, 48))), tmp_path / "run"
    trained = mien(
        "train", data, "--crops", "--heads", "emotion,va", "--stem", "conv-4", "--size", "32", "--epochs", "3",
        "--batch", "20", "--ema", "0.95", "--out", str(run), "--name", "tiny",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "CCC of valence and arousal" in trained.stdout
    assert runlog.read(run)[-1]["ccc"] > 0.5
    weights = weights_file.load(run / "tiny.zip")
    assert weights.va_source == "measured"
    assert weights.manifest["heads"] == ["emotion", "va"]
    va = weights.figures["validation"]["va"]
    assert (va["source"], va["truth"]) == ("measured", "given")
    assert va["valence"]["ccc"] > 0.5
    card = (run / "model_card.md").read_text()
    assert "measured by a head of their own" in card
    assert f"{va['arousal']['rmse']:.3f}" in card
    labelled = read_labelled(data)
    wanted = EvaluationRequest(crops=True)
    found = {}
    for runtime in ("openvino", "onnxruntime"):
        settings = load_settings(weights=run / "tiny.zip", runtime=runtime)
        found[runtime] = measure(chosen_part(labelled, wanted), wanted, settings).figures
        assert found[runtime]["va_source"] == "measured"
        assert found[runtime]["va"]["valence"]["ccc"] > 0.5
    one, other = (figures["va"]["arousal"] for figures in found.values())
    assert one["rmse"] == pytest.approx(other["rmse"], abs=0.02)
    with pytest.raises(InputError, match="another net"):
        checkpoint.load(run, {key: value for key, value in checkpoint.net_facts(run).items() if key != "heads"})
