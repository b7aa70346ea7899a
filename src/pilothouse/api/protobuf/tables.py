"""Protobuf number, shape and type of each struct field.

- The numbers are those of the table in api/fields.py, of all levels: a number never changes its meaning.
- Fields come in the order of their numbers, which is the order in which upstream writes them.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.api.fields import INLINE as INLINED
from pilothouse.api.fields import table, type_name

PLAIN, POINTER, LIST, MAP, INLINE = "plain", "pointer", "list", "map", "inline"
ITEMS = "items"
"""The kind of a named list of strings, which protobuf knows as a message with a repeated field: ExtraValue, Verbs."""
SCHEMA = "apiextensions/v1.JSONSchemaProps"
UNIONS = {f"{SCHEMA}OrArray": "array", f"{SCHEMA}OrBool": "bool", f"{SCHEMA}OrStringArray": "strings"}
"""Kinds that hold a schema or something else; their fields have the class of the schema."""
VERBS = ("meta/v1.APIResource", "verbs")


@dataclass(frozen=True, slots=True)
class Field:
    """`go` is the Go type of one value, without pointer, list or map. `cls` is the struct class of a message, None for other kinds.
    `nullable` says whether the attribute may be None, so that its zero value is more than absence."""

    attribute: str
    number: int
    shape: str
    go: str
    cls: type[Any] | None
    nullable: bool


def has_protobuf(cls: type[Any]) -> bool:
    """Whether a class stands for a Go type of the table; a plain dict does not."""
    return issubclass(cls, msgspec.Struct) and type_name(cls) in table()


def fields_of(cls: type[Any], name: str) -> tuple[Field, ...]:
    """Fields of the Go type `name` in the class `cls`, which may inline it."""
    known = {field.encode_name: field for field in msgspec.structs.fields(cls)}
    if known and name not in table():  # an empty struct has no line in the table
        raise ValueError(f"no protobuf form of {name} is known")
    made: dict[int, Field] = {}  # a field that changed between levels has two rows, the newest last
    for row in table().get(name, ()):
        if row.json == INLINED and row.number:
            made[row.number] = Field("", row.number, INLINE, row.go, cls, False)
        elif row.json in known and row.number:
            made[row.number] = _field(cls, name, known[row.json], row.number, row.go)
    return tuple(made[number] for number in sorted(made))


def _field(cls: type[Any], owner: str, field: msgspec.structs.FieldInfo, number: int, go: str) -> Field:
    shape = PLAIN
    if (owner, field.encode_name) == VERBS:
        shape, go = POINTER, ITEMS
    elif go.startswith("*"):
        shape, go = POINTER, go[1:]
    elif go.startswith("[]"):
        shape, go = LIST, go[2:]
    elif go.startswith("map[string]"):
        shape, go = MAP, go.removeprefix("map[string]")
        go = ITEMS if go == "[]string" else go
    nullable = field.type is Any or type(None) in typing.get_args(field.type)
    return Field(field.name, number, shape, go, cls if go in UNIONS else _struct_in(field.type), nullable)


def _struct_in(annotation: Any) -> type[Any] | None:
    """The struct class in `X`, `X | None`, `list[X]` or `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    for argument in typing.get_args(annotation):
        if (struct := _struct_in(argument)) is not None:
            return struct
    return None
