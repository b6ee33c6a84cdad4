"""Values as JSON: its names, types, rounding and units stand in the fields of frozen dataclasses, and nowhere else.

Pydantic makes both the JSON and its schema of them, and faster than dicts written by hand and `json.dumps` do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError, computed_field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import PydanticSerializationError

if TYPE_CHECKING:
    derived = property
else:

    def derived(method: Any) -> Any:
        """Make a method a property that is part of the JSON."""
        return computed_field(method)


T = TypeVar("T")

Count = Annotated[int, Field(json_schema_extra={"minimum": 0})]
"""A number of things, a size in pixels, or nanoseconds; the minimum is not checked in what a worker publishes."""

Share = Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": 1})]
"""A number from 0 to 1."""

Inner = Annotated[T, Field(exclude=True)]
"""A field that is not part of the JSON."""


adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
"""Returns the adapter that reads and writes values of a class; cached, since making one takes some ms."""


class Document:
    """A frozen dataclass that has a JSON form, described by `schemas`; numbers that JSON has not are not read."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        shown: dict[str, Any] = adapter(type(self)).dump_python(self, mode="json")
        return shown

    def to_json(self) -> bytes:
        """Return it as one line of compact JSON."""
        try:
            return adapter(type(self)).dump_json(self)
        except PydanticSerializationError:  # the name of a file that is no UTF-8
            return json.dumps(self.to_dict(), separators=(",", ":")).encode()

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Read what `to_dict` gave; unknown keys are left out. Raises ValueError for anything else."""
        read: Self = adapter(cls).validate_python(value)
        return read

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Read what `to_json` gave; unknown keys are left out. Raises ValueError for anything else."""
        try:
            read: Self = adapter(cls).validate_json(text)
        except ValidationError:  # such a name has escapes that only Python takes
            return cls.from_dict(json.loads(text))
        return read


def digits(number: int) -> PlainSerializer:
    """Return the mark of a float that is rounded to so many digits after the point in JSON."""
    return PlainSerializer(lambda value: round(value, number), return_type=float)


def left_out_if(missing: object) -> Any:
    """Return the mark of a field that JSON has only when it is something else than `missing`."""
    return Field(exclude_if=lambda value: value == missing)


def schemas(kinds: Iterable[type], *, template: str = "#/components/schemas/{model}") -> dict[str, Any]:
    """Return the JSON schema of each kind of document, and of what they hold, by its name."""
    wanted: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]] = [
        (kind, "serialization", adapter(kind)) for kind in kinds
    ]
    _, found = TypeAdapter.json_schemas(wanted, ref_template=template, schema_generator=_Schemas)
    return dict(found["$defs"])


class _Schemas(GenerateJsonSchema):
    """Schemas of what is written: every field is there, except for those that may be left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        return "serialization_exclude_if" not in field
