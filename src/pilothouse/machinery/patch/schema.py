"""Schema for server-side apply: types and merge rules (structured-merge-diff's schema).

- A `Type` says what it is as a scalar, as a list and as a map; most are one of them. Types may contain themselves.
- `of_shape` makes it from the shape of a struct, `of_openapi` from a structural schema: the engine (typed, comparing, merging, removing,
  updater) knows nothing else of an object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pilothouse.machinery import shape
from pilothouse.machinery.shape import OPEN, Shape

NUMERIC, STRING, BOOLEAN, UNTYPED = "numeric", "string", "boolean", "untyped"
ATOMIC, SET, MAP = "atomic", "set", "map"


@dataclass(slots=True, eq=False)
class Type:
    """Type of a value in the schema.

    `scalar` is a kind of scalar or "". A list has `items` and is atomic, a set, or a map with `keys`. A map has `fields` by name and
    `values` for all other names (None: there are no others); `is_atomic` says that one manager owns all of it.
    """

    scalar: str = ""
    items: Type | None = None
    list_type: str = ATOMIC
    keys: tuple[str, ...] = ()
    is_map: bool = False
    fields: dict[str, Type] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    """Defaults of fields that are keys of a list."""
    values: Type | None = None
    is_atomic: bool = False
    _form: str | None = None

    @property
    def form(self) -> str:
        """The form that all its values take: "map", "scalar" or "list"; "" where it depends on the value."""
        if self._form is None:
            forms = [name for name, is_one in (("map", self.is_map), ("scalar", self.scalar), ("list", self.items is not None)) if is_one]
            self._form = forms[0] if len(forms) == 1 else ""
        return self._form

    @property
    def is_associative(self) -> bool:
        """Whether a list of this type merges item by item (set or map) instead of being replaced as one value."""
        return self.list_type != ATOMIC

    def child(self, element: str) -> Type | None:
        """The type below a path element; None where the schema has nothing."""
        if element[0] == "f":
            return self.fields.get(element[2:]) or self.values
        return self.items if element[0] == "k" else None


UNTYPED_ATOMIC = Type(UNTYPED, is_map=True, is_atomic=True)
"""Anything, owned as a whole."""
UNTYPED_ATOMIC.items = UNTYPED_ATOMIC.values = UNTYPED_ATOMIC
DEDUCED = Type(UNTYPED, items=UNTYPED_ATOMIC, is_map=True)
"""Anything: maps merge by their keys, all else is owned as a whole."""
DEDUCED.values = DEDUCED
ANYTHING = Type(UNTYPED, items=UNTYPED_ATOMIC, is_map=True, values=DEDUCED)
"""A schema without a type."""

SCALARS = {
    shape.INTEGER: Type(NUMERIC),
    shape.NUMBER: Type(NUMERIC),
    shape.BOOLEAN: Type(BOOLEAN),
    shape.QUANTITY: Type(UNTYPED),
    shape.INT_OR_STRING: ANYTHING,
    shape.ANY: ANYTHING,
    shape.RAW: DEDUCED,
}
TEXT, TIME = Type(STRING), Type(UNTYPED)
KEYS_WITHOUT_DEFAULT = frozenset({
    ("AllocatedDeviceStatus", "shareID"), ("FlowSchemaCondition", "type"), ("ObjectReference", "name"),
    ("PriorityLevelConfigurationCondition", "type"),
})  # fmt: skip
"""Keys of lists that may be left out of an item; all others have a default, if only the empty value."""
KEY_DEFAULTS = {"protocol": "TCP"}

_of_shapes: dict[int, tuple[Shape, Type]] = {}
"""Types of structs by the identity of their shapes, which live as long as the process."""


def of_shape(kind: Shape) -> Type:
    """The type of a struct."""
    known = _of_shapes.get(id(kind))
    if known is not None:
        return known[1]
    made = Type(is_map=True, is_atomic=kind.map_type == ATOMIC)
    _of_shapes[id(kind)] = kind, made
    for name, below in kind.fields.items():
        made.fields[name] = _field(kind, name, below)
    if not kind.fields:
        made.values = DEDUCED
    for name, below in kind.fields.items():
        if (kind.name, name) not in KEYS_WITHOUT_DEFAULT and below.kind in (shape.STRING, shape.INTEGER):
            made.defaults[name] = KEY_DEFAULTS.get(name, "" if below.kind == shape.STRING else 0)
    return made


def of_custom(schema: Mapping[str, Any] | None, metadata: Shape) -> Type:
    """The type of a custom kind; without a schema all is deduced from the values. An embedded object's metadata is as the kind's own."""
    if schema is None:
        return of_openapi({"type": "object"})
    return of_openapi(_with_object_fields(schema, is_object=True), lambda name: {}, known={OBJECT_META: of_shape(metadata)})


def _with_object_fields(schema: Mapping[str, Any], *, is_object: bool = False) -> Mapping[str, Any]:
    """A schema in which every embedded object has the fields that all objects have."""
    made = dict(schema)
    if isinstance(made.get("properties"), Mapping):
        made["properties"] = {name: _with_object_fields(below) for name, below in made["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(made.get(name), Mapping):
            made[name] = _with_object_fields(made[name])
    if is_object or made.get("x-kubernetes-embedded-resource") is True:
        made["properties"] = {**(made.get("properties") or {}), **OBJECT_FIELDS}
    return made


def _field(owner: Shape, name: str, below: Shape) -> Type:
    made = _value(below)
    if below.kind == shape.LIST:
        list_type, keys = owner.lists.get(name, (ATOMIC, ()))
        return replace(made, list_type=list_type, keys=tuple(keys))
    map_type = owner.maps.get(name)
    return replace(made, is_atomic=map_type == ATOMIC) if map_type is not None else made


def _value(kind: Shape) -> Type:
    if kind.kind == shape.STRUCT:
        return of_shape(kind)
    if kind.kind == shape.LIST:
        return Type(items=_value(kind.item or OPEN))
    if kind.kind == shape.MAP:
        item = kind.item or OPEN
        return UNTYPED_ATOMIC if item.kind == shape.ANY else Type(is_map=True, values=_value(item))
    if kind.kind == shape.STRING:
        return TIME if kind.time else TEXT
    return UNTYPED_ATOMIC if kind.go == shape.EXTENSION else SCALARS[kind.kind]


OBJECT_META = "ObjectMeta"
OBJECT_FIELDS = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": OBJECT_META}}
References = Callable[[str], Mapping[str, Any]]
"""The schema of the last part of a `$ref`."""


def of_openapi(
    schema: Mapping[str, Any], references: References | None = None, *, preserves: bool = False, known: dict[str, Type] | None = None
) -> Type:
    """The type of an OpenAPI schema. `preserves`: fields that are not declared are kept. `known` are types that need not be resolved.

    ValueError for a list or map type that is unknown.
    """
    return _Reader(references, dict(known or {})).read(schema, preserves)


@dataclass(slots=True)
class _Reader:
    references: References | None
    known: dict[str, Type]

    def read(self, schema: Mapping[str, Any], preserves: bool) -> Type:
        parts: list[Any] = schema.get("allOf") or []
        reference = schema.get("$ref") or (parts[0].get("$ref") if len(parts) == 1 else None)
        if reference:
            made = self._referred(reference.rpartition("/")[2], preserves)
            map_type = schema.get("x-kubernetes-map-type")
            return replace(made, is_atomic=map_type == ATOMIC) if map_type else made
        made = Type()
        self._fill(made, schema, preserves or schema.get("x-kubernetes-preserve-unknown-fields") is True)
        return made

    def _referred(self, name: str, preserves: bool) -> Type:
        if name.endswith(".Quantity"):
            return TIME
        if name.endswith(".RawExtension"):
            return UNTYPED_ATOMIC
        if name not in self.known:
            self.known[name] = made = Type()
            assert self.references is not None, f"a reference to {name} and nobody to resolve it"
            self._fill(made, self.references(name), preserves)
        return self.known[name]

    def _fill(self, made: Type, schema: Mapping[str, Any], preserves: bool) -> None:
        kind = schema.get("type") or ""
        if kind in ("", "object"):
            self._fill_map(made, schema, preserves)
        if kind in ("", "array"):
            self._fill_list(made, schema, preserves)
        if kind not in ("object", "array"):
            made.scalar = _scalar(kind, schema.get("format") or "")

    def _fill_map(self, made: Type, schema: Mapping[str, Any], preserves: bool) -> None:
        made.is_map = True
        made.is_atomic = _map_type(schema) == ATOMIC
        properties = schema.get("properties") or {}
        for name, below in properties.items():
            made.fields[name] = self.read(below, preserves)
            if below.get("default") is not None:
                made.defaults[name] = below["default"]
        others = schema.get("additionalProperties")
        if isinstance(others, Mapping):
            made.values = self.read(others, preserves)
        elif others or (others is None and (preserves or not properties)):
            made.values = DEDUCED

    def _fill_list(self, made: Type, schema: Mapping[str, Any], preserves: bool) -> None:
        made.list_type, made.keys = _list_type(schema)
        items = schema.get("items")
        made.items = self.read(items, preserves) if isinstance(items, Mapping) else UNTYPED_ATOMIC


def _scalar(kind: str, text_format: str) -> str:
    if kind in ("integer", "number"):
        return NUMERIC
    if kind == "boolean":
        return BOOLEAN
    return STRING if kind == "string" and text_format in ("", "byte") else UNTYPED


def _map_type(schema: Mapping[str, Any]) -> str:
    map_type: str = schema.get("x-kubernetes-map-type", "granular")
    if map_type not in (ATOMIC, "granular"):
        raise ValueError(f"unknown map type {map_type}")
    return map_type


def _list_type(schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    list_type = schema.get("x-kubernetes-list-type")
    if list_type is None:
        strategy, merge_key = schema.get("x-kubernetes-patch-strategy", ""), schema.get("x-kubernetes-patch-merge-key")
        if not strategy.startswith("merge"):
            return ATOMIC, ()
        return (MAP, (merge_key,)) if merge_key else (SET, ())
    if list_type not in (ATOMIC, SET, MAP):
        raise ValueError(f"unknown list type {list_type}")
    return list_type, tuple(schema.get("x-kubernetes-list-map-keys") or ()) if list_type == MAP else ()
