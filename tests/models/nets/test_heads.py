"""A head for valence and arousal: where it is in the outputs, how it is stored, and what is said of its numbers."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.errors import SettingsError, WeightsError
from mien.settings import RuntimeName
from mien.types import EMOTIONS, Detection, Face
from models.circumplex import project
from models.classifier import Classifier
from models.evaluation.figures import rule_of
from models.evaluation.predictions import CropAnalyzer, Predictor
from models.labelled.data import ArrayPictures
from models.nets import graph
from models.nets import weights as weights_file
from models.nets.architecture import Architecture, array_shapes
from models.nets.heads import EMOTION, EMOTION_VA, heads_named, logits_in, outputs_of, points_in
from models.nets.weights import Weights
from models.runtimes.choose import open_runtime
from models.runtimes.interface import Faces, Logits
from tests.support.weights import random_weights

WITH_VA = Architecture(heads=EMOTION_VA)
RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "onnxruntime")


class Says:
    """A runtime that answers each crop with the same numbers."""

    name = "stub"

    def __init__(self, *outputs: float) -> None:
        self._outputs = np.array([outputs], np.float32)

    def logits(self, faces: Faces) -> Logits:
        """Return the same outputs for each crop."""
        return np.repeat(self._outputs, len(faces), axis=0)


def weights_with(architecture: Architecture) -> Weights:
    """Return weights that are not asked for their graph."""
    return replace(random_weights(), heads=architecture.heads, temperature=2.0)


def crops(count: int) -> list[np.ndarray]:
    return [np.zeros((48, 48, 1), np.uint8)] * count


@pytest.mark.parametrize(
    ("text", "heads"), [("emotion", EMOTION), ("emotion,va", EMOTION_VA), ("va, emotion", EMOTION_VA)]
)
def test_heads_are_called_by_their_names(text: str, heads: tuple[str, ...]) -> None:
    assert heads_named(text) == heads


@pytest.mark.parametrize("text", ["va", "", "emotion,valence", "emotions"])
def test_other_heads_are_one_clear_error(text: str) -> None:
    with pytest.raises(SettingsError, match="emotion,va"):
        heads_named(text)


def test_the_first_eight_outputs_are_emotions_and_the_last_two_a_point() -> None:
    outputs = np.arange(20, dtype=np.float32).reshape(2, 10) / 10
    assert (outputs_of(EMOTION), outputs_of(EMOTION_VA)) == (8, 10)
    assert logits_in(outputs).tolist() == outputs[:, :8].tolist()
    points = points_in(outputs)
    assert points is not None
    assert points.tolist() == pytest.approx(np.array([[0.8, 0.9], [1.0, 1.0]]))
    assert points_in(outputs[:, :8]) is None


def test_a_measured_point_is_taken_and_clipped_and_leaves_the_emotions_alone() -> None:
    with_head = Classifier(weights_with(WITH_VA), Says(0, 0, 0, 0, 3, 0, 0, 0, -0.25, 1.5))
    without = Classifier(weights_with(Architecture()), Says(0, 0, 0, 0, 3, 0, 0, 0))
    found = [Detection((0, 0, 10, 10), 0.9), Detection((5, 5, 10, 10), 0.8)]
    measured, projected = with_head.faces(found, crops(2)), without.faces(found, crops(2))
    assert [(face.valence, face.arousal, face.va_source) for face in measured] == [(-0.25, 1.0, "measured")] * 2
    assert measured[0].probabilities == projected[0].probabilities
    assert (measured[1].emotion, measured[1].confidence) == (projected[1].emotion, projected[1].confidence)
    assert (projected[0].valence, projected[0].arousal) == project(projected[0].probabilities)
    assert projected[0].va_source == "projected"


@pytest.mark.parametrize("architecture", [Architecture(), WITH_VA])
def test_no_crops_are_no_faces(architecture: Architecture) -> None:
    classifier = Classifier(weights_with(architecture), Says())
    assert classifier.faces([], []) == []
    assert classifier.classify([]).probabilities.shape == (0, 8)


def test_a_face_in_json_says_where_its_point_comes_from() -> None:
    classifier = Classifier(weights_with(WITH_VA), Says(*[0] * 8, 0.5, -0.5))
    (face,) = classifier.faces([Detection((0, 0, 10, 10), 0.9)], crops(1))
    assert face.to_dict()["va_source"] == "measured"
    assert Face.from_dict(face.to_dict()) == replace(face, score=0.9)
    old = {key: value for key, value in face.to_dict().items() if key != "va_source"}
    assert Face.from_dict(old).va_source == "projected"


def test_an_evaluation_reads_measured_points_too() -> None:
    classifier = Classifier(weights_with(WITH_VA), Says(*[0] * 8, 0.5, -0.5))
    pictures = ArrayPictures(np.zeros((3, 48, 48), np.uint8), ("a", "b", "c"))
    predictions = Predictor(classifier, None).predict(pictures)
    assert predictions.points is not None
    assert predictions.points.tolist() == [[0.5, -0.5]] * 3
    assert rule_of(classifier.weights).va == "measured"
    faces, _ = CropAnalyzer(classifier).analyze_many(crops(1))
    assert (faces[0][0].valence, faces[0][0].va_source) == (0.5, "measured")
    plain = Classifier(weights_with(Architecture()), Says(*[0] * 8))
    assert Predictor(plain, None).predict(pictures).points is None


def test_weights_remember_their_heads(tmp_path: Path) -> None:
    weights = random_weights(WITH_VA)
    path = weights_file.save(weights, tmp_path / "va.zip")
    loaded = weights_file.load(path)
    assert (loaded.heads, loaded.va_source, loaded.outputs) == (EMOTION_VA, "measured", 10)
    assert loaded.manifest["heads"] == ["emotion", "va"]
    assert weights_file.save(loaded, tmp_path / "again.zip").read_bytes() == path.read_bytes()
    assert graph.architecture_of(loaded) == WITH_VA


def test_a_file_that_names_no_heads_has_that_of_the_emotions(tmp_path: Path) -> None:
    path = weights_file.save(random_weights(), tmp_path / "old.zip")
    assert "heads" not in json.loads(zipfile.ZipFile(path).read("manifest.json"))
    assert (weights_file.load(path).heads, weights_file.load(path).va_source) == (EMOTION, "projected")


@pytest.mark.parametrize("heads", [["va"], ["emotion", "age"], "emotion", []])
def test_a_file_with_unknown_heads_is_refused(heads: object, tmp_path: Path) -> None:
    path = weights_file.save(random_weights(), tmp_path / "odd.zip")
    manifest = {**random_weights().to_manifest(), "heads": heads}
    manifest["checksums"]["manifest.json"] = weights_file.manifest_checksum(manifest)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("model.onnx", random_weights().onnx)
    with pytest.raises(WeightsError, match="heads"):
        weights_file.load(path)


def test_what_is_written_is_read_back() -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(0, 1, shape).astype(np.float16) for name, shape in array_shapes(WITH_VA).items()}
    assert arrays["head.fc.weight"].shape == (320, 10)
    back = graph.read_arrays(graph.write(WITH_VA, arrays))
    assert back.keys() == arrays.keys()
    np.testing.assert_array_equal(back["head.fc.weight"], arrays["head.fc.weight"].astype(np.float32))


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_emotions_do_not_know_of_the_other_head_and_the_point_is_squashed(name: RuntimeName) -> None:
    """The same net with and without the head gives the same logits; the head's own two pass through tanh."""
    rng = np.random.default_rng(4)
    arrays = graph.read_arrays(random_weights(WITH_VA).onnx)
    arrays["head.fc.bias"] = arrays["head.fc.bias"] + np.array([*[0] * 8, 3, -0.3], np.float32)
    short = {**arrays, **{key: arrays[key][..., :8] for key in ("head.fc.weight", "head.fc.bias")}}
    faces = rng.uniform(0, 255, (5, 48, 48, 1)).astype(np.float32)
    whole = open_runtime(replace(random_weights(WITH_VA), onnx=graph.write(WITH_VA, arrays)), name).logits(faces)
    plain = open_runtime(replace(random_weights(), onnx=graph.write(Architecture(), short)), name).logits(faces)
    assert (whole.shape, plain.shape) == ((5, 10), (5, 8))
    np.testing.assert_allclose(whole[:, :8], plain, atol=1e-5)
    # Its columns in place of two emotions: the same two numbers before they were squashed.
    swapped = {**arrays, **{key: arrays[key][..., 2:] for key in ("head.fc.weight", "head.fc.bias")}}
    raw = open_runtime(replace(random_weights(), onnx=graph.write(Architecture(), swapped)), name).logits(faces)
    np.testing.assert_allclose(whole[:, 8:], np.tanh(raw[:, 6:]), atol=1e-5)
    assert np.abs(whole[:, 8:]).max() < 1
    assert len(EMOTIONS) == 8
