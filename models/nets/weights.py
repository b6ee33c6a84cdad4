"""A set of weights: one zip of `manifest.json` and `model.onnx`, checked before use.

Reading needs the standard library only: the processes that serve a model import neither ONNX nor Keras for it.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mien.errors import SettingsError, WeightsError
from mien.files import atomic_file, remove_leftovers
from mien.prior import NAMED, NO_SHIFT, Prior, Shares, shares_of, shift
from mien.types import EMOTIONS, VaSource
from models.nets.heads import EMOTION, EMOTION_VA, Heads, outputs_of

FORMAT = 1
"""The version of the file format; a reader refuses every other one."""

DEFAULT_NAME = "ferplus-atto"
MANIFEST_MEMBER = "manifest.json"
MODEL_MEMBER = "model.onnx"
MAX_MODEL_BYTES = 2_000_000_000
MAX_MANIFEST_BYTES = 1_000_000
# A fixed time in every zip, so that the same weights give the same bytes.
ZIP_TIME = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Where a face lies in the square picture that the classifier was trained on.

    All but `size` are fractions of the square's side: the eyes' midpoint lies at (`eye_x`, `eye_y`), the eyes are
    `eye_distance` apart. When a detector gives no landmarks, the square has `box_scale` times the longer side of the
    box, its centre moved down by `box_shift_y` of that side. Defaults: `eye_x`, `eye_y` are medians of YuNet on FER+;
    `eye_distance` gave the best accuracy on its validation pictures when BlazeFace cut the faces.
    """

    size: int
    eye_x: float = 0.5
    eye_y: float = 0.39
    eye_distance: float = 0.365
    box_scale: float = 1.0
    box_shift_y: float = 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """`temperature` divides the logits; a calibrated top probability under `threshold` is `uncertain`."""

    temperature: float
    threshold: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0 and 0 <= self.threshold <= 1):
            raise ValueError(f"temperature {self.temperature} or threshold {self.threshold} is out of range")


@dataclass(frozen=True, slots=True)
class Weights:
    """One verified set of weights.

    `onnx` takes `faces`, float32 [N, input_size, input_size, channels] with values 0 to 255, and gives `logits`,
    float32 [N, 8] in the order of `classes`. Probabilities are softmax((logits + `shift`) / `temperature`); a face
    whose top probability is below `threshold` is `uncertain`. With the head `va` it gives [N, 10]: the last two are
    valence and arousal.

    `prior` are the shares of emotions that the logits assume, None when nobody knows them; `calibrations` are the
    temperature and threshold for each named prior. `under` returns the weights for a prior, whose `shift` is not 0.
    """

    name: str
    version: str
    variant: str
    stem: str
    input_size: int
    channels: int
    classes: tuple[str, ...]
    temperature: float
    threshold: float
    crop: CropGeometry
    onnx: bytes = field(repr=False)
    licence: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict, repr=False)
    manifest: Mapping[str, Any] = field(default_factory=dict, repr=False)
    heads: Heads = EMOTION
    prior: Shares | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict, repr=False)
    shift: Shares = NO_SHIFT

    def under(self, prior: Prior) -> Weights:
        """Return these weights as they answer where emotions are as frequent as a prior says.

        Shares that have no name are calibrated as the named prior that is nearest to them. Weights that do not say
        which prior their logits assume stay as they are: with the prior that they were trained on. Raises SettingsError
        for what is no prior.
        """
        shares = shares_of(prior)
        if self.prior is None:
            return self
        nearest = min(NAMED, key=lambda name: _distance(NAMED[name], shares))
        found = self.calibrations.get(nearest, Calibration(self.temperature, self.threshold))
        return replace(self, temperature=found.temperature, threshold=found.threshold, shift=shift(self.prior, shares))

    @property
    def va_source(self) -> VaSource:
        """Where valence and arousal come from: `measured` by a head of their own, or `projected` from probabilities."""
        return "measured" if "va" in self.heads else "projected"

    @property
    def outputs(self) -> int:
        """How many numbers the net gives for a face."""
        return outputs_of(self.heads)

    def to_manifest(self) -> dict[str, Any]:
        """Return what `manifest.json` says about these weights, checksums included."""
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "variant": self.variant,
            "stem": self.stem,
            "input": {"size": self.input_size, "channels": self.channels},
            "classes": list(self.classes),
            "temperature": self.temperature,
            "threshold": self.threshold,
            "crop": asdict(self.crop),
            "figures": dict(self.figures),
            "licence": self.licence,
        }
        if self.heads != EMOTION:  # what older versions wrote had no other head, and did not say so
            manifest["heads"] = list(self.heads)
        if self.prior is not None:
            manifest["prior"] = dict(zip(self.classes, self.prior, strict=True))
            manifest["calibration"] = {name: asdict(found) for name, found in self.calibrations.items()}
        manifest["checksums"] = {
            MODEL_MEMBER: hashlib.sha256(self.onnx).hexdigest(),
            MANIFEST_MEMBER: manifest_checksum(manifest),
        }
        return manifest


def default_path() -> Path:
    """Return where the weights that ship with mien lie."""
    return Path(__file__).parents[1] / "weights" / f"{DEFAULT_NAME}.zip"


