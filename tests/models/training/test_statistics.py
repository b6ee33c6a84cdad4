"""Running statistics that fit averaged weights: Keras, so slow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
PICTURES = np.random.default_rng(0).normal(5.0, 3.0, (512, 8, 8, 1)).astype(np.float32)


def net() -> Any:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    inside = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.BatchNormalization(name="norm")], name="body")
    faces = keras.Input((8, 8, 1))
    return keras.Model(faces, keras.layers.GlobalAveragePooling2D()(inside(faces)))


def norm_of(model: Any) -> Any:
    return model.get_layer("body").get_layer("norm")


def test_statistics_become_those_of_the_pictures() -> None:
    averaged, trained = net(), net()
    from models.training.backbones.statistics import settle

    settle(averaged, trained, PICTURES)
    norm = norm_of(averaged)
    assert float(norm.moving_mean.numpy()[0]) == pytest.approx(float(PICTURES.mean()), abs=1e-3)
    assert float(norm.moving_variance.numpy()[0]) == pytest.approx(float(PICTURES.var()), rel=1e-2)
    assert norm.momentum == 0.99
    assert averaged.predict_on_batch(PICTURES[:64]).mean() == pytest.approx(0, abs=0.1)


def test_frozen_norms_keep_what_they_have() -> None:
    averaged, trained = net(), net()
    from models.training.backbones.statistics import settle

    norm_of(trained).trainable = False
    settle(averaged, trained, PICTURES)
    assert float(norm_of(averaged).moving_mean.numpy()[0]) == 0.0
    assert float(norm_of(averaged).moving_variance.numpy()[0]) == 1.0


def test_a_net_without_norms_is_left_alone() -> None:
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    from models.training.backbones.statistics import settle

    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    before = plain.get_weights()
    settle(plain, plain, np.ones((8, 4), np.float32))
    assert all(np.array_equal(one, other) for one, other in zip(before, plain.get_weights(), strict=True))
