"""Types of the expression language.

- A `Type` is a value: equal when kind, name and parameters are equal (what a schema adds, `convert` and `max_elements`, is not compared).
- `str(type)` is the text that cel-go prints in messages: `list(string)`, `map(string, dyn)`, `timestamp`, `wrapper(int)`.
- `type.name` is the name of the type at run time, without parameters: `google.protobuf.Timestamp`, `list`, `net.IP`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pilothouse.cel.escaping import RESERVED

BOOL_KIND, INT_KIND, UINT_KIND, DOUBLE_KIND, STRING_KIND, BYTES_KIND = "bool", "int", "uint", "double", "string", "bytes"
NULL_KIND, TIMESTAMP_KIND, DURATION_KIND, TYPE_KIND = "null", "timestamp", "duration", "type"
LIST_KIND, MAP_KIND, OBJECT_KIND, OPAQUE_KIND = "list", "map", "object", "opaque"
DYN_KIND, ANY_KIND, ERROR_KIND, PARAMETER_KIND = "dyn", "any", "error", "parameter"

UNBOUNDED = (1 << 63) - 1
"""`max_elements` where a schema states no bound and none can be derived."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type. Primitive types are the constants below; others are made by `list_of`, `map_of`, `opaque`, `optional_of`, `ObjectType`.

    - `nullable`: a wrapper type, assignable from null.
    - `convert`: for types that come from a schema: makes the CEL value of what JSON holds (a text of format `date-time` -> `Timestamp`).
      None where the JSON value is the CEL value. It leaves converted values alone.
    - `max_elements`: the greatest size (code points, items, entries) that a schema allows; used by the cost estimate.
    """

    kind: str
    name: str
    parameters: tuple[Type, ...] = ()
    nullable: bool = False
    convert: Callable[[Any], Any] | None = field(default=None, compare=False, repr=False)
    max_elements: int | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if self.kind in _PRINTED:
            return _PRINTED[self.kind]
        name = f"wrapper({self.name})" if self.nullable else self.name
        if not self.parameters:
            return name
        return f"{self.name}({', '.join(map(str, self.parameters))})"

    @property
    def is_dyn(self) -> bool:
        """Whether values of any type fit without a check: dyn, any and type parameters."""
        return self.kind in (DYN_KIND, ANY_KIND, PARAMETER_KIND)

    @property
    def element(self) -> Type:
        """Type of a list's elements or a map's values."""
        return self.parameters[-1]

    @property
    def key(self) -> Type:
        """Type of a map's keys."""
        return self.parameters[0]

    def of_size(self, max_elements: int) -> Type:
        """The same type with a bound for the cost estimate."""
        return replace(self, max_elements=max_elements)


_PRINTED = {ANY_KIND: "any", DURATION_KIND: "duration", ERROR_KIND: "!error!", NULL_KIND: "null", TIMESTAMP_KIND: "timestamp"}


@dataclass(frozen=True, slots=True)
class ObjectType(Type):
    """An object with named fields. Its values are dicts as they came from JSON; a field is converted when it is selected.

    `fields` maps the name in an expression (escaped: `__dash__`) to its type; `properties` maps it to the name in JSON where they differ.
    `construct` makes a value from field values, for types whose instances an expression may write (`Object{spec: ...}`).
    """

    fields: Mapping[str, Type] = field(default_factory=dict, compare=False, repr=False)
    properties: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    construct: Callable[[dict[str, Any]], Any] | None = field(default=None, compare=False, repr=False)

    def field_type(self, name: str) -> Type | None:
        """Type of a field, or None. Reserved words may be written unescaped, as `namespace`."""
        field_type = self.fields.get(name)
        return field_type if field_type is not None or name not in RESERVED else self.fields.get(f"__{name}__")

    def __str__(self) -> str:
        return self.name


BOOL, INT, UINT, DOUBLE = Type(BOOL_KIND, "bool"), Type(INT_KIND, "int"), Type(UINT_KIND, "uint"), Type(DOUBLE_KIND, "double")
STRING, BYTES, NULL = Type(STRING_KIND, "string"), Type(BYTES_KIND, "bytes"), Type(NULL_KIND, "null_type")
TIMESTAMP, DURATION = Type(TIMESTAMP_KIND, "google.protobuf.Timestamp"), Type(DURATION_KIND, "google.protobuf.Duration")
DYN, ANY, ERROR, TYPE = Type(DYN_KIND, "dyn"), Type(ANY_KIND, "google.protobuf.Any"), Type(ERROR_KIND, "error"), Type(TYPE_KIND, "type")


def list_of(element: Type) -> Type:
    """`list(element)`."""
    return Type(LIST_KIND, "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    """`map(key, value)`."""
    return Type(MAP_KIND, "map", (key, value))


def opaque(name: str, *parameters: Type) -> Type:
    """An abstract type; its values are Python objects with this `cel_type`."""
    return Type(OPAQUE_KIND, name, parameters)


def object_type(name: str, fields: Mapping[str, Type] | None = None) -> ObjectType:
    """An object type; without fields it is what Kubernetes declares for its own values (`kubernetes.Quantity`)."""
    return ObjectType(OBJECT_KIND, name, fields=fields or {})


OPTIONAL_NAME = "optional_type"


def optional_of(value: Type) -> Type:
    """`optional_type(value)`."""
    return opaque(OPTIONAL_NAME, value)


def type_of(instance: Type) -> Type:
    """`type(instance)`: the type of an identifier that names a type."""
    return Type(TYPE_KIND, "type", (instance,))


def parameter(name: str) -> Type:
    """A type parameter of an overload: the same name stands for the same type in one signature."""
    return Type(PARAMETER_KIND, name)


def wrapper(primitive: Type) -> Type:
    """The nullable form of a primitive type."""
    return replace(primitive, nullable=True)


def is_optional(candidate: Type) -> bool:
    """Whether a type is `optional_type(T)`."""
    return candidate.kind == OPAQUE_KIND and candidate.name == OPTIONAL_NAME
