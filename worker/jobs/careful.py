"""One picture at a time, after workers have died over a chunk: the picture that kills them is found and left out."""

from __future__ import annotations

import json
from pathlib import Path

from mien.files import write_json

CAREFUL_AFTER = 2
"""Deaths in a row over a chunk after which its pictures are read one at a time."""

# Somebody else may have killed the worker while it read a picture, but hardly twice during the same one.
_DEADLY_AFTER = 2

REASON = "workers died while they read this picture: it is left out"


class CarefulReading:
    """Remembers in a file, which a killed worker leaves behind, which picture was being read."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def is_deadly(self, index: int) -> bool:
        """Say whether workers died over this picture; if not, it is now being read."""
        tries = self._tries(index)
        if tries >= _DEADLY_AFTER:
            return True
        write_json(self._marker, {"index": index, "tries": tries + 1})
        return False

    def end(self) -> None:
        """Forget: no picture is being read."""
        self._marker.unlink(missing_ok=True)

    def _tries(self, index: int) -> int:
        try:
            known = json.loads(self._marker.read_text())
            return int(known["tries"]) if known["index"] == index else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0
