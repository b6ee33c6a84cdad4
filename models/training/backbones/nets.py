"""The nets that can be trained, behind one interface: our ConvNeXts, and any application of Keras as a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import keras
from numpy.typing import NDArray

from mien.errors import InputError, SettingsError, line_of
from mien.types import EMOTIONS
from models.nets import convnext
from models.nets.architecture import FAMILY, Architecture
from models.nets.heads import EMOTION, EMOTION_VA, Heads, heads_named, outputs_of
from models.nets.weights import Weights
from models.training.backbones import applications
from models.training.exporting.export import to_weights
from models.training.plan import Regularisation

Arrays = Mapping[str, NDArray[Any]]
PREFIX = "convnext-"
SIZES = range(8, 513)
"""Sides of the input in pixels that a net can have."""


class Net(Protocol):
    """One kind of net: how it is built, how its weights are read and written, and how it becomes a file."""

    @property
    def facts(self) -> dict[str, Any]:
        """What makes two nets the same, as JSON types: a checkpoint of another one is refused."""
        ...

    @property
    def input_size(self) -> int:
        """Side of the picture it takes, in pixels."""
        ...

    @property
    def heads(self) -> Heads:
        """What it says of a face."""
        ...

    def build(self, how: Regularisation | None = None) -> keras.Model:
        """Return a new model, float32 [N, size, size, 1] with values 0 to 255 to outputs [N, 8 or 10]."""
        ...

    def arrays(self, model: keras.Model) -> dict[str, NDArray[Any]]:
        """Return all weights of a model by name."""
        ...

    def restore(self, model: keras.Model, arrays: Arrays) -> None:
        """Put arrays back; raises ValueError when they do not fit."""
        ...

    def weights(self, arrays: Arrays, name: str) -> Weights:
        """Return arrays as a set of weights, not calibrated."""
        ...

    def imagenet(self) -> Arrays:
        """Return ImageNet weights as Keras downloads them; raises SettingsError when there are none to be had."""
        ...


@dataclass(frozen=True, slots=True)
class ConvNeXt:
    """Our own ConvNeXts, Atto to XLarge."""

    architecture: Architecture

    @property
    def facts(self) -> dict[str, Any]:
        """The architecture."""
        return _without_default(asdict(self.architecture))

    @property
    def input_size(self) -> int:
        """Side of the picture it takes, in pixels."""
        return self.architecture.input_size

    @property
    def heads(self) -> Heads:
        """What it says of a face."""
        return self.architecture.heads

    def build(self, how: Regularisation | None = None) -> keras.Model:
        """Return a new model."""
        return convnext.build(self.architecture, **(asdict(how) if how else {}))

    def arrays(self, model: keras.Model) -> dict[str, NDArray[Any]]:
        """Return all weights by their canonical names."""
        return dict(convnext.named_arrays(model))

    def restore(self, model: keras.Model, arrays: Arrays) -> None:
        """Put arrays back; raises ValueError when they do not fit."""
        convnext.restore(model, arrays)

    def weights(self, arrays: Arrays, name: str) -> Weights:
        """Return arrays as a set of weights, not calibrated."""
        return to_weights(arrays, self.architecture, name)

    def imagenet(self) -> Arrays:
        """Return Keras' ImageNet weights of Tiny to XLarge; raises SettingsError for others, or offline."""
        return applications.convnext_arrays(self.architecture)


@dataclass(frozen=True, slots=True)
class Application:
    """An application of Keras (or EfficientNet-Lite0) with pooling and a dense head of our own."""

    backbone: str
    input_size: int
    heads: Heads = EMOTION

    @property
    def facts(self) -> dict[str, Any]:
        """Backbone, input and heads."""
        return _without_default(asdict(self))

    def build(self, how: Regularisation | None = None) -> keras.Model:
        """Return a new model with random weights; of `how` only the head's dropout acts.

        Raises SettingsError when Keras has no such backbone for the input's size.
        """
        try:
            return applications.build(self.backbone, self.input_size, how.dropout if how else 0.0, self.heads)
        except ValueError as error:
            raise SettingsError(
                f"{self.backbone} cannot be built for {self.input_size} px: {line_of(error)}"
            ) from error

    def arrays(self, model: keras.Model) -> dict[str, NDArray[Any]]:
        """Return all weights and statistics by place and path."""
        return applications.named_arrays(model)

    def restore(self, model: keras.Model, arrays: Arrays) -> None:
        """Put arrays back; raises ValueError when they do not fit."""
        applications.restore(model, arrays)

    def weights(self, arrays: Arrays, name: str) -> Weights:
        """Return arrays as a set of weights, not calibrated."""
        model = self.build()
        self.restore(model, arrays)
        return applications.to_weights(model, self.backbone, self.input_size, name, self.heads)

    def imagenet(self) -> Arrays:
        """Return Keras' ImageNet weights; raises SettingsError without a network."""
        return applications.imagenet_arrays(self.backbone, self.input_size, self.heads)


def net_of(backbone: str, stem: str = "", size: int = 0, heads: Heads = EMOTION) -> Net:
    """Return the net that `--backbone`, `--stem`, `--size`, `--heads` name; raises SettingsError for an unknown one,
    and for a size out of range."""
    if size and size not in SIZES:
        raise SettingsError(f"--size {size} is out of range: {SIZES[0]} to {SIZES[-1]} pixels")
    variant = backbone.removeprefix(PREFIX)
    if variant in FAMILY:
        small = variant in ("atto", "femto", "pico", "nano")
        default = ("conv-2", 48) if small else ("patchify-4", 224)
        return ConvNeXt(Architecture(variant, stem or default[0], size or default[1], heads=heads))
    if stem:
        raise SettingsError(f"--stem is for our ConvNeXts, not for {backbone}: leave it out")
    if backbone not in applications.BACKBONES:
        ours = ", ".join(PREFIX + name for name in FAMILY)
        raise SettingsError(
            f"unknown backbone {backbone!r}: choose one of {ours}, {', '.join(sorted(applications.BACKBONES))}"
        )
    return Application(backbone, size or applications.BACKBONES[backbone].size, heads)


def net_from(facts: Mapping[str, Any]) -> Net:
    """Return the net that `facts` describes, as a checkpoint keeps them; raises InputError when they are not ours."""
    try:
        heads = heads_named(",".join(facts.get("heads", EMOTION)))
        if "backbone" in facts:
            return Application(str(facts["backbone"]), int(facts["input_size"]), heads)
        return ConvNeXt(Architecture(**{**facts, "classes": tuple(facts["classes"]), "heads": heads}))
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise InputError(f"the checkpoint names no net of this version ({error})") from error


def fitted(array: NDArray[Any], own: NDArray[Any]) -> NDArray[Any] | None:
    """Return an array of other weights in the shape of a net's `own`; None when it does not fit.

    Where only the heads differ, the emotions' part is taken over and the rest of `own` stays.
    """
    if array.shape == own.shape:
        return array
    widths = {array.shape[-1:], own.shape[-1:]}
    if array.shape[:-1] != own.shape[:-1] or widths != {(outputs_of(EMOTION),), (outputs_of(EMOTION_VA),)}:
        return None
    result = own.copy()
    result[..., : len(EMOTIONS)] = array[..., : len(EMOTIONS)]
    return result


def _without_default(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts without the heads that every net had before there were others: old checkpoints do not name them."""
    return {name: value for name, value in facts.items() if name != "heads" or tuple(value) != EMOTION}
