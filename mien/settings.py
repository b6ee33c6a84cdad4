"""Settings: one frozen model, read from a YAML file, then `MIEN_*` in the environment, then flags."""

from __future__ import annotations

import difflib
import json
import os
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from mien.errors import InputError, SettingsError
from mien.files import read_yaml
from mien.limits import PHOTO_PIXELS, SMALLEST_FACE_PX, VIDEO_PIXELS
from mien.prior import PriorName, shares_of
from mien.secrets import scrubbed
from mien.types import BaselineUse

CONFIG_VARIABLE = "MIEN_CONFIG"
DEFAULT_CONFIG = Path("mien.yaml")

# Variables of this prefix that are not settings: where the file is, and what only tests and compose read.
_OTHER_VARIABLES = (CONFIG_VARIABLE, "MIEN_TEST_", "MIEN_BROKER_", "MIEN_CAMERA", "MIEN_SOURCE")

DetectorName = Literal["auto", "blazeface", "yunet", "haar"]
RuntimeName = Literal["auto", "openvino", "onnxruntime", "tensorflow"]
Precision = Literal["auto", "fp32", "bf16"]
"""What nets compute in. `auto` leaves it to each: the detector takes bf16 where the CPU has it, the classifier fp32."""

# A few lines of YAML can stand for a value that fills the memory once it is written out.
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200

