"""What every use of OpenVINO on a CPU shares: its options, and whether the CPU computes in bf16."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import openvino

Precision = Literal["auto", "fp32", "bf16"]
"""`auto` is bf16 where the CPU computes in it, else fp32."""


def has_bf16(core: openvino.Core) -> bool:
    """Return whether this CPU computes in bf16 itself, not by emulation."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def options(
    core: openvino.Core, threads: int, precision: Precision, cache_dir: Path | None = None
) -> dict[str, str | int | bool]:
    """Return the options to compile a model with: one stream, and bf16 only where the CPU has it.

    Threads are not pinned to cores: several workers on one machine would pin themselves to the same ones.
    """
    chosen: dict[str, str | int | bool] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision != "fp32" and has_bf16(core) else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    if cache_dir is not None:
        chosen["CACHE_DIR"] = str(cache_dir)
    return chosen
