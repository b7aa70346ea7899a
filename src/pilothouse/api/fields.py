"""Fields of the built-in types as Go declares them: order, Go type, presence, protobuf number, API level.

- Read from `types/fields.tsv` (made by tools/merge_field_tables.py) at first use; about 10 ms.
- A type is named as in the table (`core/v1.PodSpec`); `type_name` gives that name for a generated struct class.
- An embedded type is one field named "(inline)": in JSON its fields stand in the owner's place, in protobuf it is a message of its own
  (TypeMeta has no number: the envelope carries it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pilothouse import API_LEVEL, API_LEVELS

FOLDER = Path(__file__).parent
TABLE = FOLDER / "types" / "fields.tsv"
INLINE = "(inline)"
LEVELS = API_LEVELS
NEWEST = API_LEVEL


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a Go struct.

    `go` is its Go type, where a leading `*` is a pointer; `omitempty` and `omitzero` are its JSON tags. `number`, `wire` (varint, bytes,
    fixed64 ...) and `label` (opt, rep, req) are its protobuf tag; number 0 where it has none.
    """

    json: str
    go: str
    omitempty: bool
    omitzero: bool
    number: int
    wire: str
    label: str
    patch: str
    since: str
    until: str

    @property
    def pointer(self) -> bool:
        """Whether Go declares the field as a pointer."""
        return self.go.startswith("*")

    def is_at(self, level: str) -> bool:
        """Whether the field exists, in this form, at an API level."""
        return self.since <= level and (not self.until or level <= self.until)


@cache
def table() -> Mapping[str, tuple[Field, ...]]:
    """Type name -> its fields in Go's order, those of all levels. A type that writes itself (Time, Quantity) has one field named "-"."""
    fields: dict[str, list[Field]] = {}
    for line in TABLE.read_text().splitlines()[1:]:
        type_name, json_name, go, empty, protobuf, patch, levels = line.split("\t")
        number, _, rest = protobuf.partition(":")
        wire, _, label = rest.partition(":")
        since, _, until = levels.partition("-")
        field = Field(json_name, go, "omitempty" in empty, "omitzero" in empty, int(number or 0), wire, label, patch, since, until)
        fields.setdefault(type_name, []).append(field)
    return {name: tuple(of_type) for name, of_type in fields.items()}


def fields_of(type_name: str, level: str = NEWEST) -> tuple[Field, ...]:
    """The fields of a type at an API level in Go's order; () for a type without fields, or one that the table does not have."""
    return tuple(field for field in table().get(type_name, ()) if field.is_at(level))


def json_fields(type_name: str, level: str = NEWEST) -> Iterator[Field]:
    """The fields as JSON has them, in its order: those of embedded types stand in their owner's place."""
    for each in fields_of(type_name, level):
        if each.json == INLINE:
            yield from json_fields(each.go, level)
        else:
            yield each


def type_name(kind: type[Any]) -> str:
    """The name in the table of a generated struct class: `core/v1.PodSpec`."""
    group, _, version = kind.__module__.rpartition(".")[2].rpartition("_")
    return f"{group}/{version}.{kind.__name__}"
