"""What is installed is all that is in the packages."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

from tests.support.paths import ROOT

SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = [pattern.rstrip("*") for pattern in SETUP["packages"]["find"]["include"]]


def files_of(package: str) -> list[Path]:
    found = (path.relative_to(ROOT / package) for path in sorted((ROOT / package).rglob("*")) if path.is_file())
    return [path for path in found if not {"__pycache__", ".mypy_cache"} & set(path.parts)]


def is_data(package: str, path: Path) -> bool:
    """Whether setuptools takes a file along."""
    patterns = SETUP["package-data"].get(package, [])
    # `**` stands for any folders, also for none.
    return any(fnmatch(str(path), each) or fnmatch(str(path), each.replace("**/", "")) for each in patterns)


def test_every_file_that_is_no_python_is_package_data() -> None:
    others = [(package, path) for package in PACKAGES for path in files_of(package) if path.suffix != ".py"]
    assert {path.suffix for _, path in others} >= {".lua", ".zip", ".css", ".js", ".html"}
    assert [entry for entry in others if not is_data(*entry)] == []


def test_every_folder_of_python_is_a_package() -> None:
    folders = {
        (ROOT / package / path).parent for package in PACKAGES for path in files_of(package) if path.suffix == ".py"
    }
    assert len(folders) > 20
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_images_are_made_of_all_packages() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    taken_along = (ROOT / ".dockerignore").read_text().splitlines()
    for package in PACKAGES:
        assert f"\nCOPY {package} {package}\n" in dockerfile
        assert f"!{package}" in taken_along
