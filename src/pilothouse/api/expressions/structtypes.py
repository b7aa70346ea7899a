"""CEL types of built-in kinds, for the type checker: what upstream derives from their OpenAPI schemas (apiserver/pkg/cel/common).

Quantities are texts, ports that may be names are dynamic, and what has no type of its own is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.cel.escaping import escape
from pilothouse.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    OBJECT_KIND,
    STRING,
    TIMESTAMP,
    ObjectType,
    Type,
    list_of,
    map_of,
    object_type,
)
from pilothouse.machinery import shape
from pilothouse.machinery.resource import Resource, per_resource
from pilothouse.machinery.shape import Shape, shape_of

SIMPLE = {
    shape.INTEGER: INT,
    shape.BOOLEAN: BOOL,
    shape.NUMBER: DOUBLE,
    shape.QUANTITY: STRING,
    shape.INT_OR_STRING: DYN,
}


@per_resource
def type_of(resource: Resource[Any]) -> Type | None:
    """The type of the objects of a built-in kind."""
    return _Types().of(shape_of(resource.type), resource.kind)


class _Types:
    """Types of one kind. A struct within itself (a JSON schema) is its own type."""

    def __init__(self) -> None:
        self._known: dict[int, Type] = {}

    def of(self, kind: Shape, name: str) -> Type | None:
        if kind.kind == shape.STRUCT:
            return self._known.get(id(kind)) or self._object(kind, name)
        if kind.kind in (shape.LIST, shape.MAP):
            item = None if kind.item is None else self.of(kind.item, f"{name}.{'@idx' if kind.kind == shape.LIST else '@elem'}")
            if item is None:
                return None
            return list_of(item) if kind.kind == shape.LIST else map_of(STRING, item)
        if kind.kind == shape.STRING:
            return TIMESTAMP if kind.time else BYTES if kind.octets else STRING
        if kind.kind == shape.RAW:
            return object_type(name)
        return SIMPLE.get(kind.kind)

    def _object(self, kind: Shape, name: str) -> Type:
        fields: dict[str, Type] = {}
        made = self._known[id(kind)] = ObjectType(OBJECT_KIND, name, fields=fields)
        fields.update(self._fields(kind, name))
        return made

    def _fields(self, kind: Shape, name: str) -> Iterator[tuple[str, Type]]:
        for field, below in kind.fields.items():
            made = self.of(below, f"{name}.{field}")
            name_in_expressions = escape(field)
            if made is not None and name_in_expressions is not None:
                yield name_in_expressions, made
