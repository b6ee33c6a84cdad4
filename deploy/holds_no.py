"""Fail when this environment holds one of the named modules: `python deploy/holds_no.py cv2 tensorflow`.

The images are checked with it while they are built: a package that slips in through a dependency is seen at once.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main(names: list[str]) -> str | None:
    """Return the complaint, or None when none of the modules can be imported."""
    present = [name for name in names if find_spec(name) is not None]
    return f"this image must not hold: {', '.join(present)}" if present else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
