"""`python -m bench classic_loop [VARIANT]`: the classic way of a picture, which takes turns (for `bench frame`).

Grey picture → OpenCV's Haar `frontalface_alt2` with default parameters → each bare box resized to 224×224 → Keras'
ConvNeXtXLarge with the head of transfer learning (global average, Dense 512 ReLU, Dropout 0.1, softmax over nine), one
`predict` a face. Weights are random: they take as long as trained ones. Runs in the environment that
`python -m bench setup_baselines` makes; needs nothing of mien.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np

from bench.scene.turns import take_turns

SIDE = 224
CLASSES = 9
CASCADE = "haarcascade_frontalface_alt2.xml"


def main() -> None:
    """Make the model, use it once, and take turns."""
    name = sys.argv[1] if len(sys.argv) > 1 else "ConvNeXtXLarge"
    way = ClassicWay(name)
    way.emotion(np.zeros((SIDE, SIDE, 3), np.uint8))
    take_turns(way.read)


class ClassicWay:
    """Haar cascade, then one `predict` a face."""

    def __init__(self, backbone: str) -> None:
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / CASCADE))
        base = getattr(keras.applications, backbone)(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
        base.trainable = False
        layers = [
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
        self._model = keras.Sequential(layers)

    def read(self, path: str) -> int:
        """Read one picture, and return how many faces were found in it."""
        picture: Any = cv2.imread(path)
        boxes = self._cascade.detectMultiScale(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
        for x, y, width, height in boxes:
            face = cv2.resize(picture[y : y + height, x : x + width], (SIDE, SIDE))
            self.emotion(face)
        return len(boxes)

    def emotion(self, face: Any) -> int:
        """Return the class of one face."""
        return int(np.argmax(self._model.predict(face[np.newaxis], verbose=0)))


if __name__ == "__main__":
    main()
