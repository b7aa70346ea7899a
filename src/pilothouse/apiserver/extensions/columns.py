"""The columns of a custom kind: `additionalPrinterColumns`, as upstream's table convertor of custom resources shows them. Pure.

- The name stands first. What is missing, or of another type than the column, is null.
- Definitions without columns, or with one that is no JSONPath, show the age alone, or the name alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from pilothouse.api.types.apiextensions_v1 import CustomResourceColumnDefinition
from pilothouse.machinery import access, codec, jsonpath, time
from pilothouse.machinery.jsonpath import JsonPath, PathError
from pilothouse.machinery.patch.document import go_text
from pilothouse.machinery.resource import Column, Since

AGE = CustomResourceColumnDefinition(name="Age", type="date", jsonPath=".metadata.creationTimestamp", description="Age")
"""Its description is that of the field, as of built-in kinds: who shows it knows that by its name."""
INVALID = "<invalid>"
NULL = "<no value>"
"""How Go prints a null that stands in a column of text."""


def columns_of(declared: Sequence[CustomResourceColumnDefinition]) -> tuple[Column, ...]:
    """The columns after the name. The age that is shown where none are declared has the words of built-in kinds."""
    if not declared:
        return (replace(_column(AGE), description=""),)
    try:
        return tuple(_column(column) for column in declared)
    except ValueError:
        return ()


def _column(declared: CustomResourceColumnDefinition) -> Column:
    return Column(
        declared.name,
        _cell(jsonpath.compile(declared.jsonPath), declared.type),
        declared.type,
        declared.format,
        declared.priority,
        declared.description or f"Custom resource definition column (in JSONPath format): {declared.jsonPath}",
        raw=True,
    )


def _cell(path: JsonPath, type: str) -> Callable[[Any], Any]:
    shown = text_of if type == "string" else CELLS.get(type, _nothing)

    def value(obj: Any) -> Any:
        try:
            values = path.find(view(obj, path.head))
        except PathError:
            return None
        return shown(values[0]) if values else None

    return value


def view(obj: Any, head: str) -> dict[str, Any]:
    """An object as a JSONPath that begins with this field needs it: metadata is converted to plain data only then."""
    if head == "metadata":
        metadata: dict[str, Any] = orjson.loads(codec.encode(obj.metadata))
        return {"metadata": metadata}
    if head in ("", "kind", "apiVersion"):
        return codec.to_dict(obj)
    content = access.field(obj, head)
    return {} if content is None and head not in obj.content else {head: content}


def text_of(value: Any) -> str:
    """A value as a column of type string shows it."""
    if isinstance(value, (dict, list)):
        return codec.encode(value).decode()
    return NULL if value is None else go_text(value)


def _integer(value: Any) -> int | None:
    return math.trunc(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _number(value: Any) -> int | float | None:
    """A number as Go's JSON has it: whole ones without a fraction."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return math.trunc(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any) -> Since | str | None:
    """The age of a time; a text that is no time is told."""
    if not isinstance(value, str):
        return None
    if value in ("", "null"):
        return Since("")
    try:
        time.parse(value)
    except ValueError:
        return INVALID
    return Since(value)


def _nothing(value: Any) -> None:
    return None


CELLS: dict[str, Callable[[Any], Any]] = {"integer": _integer, "number": _number, "boolean": _boolean, "date": _date}
