"""Random changes to training pictures: what a detector's crop, a camera and a codec do to a face.

Pictures stay uint8 grey [N, H, W]; every function takes the random generator, so that a run can be repeated.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.pixels import Grey
from models.training.plan import Augmentation


def augment(
    pictures: NDArray[np.uint8], size: int, rng: np.random.Generator, how: Augmentation | None = None
) -> NDArray[np.float32]:
    """Return changed copies of uint8 [N, H, W] as float32 [N, size, size, 1], still 0 to 255."""
    how = how or Augmentation()
    result = np.empty((len(pictures), size, size, 1), np.float32)
    for index, picture in enumerate(pictures):
        changed = warp(picture, size, rng, how)
        if rng.random() < how.light:
            changed = relight(changed, rng)
        if rng.random() < how.degrade:
            changed = degrade(changed, rng)
        if rng.random() < how.cutout:
            changed = cut_out(changed, rng)
        result[index, :, :, 0] = changed
    return result


def mixup(
    pictures: NDArray[np.float32], targets: NDArray[np.float32], rng: np.random.Generator, how: Augmentation
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a batch as it is, or with a chance of `how.mixup` blended with itself, pictures and targets [N, K] alike.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018).
    """
    if rng.random() >= how.mixup:
        return pictures, targets
    share, partners = rng.beta(0.2, 0.2, len(pictures)).astype(np.float32), rng.permutation(len(pictures))
    wide = share[:, np.newaxis, np.newaxis, np.newaxis]
    blended = wide * pictures + (1 - wide) * pictures[partners]
    return blended, share[:, np.newaxis] * targets + (1 - share[:, np.newaxis]) * targets[partners]


def warp(picture: Grey, size: int, rng: np.random.Generator, how: Augmentation) -> Grey:
    """Flip, turn, zoom, shear and shift a picture onto size × size: the jitter of a crop in one interpolation."""
    height, width = picture.shape
    angle, shift_x, shift_y = rng.normal(size=3).clip(-2, 2) * (how.rotation_deg, how.shift, how.shift)
    zoom = np.exp(rng.uniform(-1, 1, 2) * 0.25 * np.log(how.scale) + rng.uniform(-1, 1) * 0.75 * np.log(how.scale))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, rng.uniform(-1, 1) * how.shear], [0.0, 1.0]])
    mirror = -1.0 if rng.random() < how.flip else 1.0
    matrix = turn @ np.diag([zoom[0] * mirror * size / width, zoom[1] * size / height])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    middle = (size - 1) / 2 + np.array([shift_x, shift_y]) * size
    affine = np.column_stack([matrix, middle - matrix @ centre])
    # What lies beyond the picture: mostly more of the same, sometimes a flat border.
    border = cv2.BORDER_REFLECT_101 if rng.random() < 0.7 else cv2.BORDER_CONSTANT
    level = float(rng.integers(0, 256))
    warped = cv2.warpAffine(
        picture, affine, (size, size), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=(level,)
    )
    return np.asarray(warped, np.uint8)


def relight(picture: Grey, rng: np.random.Generator) -> Grey:
    """Change gamma, contrast and brightness, sometimes with a gradient of light across the face."""
    levels = np.arange(256, dtype=np.float32) / 255
    levels = levels ** np.exp(rng.uniform(-0.5, 0.5))
    levels = (levels - 0.5) * rng.uniform(0.6, 1.4) + 0.5 + rng.uniform(-0.2, 0.2)
    changed = np.asarray(cv2.LUT(picture, (levels * 255).clip(0, 255).astype(np.uint8)), np.uint8)
    if rng.random() < 0.3:
        height, width = picture.shape
        ramp = np.linspace(-1, 1, width, dtype=np.float32)[np.newaxis, :] * rng.uniform(-0.35, 0.35)
        ramp = ramp + np.linspace(-1, 1, height, dtype=np.float32)[:, np.newaxis] * rng.uniform(-0.35, 0.35)
        changed = (changed * (1 + ramp)).clip(0, 255).astype(np.uint8)
    return changed


def degrade(picture: Grey, rng: np.random.Generator) -> Grey:
    """Lose detail as cameras do: a small face scaled up, blur, JPEG at low quality, or noise."""
    side = picture.shape[0]
    kind = rng.integers(4)
    if kind == 0:
        small = int(side * rng.uniform(0.4, 0.9))
        reduced = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(reduced, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    if kind == 1:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.3)), np.uint8)
    if kind == 2:
        _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)
    noise = rng.normal(0, rng.uniform(2, 12), picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


def cut_out(picture: Grey, rng: np.random.Generator) -> Grey:
    """Cover one rectangle, 10 to 35 % of each side, with a flat grey: a hand, a hair, an edge."""
    side = picture.shape[0]
    height, width = (side * rng.uniform(0.1, 0.35, 2)).astype(int)
    top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
    covered = picture.copy()
    covered[top : top + height, left : left + width] = rng.integers(0, 256)
    return covered
