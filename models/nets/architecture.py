"""What a classifier's net is made of, as plain data: read by the Keras builder and by the ONNX writer alike."""

from __future__ import annotations

from dataclasses import dataclass

from mien.errors import WeightsError
from mien.types import EMOTIONS
from models.nets.heads import EMOTION, Heads, outputs_of

LAYER_NORM_EPSILON = 1e-6
PICTURE_VARIANCE_FLOOR = 25.0
"""Added to the variance of a picture (grey levels squared), so that the noise of a flat one is not blown up."""

FAMILY: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "atto": ((2, 2, 6, 2), (40, 80, 160, 320)),
    "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
    "xlarge": ((3, 3, 27, 3), (256, 512, 1024, 2048)),
}
"""Blocks and channels of each stage by variant: Tiny to XLarge after Liu et al. (2022), the smaller ones after timm's
tables (Wightman, 2022)."""

STEMS = ("patchify-4", "patchify-2", "conv-4", "conv-2")
"""A stem's name ends with its stride. `conv-` stems are two overlapping 3×3 convolutions: the weights of one
are a start for the other, the same features on a grid twice as fine."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A variant of the family, its stem, the picture it takes (side in pixels, 1 (grey) or 3 channels), its heads."""

    variant: str = "atto"
    stem: str = "conv-4"
    input_size: int = 48
    channels: int = 1
    classes: tuple[str, ...] = EMOTIONS
    heads: Heads = EMOTION

    def __post_init__(self) -> None:
        if self.variant not in FAMILY:
            raise WeightsError(f"unknown variant {self.variant!r}: choose one of {', '.join(FAMILY)}")
        if self.stem not in STEMS:
            raise WeightsError(f"unknown stem {self.stem!r}: choose one of {', '.join(STEMS)}")

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        return FAMILY[self.variant][0]

    @property
    def outputs(self) -> int:
        """How many numbers the net gives for a face."""
        return outputs_of(self.heads)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return FAMILY[self.variant][1]


def stem_convolutions(architecture: Architecture) -> tuple[tuple[int, int, int], ...]:
    """Return the stem's convolutions as (width, kernel, stride); a layer norm follows each, a GELU all but the last."""
    width = architecture.widths[0]
    return {
        "patchify-4": ((width, 4, 4),),
        "patchify-2": ((width, 2, 2),),
        "conv-4": ((width // 2, 3, 2), (width, 3, 2)),
        "conv-2": ((width // 2, 3, 2), (width, 3, 1)),
    }[architecture.stem]


def sides(architecture: Architecture) -> tuple[int, ...]:
    """Return the side of the feature map after each convolution of the stem and each downsampling; the input leads."""
    strides = [stride for _, _, stride in stem_convolutions(architecture)] + [2] * (len(architecture.widths) - 1)
    result = [architecture.input_size]
    for stride in strides:
        result.append(-(-result[-1] // stride))
    return tuple(result)


def array_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every array of a model, in canonical layout (see `models.nets.convnext`)."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, weight: tuple[int, ...], outputs: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = weight, (outputs,)

    inputs = architecture.channels
    for index, (width, kernel, _) in enumerate(stem_convolutions(architecture)):
        layer(f"stem.{2 * index}", (width, inputs, kernel, kernel), width)
        layer(f"stem.{2 * index + 1}", (width,), width)
        inputs = width
    for stage, (depth, width) in enumerate(zip(architecture.depths, architecture.widths, strict=True)):
        if stage > 0:
            layer(f"stages.{stage}.downsample.0", (inputs,), inputs)
            layer(f"stages.{stage}.downsample.1", (width, inputs, 2, 2), width)
        for index in range(depth):
            name = f"stages.{stage}.blocks.{index}"
            layer(f"{name}.dwconv", (width, 1, 7, 7), width)
            layer(f"{name}.norm", (width,), width)
            layer(f"{name}.pwconv1", (width, 4 * width), 4 * width)
            layer(f"{name}.pwconv2", (4 * width, width), width)
            shapes[f"{name}.gamma"] = (width,)
        inputs = width
    layer("head.norm", (inputs,), inputs)
    layer("head.fc", (inputs, architecture.outputs), architecture.outputs)
    return shapes
