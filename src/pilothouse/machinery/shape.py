"""The shape of a struct type as plain data, for those who walk dicts by it: strict decoding, error texts, strategic merge.

- A `Shape` is made once a type, at first use, and shared.
- `go` is how the Go compiler would print the type: upstream's messages name it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Union

import msgspec

from pilothouse import API_LEVEL
from pilothouse.machinery.struct import Object

STRUCT, LIST, MAP, STRING, INTEGER, BOOLEAN, NUMBER, QUANTITY, INT_OR_STRING, ANY, RAW = (
    "struct", "list", "map", "string", "integer", "boolean", "number", "quantity", "intOrString", "any", "raw",
)  # fmt: skip

SIMPLE = {str: STRING, int: INTEGER, bool: BOOLEAN, float: NUMBER, Any: ANY, object: ANY, msgspec.Raw: RAW}
GO_NAMES = {STRING: "string", INTEGER: "int32", BOOLEAN: "bool", NUMBER: "float64", ANY: "interface {}", RAW: "v1.FieldsV1"}


@dataclass(slots=True)
class Shape:
    """A type as plain data: its kind, the fields of a struct by JSON name, or the item of a list or map."""

    kind: str
    go: str
    name: str = ""
    fields: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape | None = None
    time: bool = False
    micro: bool = False
    octets: bool = False
    checked: bool = True
    """Whether a value needs a look although a typed decoder took it: false for strings, booleans and floats."""
    quick_check: Callable[[Any], int] | None = None
    """Made by strict.py at first use."""
    extended: bool | None = None
    """Whether a runtime.RawExtension is in it; made by rawextension.py at first use."""
    merges: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    map_type: str = ""
    """`x-kubernetes-map-type` of the struct itself: "atomic" or ""."""
    maps: Mapping[str, str] = field(default_factory=dict)
    """Map types of fields; they go before the `map_type` of the field's struct."""
    named: str = ""
    """How Go prints the type where it has a name of its own: `v1.RestartPolicy` for a string."""
    embedded: Mapping[str, str] = field(default_factory=dict)
    """For fields that stand in embedded structs of Go's type: the names of these, joined by dots."""


EXTENSION = "RawExtension"
"""The `go` of a RAW that is a runtime.RawExtension."""
OPEN = Shape(ANY, "interface {}")


_structs: dict[tuple[type[Any], str], Shape] = {}
"""Every shape made so far: as many as there are struct classes, times the levels that are served."""


def shape_of(kind: type[Any], level: str = API_LEVEL) -> Shape:
    """The shape of a struct class at an API level (`1.35`), without the fields that came later; of `dict` (a custom resource) one that
    takes anything."""
    if (kind, level) in _structs:
        return _structs[kind, level]
    if not issubclass(kind, msgspec.Struct):
        return OPEN
    made = Shape(STRUCT, f"{kind.__module__.rpartition('_')[2]}.{kind.__name__}", kind.__name__)
    _structs[kind, level] = made
    since: Mapping[str, str] = getattr(kind, "SINCE", {})
    go: Mapping[str, str] = getattr(kind, "GO", {})
    names = _go_names(kind)
    made.fields = {
        each.encode_name: _named(_shape(each.type, go.get(each.encode_name, ""), level), names.get(each.encode_name, ("", ""))[1])
        for each in msgspec.structs.fields(kind)
        if since.get(each.encode_name, "") <= level
    }
    made.embedded = {name: embedded for name, (embedded, _) in names.items() if embedded}
    made.merges = getattr(kind, "MERGES", {})
    made.lists = getattr(kind, "LISTS", {})
    made.map_type = getattr(kind, "MAP_TYPE", "")
    made.maps = getattr(kind, "MAPS", {})
    return made


def _named(made: Shape, go: str) -> Shape:
    """A field's shape under the name that its type has in Go; structs and what is told apart by its Go type keep theirs."""
    if not go or made.kind in (STRUCT, INTEGER, RAW):
        return made
    made.named = go
    if made.item is not None and go.startswith(("[]", "map[")):
        _named(made.item, go.partition("]")[2])
    return made


def _go_names(kind: type[Any]) -> Mapping[str, tuple[str, str]]:
    """By field: the embedded structs of Go's type that it stands in, and the name of its own type (tools/generate_go_names.py)."""
    package, _, module = kind.__module__.rpartition(".")
    group, _, version = module.rpartition("_")
    return _go_table(package).get(f"{group}/{version}.{kind.__name__}", {})


@cache
def _go_table(package: str) -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """The table that lies beside the modules of structs in a package; empty where there is none."""
    path = resources.files(package).joinpath("go_names.tsv") if package else None
    table: dict[str, dict[str, tuple[str, str]]] = {}
    for line in path.read_text().splitlines() if path is not None and path.is_file() else ():
        owner, name, embedded, go = line.split("\t")
        table.setdefault(owner, {})[name] = (embedded, go)
    return table


def _shape(annotation: Any, go: str, level: str) -> Shape:
    """`go` is what the class attribute GO says of the field: int64, bytes, Time, MicroTime, RawExtension, or ""."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union(tuple(member for member in arguments if member is not type(None)), go, level)
    if origin is list:
        item = _shape(arguments[0], go, level)
        return Shape(LIST, f"[]{_item_name(item)}", item=item)
    if origin is dict:
        item = _shape(arguments[1], go, level)
        return Shape(MAP, f"map[string]{_item_name(item)}", item=item)
    if isinstance(annotation, type) and issubclass(annotation, Object):
        return shape_of(annotation, level)
    kind = SIMPLE.get(annotation, ANY)
    if go in ("Time", "MicroTime"):
        return Shape(STRING, "string", time=True, micro=go == "MicroTime")
    if go == "bytes":
        return Shape(STRING, "[]uint8", octets=True)
    return Shape(kind, go or GO_NAMES[kind], checked=kind not in (STRING, BOOLEAN, NUMBER))


def _item_name(item: Shape) -> str:
    """How Go prints the type of the items of a list or a map."""
    if item.time:
        return "v1.MicroTime" if item.micro else "v1.Time"
    return item.go


def _union(members: tuple[Any, ...], go: str, level: str) -> Shape:
    if len(members) == 1:
        return _shape(members[0], go, level)
    if set(members) == {str, int, float}:
        return Shape(QUANTITY, "resource.Quantity")
    if set(members) == {int, float}:
        return Shape(NUMBER, GO_NAMES[NUMBER], checked=False)
    if set(members) == {str, int}:
        return Shape(INT_OR_STRING, "intstr.IntOrString")
    return Shape(ANY, "interface {}")
