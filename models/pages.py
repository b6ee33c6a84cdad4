"""Pages of HTML that need no network and no other file, made of the templates that lie beside the modules."""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render(template: str, **values: Any) -> str:
    """Return a template with its values filled in; all text is escaped, since names of files can say anything.

    A template is named by package and file, such as `models.evaluation/report.html.j2`. Raises jinja2's UndefinedError
    for a value that is missing.
    """
    return _environment().get_template(template).render(values)


def data_uri(content: bytes, kind: str) -> str:
    """Return a file as an address that holds it; `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment


def _source(template: str) -> str:
    package, _, name = template.rpartition("/")
    return resources.files(package).joinpath(name).read_text("utf-8")
