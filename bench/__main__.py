"""`python -m bench [NAME] [ARGUMENT…]`: run a bench by its name, wherever it lies; without a name, list all."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

ROOMS = ("speed", "quality", "report", "scene")


def benches() -> dict[str, str]:
    """Return the module of every bench by its name: those whose first line says `python -m bench NAME`."""
    found = {}
    for room in ROOMS:
        for path in sorted((Path(__file__).parent / room).glob("*.py")):
            if f"`python -m bench {path.stem}" in _first_line(path):
                found[path.stem] = f"bench.{room}.{path.stem}"
    return found


def main() -> None:
    """Run what the command line names, as if it had been started itself."""
    known = benches()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        for module in known.values():
            print(_first_line(Path(__file__).parent.parent / (module.replace(".", "/") + ".py")))
        return
    if name not in known:
        raise SystemExit(f"no bench is called {name!r}: choose one of {', '.join(known)}")
    del sys.argv[1]
    runpy.run_module(known[name], run_name="__main__", alter_sys=True)


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]


if __name__ == "__main__":
    main()
