"""Training and export where Keras computes with PyTorch, whose quicker gradients and norms are ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.nets import weights as weights_file
from tests.support.tiny_faces import write_npz

pytest.importorskip("torch", reason="PyTorch is an optional backend of training")

_MIEN = "from cli.main import main; main()"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("net", [("convnext-atto", "--stem", "conv-4"), ("mobilenetv2",)])
def test_a_net_is_trained_and_written(net: tuple[str, ...], tmp_path: Path) -> None:
    data = str(write_npz(tmp_path / "faces.npz", per_split=(64, 16, 8)))
    command = [
        sys.executable, "-c", _MIEN, "train", data, "--backbone", *net, "--size", "32", "--backend", "torch",
        "--epochs", "1", "--batch", "32", "--out", str(tmp_path / "run"), "--name", "tiny",
    ]  # fmt: skip
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert weights_file.load(tmp_path / "run" / "tiny.zip").figures["validation"]["n"] > 0
