"""`python -m bench mien_loop`: our way of a picture, everything on it, which takes turns (for `bench frame`).

Decode and analyse with all settings at their defaults, as a live worker does on every frame when it saves nothing.
"""

from __future__ import annotations

from pathlib import Path

from bench.scene.turns import take_turns
from mien.logs import configure_logs
from mien.settings import Settings
from models.analyzer import open_analyzer
from models.pictures.picture import decode


def main() -> None:
    """Open the models and take turns."""
    configure_logs("error")
    analyzer = open_analyzer(Settings(threads=1))
    take_turns(lambda path: len(analyzer.analyze(decode(Path(path).read_bytes()))))


if __name__ == "__main__":
    main()
