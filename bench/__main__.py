"""`python -m bench [NAME] [ARGUMENT…]`: run a bench by its name, wherever it lies; without a name, list all."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOMS = ("speed", "quality", "report", "scene")
_FIRST_LINE = re.compile(r"`python -m bench (?P<name>\w+)(?P<arguments>[^`]*)`: (?P<sentence>.+)")


@dataclass(frozen=True, slots=True)
class Bench:
    """A module that can be run, as the first line of its docstring describes it."""

    name: str
    room: str
    arguments: str
    sentence: str

    @property
    def module(self) -> str:
        """The full name of the module."""
        return f"bench.{self.room}.{self.name}"


def benches() -> dict[str, Bench]:
    """Return every bench by its name."""
    return {bench.name: bench for room in ROOMS for bench in _of_room(room)}


def main() -> None:
    """Run what the command line names, as if it had been started itself."""
    known = benches()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        print("\n".join(listing(known)))
        return
    if name not in known:
        raise SystemExit(f"no bench is called {name!r}: choose one of {', '.join(known)}")
    del sys.argv[1]
    runpy.run_module(known[name].module, run_name="__main__", alter_sys=True)


def listing(known: dict[str, Bench]) -> Iterator[str]:
    """Yield the lines of the list: by room, name and sentence."""
    yield "python -m bench NAME [ARGUMENT…]; NAME --help says more"
    width = max(map(len, known))
    for room in ROOMS:
        yield f"\n{_docstring(FOLDER / room / '__init__.py')}"
        yield from (f"  {each.name:{width}}  {each.sentence}" for each in known.values() if each.room == room)


def _of_room(room: str) -> Iterator[Bench]:
    for path in sorted((FOLDER / room).glob("*.py")):
        said = _FIRST_LINE.match(_docstring(path))
        if said:
            yield Bench(said["name"], room, said["arguments"].strip(), said["sentence"])


def _docstring(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


if __name__ == "__main__":
    main()
