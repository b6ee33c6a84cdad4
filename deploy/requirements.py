"""Print what the project needs with some extras: `python deploy/requirements.py worker | pip install -r /dev/stdin`.

Reads pyproject.toml beside the folder, so that an image installs a service's packages in a layer of their own, before
(and without) the project's code. Needs nothing but Python.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(extras: Sequence[str], pyproject: Path = PYPROJECT) -> list[str]:
    """Return the requirement lines of the project and of its `extras`. Raises KeyError when there is no such extra."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
