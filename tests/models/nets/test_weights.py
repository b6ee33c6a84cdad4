from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mien.errors import WeightsError
from mien.prior import NAMED, NO_SHIFT
from mien.types import EMOTIONS
from models.nets import weights as weights_file
from models.nets.weights import Calibration, CropGeometry, Weights
from tests.support.paths import ROOT


def some_weights() -> Weights:
    return Weights(
        name="test",
        version="3",
        variant="atto",
        stem="conv-4",
        input_size=48,
        channels=1,
        classes=EMOTIONS,
        temperature=1.25,
        threshold=0.4,
        crop=CropGeometry(48, eye_y=0.41),
        onnx=bytes(range(256)) * 40,
        licence="MIT",
        figures={"validation": {"accuracy": 0.8}},
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return weights_file.save(some_weights(), tmp_path / "test.zip")


def rewrite(path: Path, **members: bytes) -> None:
    """Replace members of a zip, without touching checksums, as a tamperer would."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**old, **members}.items():
            archive.writestr(name, content)


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        weights_file.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_saved_is_loaded(saved: Path) -> None:
    loaded = weights_file.load(saved)
    assert replace(loaded, manifest={}) == some_weights()
    assert loaded.manifest["checksums"]["model.onnx"]


def test_the_same_weights_give_the_same_file(saved: Path, tmp_path: Path) -> None:
    assert weights_file.save(some_weights(), tmp_path / "again.zip").read_bytes() == saved.read_bytes()


def test_saving_a_loaded_file_changes_nothing(saved: Path, tmp_path: Path) -> None:
    again = weights_file.save(weights_file.load(saved), tmp_path / "again.zip")
    assert again.read_bytes() == saved.read_bytes()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no weights at" in refusal(tmp_path / "none.zip")


@pytest.mark.parametrize("part", [0.0, 0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file_is_refused(saved: Path, part: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * part)])
    refusal(saved)


def test_no_flipped_byte_goes_unnoticed(saved: Path) -> None:
    content = saved.read_bytes()
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        saved.write_bytes(bytes(damaged))
        try:
            loaded = weights_file.load(saved)
        except WeightsError:
            continue
        # Some bytes of a zip mean nothing (times, attributes): then all that was read must be right.
        assert replace(loaded, manifest={}) == some_weights()


def test_another_model_is_refused(saved: Path) -> None:
    rewrite(saved, **{"model.onnx": b"another model"})
    assert "model.onnx" in refusal(saved)
    assert "checksum" in refusal(saved)


def test_a_changed_manifest_is_refused(saved: Path) -> None:
    manifest = json.loads(zipfile.ZipFile(saved).read("manifest.json"))
    manifest["threshold"] = 0.0
    rewrite(saved, **{"manifest.json": json.dumps(manifest).encode()})
    assert "manifest.json" in refusal(saved)


@pytest.mark.parametrize("found", [0, 2, "1", None])
def test_another_format_is_refused(saved: Path, found: object) -> None:
    manifest = json.loads(zipfile.ZipFile(saved).read("manifest.json"))
    manifest["format"] = found
    rewrite(saved, **{"manifest.json": json.dumps(manifest).encode()})
    assert "format" in refusal(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["happy", "sad"]},
        {"temperature": 0.0},
        {"temperature": "warm"},
        {"threshold": 1.5},
        {"input": {"size": 48}},
        {"input": {"size": 5, "channels": 1}},
        {"crop": {"size": 48, "tail": 1}},
        {"licence": None, "name": None, "crop": 3},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(saved: Path, changes: dict[str, object]) -> None:
    manifest = json.loads(zipfile.ZipFile(saved).read("manifest.json"))
    manifest.update(changes)
    manifest["checksums"]["manifest.json"] = weights_file.manifest_checksum(manifest)
    rewrite(saved, **{"manifest.json": json.dumps(manifest).encode()})
    refusal(saved)


@pytest.mark.parametrize("content", [b"", b"a text file", b"[1, 2]", b"null", b"\xff\xfe"])
def test_a_manifest_that_is_no_manifest_is_refused(saved: Path, content: bytes) -> None:
    rewrite(saved, **{"manifest.json": content})
    refusal(saved)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.jpg", b"\xff\xd8")
    assert "manifest.json" in refusal(tmp_path / "photos.zip")


def test_a_folder_that_cannot_be_written_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WeightsError, match="cannot write"):
        weights_file.save(some_weights(), tmp_path / "file" / "test.zip")


def test_the_shipped_weights_load_and_are_small() -> None:
    path = weights_file.default_path()
    if not path.exists():
        pytest.skip("no weights are shipped yet")
    loaded = weights_file.load()
    assert loaded.name == weights_file.DEFAULT_NAME
    assert path.stat().st_size <= 8_000_000
    assert loaded.figures["test"]["accuracy"] >= 0.78


def test_loading_needs_neither_numpy_nor_a_runtime(saved: Path) -> None:
    code = (
        "import sys; from models.nets import weights; weights.load(sys.argv[1]);"
        "print([name for name in ('numpy', 'onnx', 'keras', 'tensorflow', 'cv2', 'openvino') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"


def with_prior() -> Weights:
    calibrations = {"balanced": Calibration(1.5, 0.3), "everyday": Calibration(0.8, 0.6)}
    return replace(some_weights(), prior=NAMED["everyday"], calibrations=calibrations)


def test_the_prior_and_its_calibrations_are_kept(tmp_path: Path) -> None:
    loaded = weights_file.load(weights_file.save(with_prior(), tmp_path / "test.zip"))
    assert loaded.prior == pytest.approx(NAMED["everyday"])
    assert loaded.calibrations == with_prior().calibrations


def test_under_a_prior_weights_answer_with_its_calibration() -> None:
    balanced, everyday = with_prior().under("balanced"), with_prior().under("everyday")
    assert (balanced.temperature, balanced.threshold) == (1.5, 0.3)
    assert (everyday.temperature, everyday.threshold) == (0.8, 0.6)
    assert everyday.shift == pytest.approx(NO_SHIFT)
    assert balanced.shift[EMOTIONS.index("disgust")] > 2
    assert balanced.shift[EMOTIONS.index("neutral")] < -0.9


def test_shares_without_a_name_are_calibrated_as_the_nearest_prior() -> None:
    nearly = dict.fromkeys(EMOTIONS, 1.0) | {"happy": 1.1}
    assert with_prior().under(nearly).temperature == 1.5
    assert with_prior().under(nearly | {"neutral": 4.0, "happy": 3.0}).temperature == 0.8


def test_older_weights_keep_the_prior_that_they_were_trained_on(saved: Path) -> None:
    loaded = weights_file.load(saved)
    assert loaded.prior is None
    assert loaded.under("balanced") is loaded


@pytest.mark.parametrize(
    "change",
    [
        {"prior": {"happy": 1.0}},
        {"prior": {**dict.fromkeys(EMOTIONS, 1.0), "sad": -1.0}},
        {"prior": "everyday"},
        {"calibration": {"balanced": {"temperature": 0.0, "threshold": 0.5}}},
        {"calibration": {"balanced": {"temperature": 1.0}}},
        {"calibration": 3},
    ],
)
def test_a_manifest_with_a_prior_that_is_none_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = weights_file.save(with_prior(), tmp_path / "test.zip")
    with zipfile.ZipFile(path) as archive:
        manifest = {**json.loads(archive.read("manifest.json")), **change}
    manifest["checksums"]["manifest.json"] = weights_file.manifest_checksum(manifest)
    rewrite(path, **{"manifest.json": json.dumps(manifest).encode()})
    assert "is not usable" in refusal(path)
