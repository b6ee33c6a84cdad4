"""Recipes: YAML files with the options of a command, such as those that the shipped weights were trained with."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mien.errors import InputError
from mien.files import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX = ".yaml"


def use_recipe(context: typer.Context, recipe: str | None) -> str | None:
    """Make a recipe's values the defaults of the command that is being read, so that flags win over them.

    Of an eager option: it must run before the others are read. Raises InputError for a recipe that is none.
    """
    if recipe is not None:
        context.default_map = {**(context.default_map or {}), **read_recipe(find_recipe(recipe), context)}
    return recipe


def shipped() -> Mapping[str, Path]:
    """Return the recipes that mien ships, by name, such as `ferplus-atto-3/eight`."""
    folder = Path(str(files("models"))) / "recipes"
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def find_recipe(name: str) -> Path:
    """Return the file of a recipe: one that mien ships, or any other. Raises InputError when there is neither."""
    known = shipped()
    if name in known:
        return known[name]
    if not Path(name).is_file():
        raise InputError(f"there is no recipe at {name}: give a file, or one of {', '.join(known)}")
    return Path(name)


def read_recipe(path: Path, context: typer.Context) -> dict[str, Any]:
    """Return the values of a recipe by the names of the command's parameters.

    Keys are the command's options without their dashes in front. Raises InputError that names the file and the key.
    """
    options = _options(context)
    values: dict[str, Any] = {}
    for key, value in _mapping(path).items():
        where = f"{path}: {key}"
        if key not in options:
            near = difflib.get_close_matches(str(key), options, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{where} is no option of `{context.command_path}`{hint}")
        values[str(options[key].name)] = _value(where, value, options[key], context)
    return values


def _options(context: typer.Context) -> dict[str, Any]:
    """Return what a recipe may give; what ends the command, and further recipes, it may not."""
    return {
        name.removeprefix("--"): each
        for each in context.command.params
        for name in each.opts
        if name.startswith("--") and not each.is_eager
    }


def _mapping(path: Path) -> dict[Any, Any]:
    found = read_yaml(path)
    if not isinstance(found, dict):
        raise InputError(f"{path} is no recipe: it must give options, such as `minutes: 50`")
    return found


def _value(where: str, value: Any, option: Any, context: typer.Context) -> Any:
    """Return a value as the command line would have taken it; of an option that may be given again, a list."""
    if not option.multiple:
        return _text(where, value, option, context)
    several = value if isinstance(value, list) else [value]
    places = [where] if several is not value else [f"{where}[{place}]" for place in range(len(several))]
    return [_text(place, each, option, context) for place, each in zip(places, several, strict=True)]


def _text(where: str, value: Any, option: Any, context: typer.Context) -> str | bool:
    """Return one value, tried: text, so that 2.5 is no whole number, or true and false where an option is a flag."""
    is_flag = bool(option.is_flag)
    if isinstance(value, dict | list) or value is None or isinstance(value, bool) != is_flag:
        raise InputError(f"{where} must be {'true or false' if is_flag else 'one value'}, not {value!r}")
    text = value if is_flag else str(value)
    try:
        option.process_value(context, [text] if option.multiple else text)
    except typer.BadParameter as error:
        raise InputError(f"{where}: {error.message}") from error
    return text