_CAMERA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Settings(BaseSettings):
    """Everything that can be set; each field says its default and, in one sentence, what it does."""

    model_config = SettingsConfigDict(
        env_prefix="MIEN_", extra="forbid", frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    bus_url: str = Field(
        "", repr=False, description="Redis or Valkey for streams and counters; empty: what `mien up` recorded."
    )
    jobs_url: str = Field("", repr=False, description="Redis or Valkey for jobs; empty: what `mien up` recorded.")
    data_dir: Path = Field(Path(".mien"), description="Folder of uploads, results, caches and addresses.")
    exposure: Literal["local", "network"] = Field("local", description="Who may reach the dashboard.")
    host: str = Field("127.0.0.1", description="Address that the dashboard listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the dashboard listens on.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names in the Host header that the dashboard accepts, in addition to the loopback ones."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum log level.")
    log_format: Literal["text", "json"] = Field("text", description="Logs for people or for machines.")

    budget_ms: float = Field(40.0, gt=0, le=10_000, description="Time from capture to result that counts as on time.")
    live_backlog: int = Field(8, ge=1, le=1000, description="Unread frames of a live camera before any is trimmed.")
    lossless_backlog: int = Field(
        64, ge=1, le=10_000, description="Unread frames of a lossless camera before its producer waits."
    )
    starve_ms: float = Field(
        250.0, ge=0, description="A camera without a result for this long gets its newest frame analysed, even if late."
    )
    results_kept: int = Field(10_000, ge=10, description="Results kept on the bus for each camera.")

    jpeg_quality: int = Field(88, ge=10, le=100, description="JPEG quality of captured frames that are not JPEG yet.")
    view_quality: int = Field(80, ge=10, le=100, description="JPEG quality of views.")
    max_frame_width: int = Field(1920, ge=64, description="Captured frames wider than this are scaled down.")

    detector: DetectorName = Field("auto", description="Which face detector to use.")
    smallest_face_px: int = Field(
        SMALLEST_FACE_PX,
        ge=16,
        le=720,
        description="Smallest face to detect, in a frame 720 pixels high; when it is set, no savings plan raises it.",
    )
    yunet: Path | None = Field(None, description="File of the YuNet detector.")
    weights: Path | None = Field(None, description="File of classifier weights; empty: the weights that mien ships.")
    emotion_prior: PriorName | dict[str, float] = Field(
        "balanced",
        description="How often each emotion is expected: balanced (all alike), everyday (mostly neutral and happy), or"
        " a share of each.",
    )
    runtime: RuntimeName = Field("auto", description="What runs the classifier.")
    precision: Precision = Field(
        "auto",
        description="What nets compute in: fp32; bf16, where the CPU and the runtime have it; or auto: bf16 to detect"
        " faces, where the CPU has it, fp32 (on a GPU TF32) to classify them.",
    )
    threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads of inference in one worker; 0: live workers measure and choose, all else uses 1.",
    )
    tune: Literal["auto", "off"] = Field(
        "auto",
        description="auto: live workers save work under load; off: they analyse every frame in full.",
    )
    scan_ms: float | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Time until faces are detected in a whole live frame again; 0: every frame; empty: as `tune` says.",
    )
    classify_ms: float | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Time until a followed face is classified again; 0: on every frame; empty: as `tune` says.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Live workers that `mien up` starts; 0: as many as there are live cameras, at most one a core.",
    )
    smoothing_ms: float = Field(400.0, ge=0, description="Time over which the label of a face is smoothed.")
    live_baseline: BaselineUse = Field(
        "off",
        description="auto: live, what a face says at rest is taken from its label, once it was seen for 10 s.",
    )

    photo_max_pixels: int = Field(PHOTO_PIXELS, ge=1, description="Photos that declare more pixels are refused.")
    video_max_pixels: int = Field(VIDEO_PIXELS, ge=1, description="Videos with more pixels in a frame are refused.")
    video_max_mb: int = Field(
        20_480, ge=1, description="Largest video in MiB that is fetched from another machine or out of an archive."
    )
    video_encoder: Literal["auto", "libx264", "libopenh264", "mpeg4"] = Field(
        "auto", description="What encodes annotated videos; auto: the first of the others that is installed."
    )
    job_roots: tuple[Path, ...] = Field(
        (), description="Folders on this machine whose files the dashboard's API may make jobs of; empty: none."
    )
    fetch_timeout_s: float = Field(
        30.0, gt=0, le=3600, description="Time that another machine may take to answer while an input is read from it."
    )
    upload_max_mb: int = Field(1024, ge=1, description="Largest upload in MiB.")
    upload_max_files: int = Field(2000, ge=1, description="Most pictures in one upload.")
    chunk_size: int = Field(
        0, ge=0, le=10_000, description="Photos in one chunk of a job; 0: about 10 s of work, as measured."
    )
    job_timeout_s: int = Field(3600, ge=1, description="Time that one chunk of a job may take.")
    job_ttl_s: int = Field(7 * 24 * 3600, ge=60, description="Time that finished jobs are remembered.")

    @field_validator("emotion_prior")
    @classmethod
    def _is_a_prior(cls, prior: PriorName | dict[str, float]) -> PriorName | dict[str, float]:
        try:
            shares_of(prior)
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return prior

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, which wins over the YAML file."""
        named = os.environ.get(CONFIG_VARIABLE)
        path = Path(named) if named else DEFAULT_CONFIG
        if named and not path.is_file():
            raise SettingsError(f"{CONFIG_VARIABLE} names {named}, which is not a file")
        return init_settings, env_settings, InitSettingsSource(settings_cls, _in_file(path))

    @property
    def inference_threads(self) -> int:
        """Threads of inference: 1 where `threads` leaves the choice, which live workers make before they ask."""
        return self.threads or 1

    @property
    def up_record(self) -> Path:
        """Where `mien up` writes the addresses of what it started."""
        return self.data_dir / "up.json"


def load_settings(**flags: Any) -> Settings:
    """Return the settings; flags that are None count as not given.

    Raises SettingsError, naming the key, on unknown keys and on values that do not fit.
    """
    _refuse_unknown_variables(os.environ)
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting {key!r}: {first['msg']} (got {scrubbed(_short.repr(first.get('input')))}){_hint(key)}"
        ) from None
    return _with_recorded_brokers(settings)


def check_camera_name(name: str) -> str:
    """Return `name` when it can name a camera; raises SettingsError otherwise."""
    if not _CAMERA_NAME.fullmatch(name):
        raise SettingsError(
            f"camera name {scrubbed(repr(name))} cannot be used: 1 to 64 letters, digits, dots, dashes or underscores,"
            " starting with a letter or digit"
        )
    return name


def check_address(url: str, role: Literal["bus", "jobs"]) -> str:
    """Return the address of a broker when there is one; raises SettingsError that says where it comes from."""
    if not url:
        raise SettingsError(
            f"no address of the {role} broker: start `mien up` in this folder, or set MIEN_{role.upper()}_URL"
        )
    return url


def _in_file(path: Path) -> dict[str, Any]:
    """Return what a settings file says, nothing when there is none.

    Raises SettingsError, with the line where there is one, when it is no YAML or not names with values.
    """
    if not path.is_file():
        return {}
    try:
        found = read_yaml(path)
    except InputError as error:
        raise SettingsError(str(error)) from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise SettingsError(f"{path} must hold a setting a line, as in `port: 8000`")
    return found


def _with_recorded_brokers(settings: Settings) -> Settings:
    if settings.bus_url and settings.jobs_url:
        return settings
    try:
        recorded = json.loads(settings.up_record.read_text())
    except (OSError, ValueError, RecursionError):
        return settings
    if not isinstance(recorded, dict):
        return settings
    return settings.model_copy(
        update={
            "bus_url": settings.bus_url or str(recorded.get("bus_url", "")),
            "jobs_url": settings.jobs_url or str(recorded.get("jobs_url", "")),
        }
    )


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {f"MIEN_{name.upper()}" for name in Settings.model_fields}
    for variable in environment:
        name = variable.upper()
        if name.startswith("MIEN_") and name not in known and not name.startswith(_OTHER_VARIABLES):
            raise SettingsError(f"{variable} is not a setting{_hint(name.removeprefix('MIEN_').lower())}")


def _hint(key: str) -> str:
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    return f"; did you mean {near[0]!r}?" if near and near[0] != key else ""
