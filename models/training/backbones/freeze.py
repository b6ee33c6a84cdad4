"""Which layers of a model learn: the head alone, or the head and the last layers of the backbone."""

from __future__ import annotations

import keras

HEAD_NAMES = ("head",)


def freeze(model: keras.Model, *, head_only: bool, unfreeze: int | None = None) -> None:
    """Let the head learn, and of the backbone nothing (`head_only`), its last `unfreeze` layers with weights, or all.

    The head is what is named so: the layers behind the last pooling.
    """
    body = [layer for layer in _flat(model) if layer.weights and not layer.name.startswith(HEAD_NAMES)]
    count = 0 if head_only else len(body) if unfreeze is None else unfreeze
    for place, layer in enumerate(body):
        layer.trainable = place >= len(body) - count
    for layer in model.layers:
        if layer.name.startswith(HEAD_NAMES):
            layer.trainable = True


def _flat(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers in order, those of a nested model in its place."""
    return [inner for layer in model.layers for inner in (_flat(layer) if isinstance(layer, keras.Model) else [layer])]