def load(path: Path | str | None = None) -> Weights:
    """Read and verify a set of weights; None means the one that ships with mien.

    Raises WeightsError, in one line, when the file is missing, truncated, tampered with, or of another format.
    """
    source = default_path() if path is None else Path(path)
    if not source.is_file():
        raise WeightsError(f"no weights at {source}: give the path of a .zip made by `mien train`")
    try:
        with zipfile.ZipFile(source) as archive:
            manifest_text = _read_member(archive, MANIFEST_MEMBER, MAX_MANIFEST_BYTES, source)
            onnx = _read_member(archive, MODEL_MEMBER, MAX_MODEL_BYTES, source)
    # A flipped bit in a header reads as an unknown method (NotImplementedError) or as encryption (RuntimeError).
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{source} is no readable set of weights ({error}): fetch or export it again") from error
    return _verified(manifest_text, onnx, source)


def save(weights: Weights, path: Path | str) -> Path:
    """Write a set of weights as one zip, atomically; returns its path. Raises WeightsError when it cannot."""
    target = Path(path)
    manifest = json.dumps(weights.to_manifest(), indent=1, allow_nan=False)
    try:
        remove_leftovers(target.parent, target.name)
        with (
            atomic_file(target, synced=False) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        ):
            archive.writestr(zipfile.ZipInfo(MANIFEST_MEMBER, ZIP_TIME), manifest, zipfile.ZIP_DEFLATED)
            archive.writestr(zipfile.ZipInfo(MODEL_MEMBER, ZIP_TIME), weights.onnx, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise WeightsError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def manifest_checksum(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its `checksums`, written as sorted compact JSON."""
    rest = {key: value for key, value in manifest.items() if key != "checksums"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_member(archive: zipfile.ZipFile, name: str, most_bytes: int, source: Path) -> bytes:
    """Return one member, refusing what is missing or larger than the limit before it is unpacked."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise WeightsError(f"{source} holds no {name}: it is no set of weights of mien") from None
    if info.file_size > most_bytes:
        raise WeightsError(f"{name} in {source} says {info.file_size} bytes, more than the {most_bytes} allowed")
    return archive.read(info)


def _verified(manifest_text: bytes, onnx: bytes, source: Path) -> Weights:
    """Check a manifest against format and checksums and return the weights it describes."""
    try:
        manifest = json.loads(manifest_text)
    except ValueError as error:
        raise WeightsError(f"the manifest in {source} is not JSON ({error}): export the weights again") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise WeightsError(
            f"{source} has format {found!r}, this version of mien reads {FORMAT}: export the weights again"
        )
    checksums = manifest.get("checksums")
    if not isinstance(checksums, dict):
        raise WeightsError(f"{source} carries no checksums: export the weights again")
    expected = {MODEL_MEMBER: hashlib.sha256(onnx).hexdigest(), MANIFEST_MEMBER: manifest_checksum(manifest)}
    for name, digest in expected.items():
        if checksums.get(name) != digest:
            raise WeightsError(f"{name} in {source} does not match its checksum: the file is damaged or was changed")
    try:
        weights = _from_manifest(manifest, onnx)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"the manifest in {source} is not usable ({error!r}): export the weights again") from error
    return weights


def _from_manifest(manifest: Mapping[str, Any], onnx: bytes) -> Weights:
    """Build the value from a manifest; raises KeyError, TypeError or ValueError on what does not fit."""
    weights = Weights(
        name=str(manifest["name"]),
        version=str(manifest["version"]),
        variant=str(manifest["variant"]),
        stem=str(manifest["stem"]),
        input_size=int(manifest["input"]["size"]),
        channels=int(manifest["input"]["channels"]),
        classes=tuple(str(name) for name in manifest["classes"]),
        temperature=float(manifest["temperature"]),
        threshold=float(manifest["threshold"]),
        crop=CropGeometry(**manifest["crop"]),
        onnx=onnx,
        licence=str(manifest["licence"]),
        figures=dict(manifest["figures"]),
        manifest=dict(manifest),
        heads=_heads(manifest.get("heads", list(EMOTION))),
        prior=_prior(manifest.get("prior")),
        calibrations={name: Calibration(**found) for name, found in dict(manifest.get("calibration", {})).items()},
    )
    if weights.classes != EMOTIONS:
        raise ValueError(f"classes {weights.classes} are not {EMOTIONS}")
    Calibration(weights.temperature, weights.threshold)  # says what is out of range
    if not (8 <= weights.input_size <= 1024 and weights.channels in (1, 3)):
        raise ValueError(f"input {weights.input_size} px with {weights.channels} channels is out of range")
    return weights


def _prior(named: Mapping[str, float] | None) -> Shares | None:
    """Return the shares that a manifest names, None when it names none; raises ValueError for what is no prior."""
    try:
        return None if named is None else shares_of(dict(named))
    except SettingsError as error:
        raise ValueError(str(error)) from None


def _distance(one: Shares, other: Shares) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _heads(named: object) -> Heads:
    for heads in (EMOTION, EMOTION_VA):
        if named == list(heads):
            return heads
    raise ValueError(f"heads {named} are neither {EMOTION} nor {EMOTION_VA}")
