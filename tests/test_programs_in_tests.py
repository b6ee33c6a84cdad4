"""Programs that tests and benches keep in strings, and run in processes of their own, import what is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("bench", "cli", "dashboard", "mien", "models", "producer", "tests", "worker")
IMPORT = re.compile(rf"\bfrom ((?:{'|'.join(PACKAGES)})(?:\.\w+)*) import (\w+(?: as \w+)?(?:, \w+(?: as \w+)?)*)")


def strings_of(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def imports_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of everything that is imported from this project."""
    for module, names in IMPORT.findall(text):
        yield from ((module, name.split(" as ")[0].strip()) for name in names.split(","))


def has(module: str, name: str) -> bool:
    """Whether a module defines a name, or a package has a module of that name; nothing is imported to find out."""
    folder = ROOT.joinpath(*module.split("."))
    if (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file():
        return True
    source = folder.with_suffix(".py") if folder.with_suffix(".py").is_file() else folder / "__init__.py"
    return source.is_file() and name in names_of(ast.parse(source.read_text(encoding="utf-8")).body)


def names_of(body: list[ast.stmt]) -> set[str]:
    """All names that the statements of a module bind at its top level."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in statement.names}
        else:
            names |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return names


def test_every_import_in_a_string_is_there() -> None:
    asked = {
        (str(path.relative_to(ROOT)), module, name)
        for folder in ("tests", "bench")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for text in strings_of(path)
        for module, name in imports_in(text)
    }
    assert len(asked) > 20
    assert [entry for entry in sorted(asked) if not has(*entry[1:])] == []


def test_what_is_not_there_is_found_out() -> None:
    assert has("mien.bus", "bus")
    assert has("mien.bus.bus", "Bus")
    assert has("mien", "FaceAnalyzer")
    assert not has("mien.bus.bus", "Omnibus")
    assert not has("worker", "jobs_worker")
