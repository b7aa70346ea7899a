"""OpenAPI schemas as types of CEL: what a rule of a custom resource, or the check of a policy, sees of an object.

    self_type = declared(schema, is_root=True, name="selfType")      # None: the schema is not to be seen in expressions
    sizes = SchemaSizes(self_type)                                   # for estimating.estimate

- Values stay the dicts and lists that JSON gave; `Type.convert` makes of them what an expression sees (times, octets, sets), where needed.
- A schema is a mapping as JSON has it: structural, or OpenAPI with `$ref`s that `refs` resolves. Types of referred schemas are made when
  they are asked for; a reference to a schema around it is an object without fields, as upstream has it.

Upstream: apiserver/pkg/cel/common (schemas.go, valuesunstructured.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilothouse.cel import limits, schemavalues, types
from pilothouse.cel.escaping import RESERVED, escape
from pilothouse.cel.types import ObjectType, Type

Schema = Mapping[str, Any]
Refs = Callable[[str], "Schema | None"]
INT_OR_STRING, EMBEDDED = "x-kubernetes-int-or-string", "x-kubernetes-embedded-resource"
LIST_TYPE, LIST_MAP_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"
NAME_LENGTH = 253
UNDECIDED: Schema = {"type": "object"}
"""What stands for a circular reference."""


@dataclass(frozen=True, slots=True)
class _Context:
    """How schemas refer to others, and which references lead to the one at hand."""

    refs: Refs | None = None
    visited: frozenset[str] = frozenset()

    def resolved(self, schema: Schema) -> tuple[Schema, _Context]:
        """The schema that is referred to, or the schema itself."""
        ref = _ref(schema) if self.refs is not None else None
        if ref is None or self.refs is None:
            return schema, self
        if ref in self.visited:
            return UNDECIDED, self
        return self.refs(ref) or {}, replace(self, visited=self.visited | {ref})


def _ref(schema: Schema) -> str | None:
    ref = schema.get("$ref")
    if ref is not None:
        return str(ref)
    return next((ref for part in schema.get("allOf") or () if (ref := _ref(part)) is not None), None)


def declared(schema: Schema, is_root: bool = False, name: str = "object", refs: Refs | None = None) -> Type | None:
    """The type of a schema; None for what expressions do not see.

    `is_root`: apiVersion, kind and the names in metadata are there whatever the schema says. `name`: of the object type.
    """
    return _declared(schema, is_root, name, _Context(refs))


def _declared(schema: Schema, is_root: bool, name: str, context: _Context) -> Type | None:
    schema, context = context.resolved(schema)
    if _is_int_or_string(schema, context):
        return types.DYN.of_size(_most_characters(schema, limits.MAX_REQUEST_BYTES - 2))
    if is_root:
        schema = with_object_meta(schema, capped=context.refs is None)
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, name, context)
    if kind == "object":
        return _map(schema, name, context) if _additional(schema) is not None else _object(schema, name, context)
    if kind == "string":
        return _string(schema)
    if kind == "number":
        return replace(types.DOUBLE, convert=schemavalues.to_double)
    return {"boolean": types.BOOL, "integer": types.INT}.get(str(kind))


def _is_int_or_string(schema: Schema, context: _Context) -> bool:
    """Built-in types say so by their format, definitions by an extension."""
    return bool(schema.get(INT_OR_STRING)) or (context.refs is not None and schema.get("format") == "int-or-string")


def _additional(schema: Schema) -> Schema | None:
    additional = schema.get("additionalProperties")
    return additional if isinstance(additional, Mapping) else None


def _list(schema: Schema, name: str, context: _Context) -> Type | None:
    items = schema.get("items")
    if not isinstance(items, Mapping):
        return None
    item = _declared(items, bool(items.get(EMBEDDED)), f"{name}.@idx", context)
    if item is None:
        return None
    most = _limit(schema, "maxItems")
    if most is None:
        most = (limits.MAX_REQUEST_BYTES - 2) // (_min_size(items, bool(items.get(EMBEDDED)), context) + 1)
    convert = schemavalues.list_conversion(item, schema.get(LIST_TYPE), schema.get(LIST_MAP_KEYS) or ())
    return replace(types.list_of(item), max_elements=most, convert=convert)


def _map(schema: Schema, name: str, context: _Context) -> Type | None:
    additional = _additional(schema) or {}
    item = _declared(additional, bool(additional.get(EMBEDDED)), f"{name}.@elem", context)
    if item is None:
        return None
    most = _limit(schema, "maxProperties")
    if most is None:
        most = (limits.MAX_REQUEST_BYTES - 2) // (_min_size(additional, bool(additional.get(EMBEDDED)), context) + 6)
    return replace(types.map_of(types.STRING, item), max_elements=most, convert=schemavalues.map_conversion(item))


def _object(schema: Schema, name: str, context: _Context) -> ObjectType:
    fields = _Fields(schema.get("properties") or {}, name, context)
    made = types.object_type(name, fields)
    made = replace(made, properties=fields.written)
    if context.refs is not None:
        return made
    return replace(made, convert=schemavalues.object_conversion(fields))


class _Fields(Mapping[str, Type]):
    """Fields by their identifiers, made when they are asked for. A reserved word may be written without its underscores."""

    __slots__ = ("_context", "_known", "_name", "_properties", "written")

    def __init__(self, properties: Mapping[str, Schema], name: str, context: _Context) -> None:
        self._name = name
        self._context = context
        self._known: dict[str, Type | None] = {}
        self._properties = {key: schema for written, schema in properties.items() if (key := escape(written)) is not None}
        self.written = {key: written for written in properties if (key := escape(written)) is not None and key != written}

    def __getitem__(self, name: str) -> Type:
        key = f"__{name}__" if name in RESERVED else name
        if key not in self._known:
            schema = self._properties[key]
            self._known[key] = _declared(schema, bool(schema.get(EMBEDDED)), f"{self._name}.{key}", self._context)
        made = self._known[key]
        if made is None:
            raise KeyError(name)
        return made

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._properties if self._shows(key))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _shows(self, key: str) -> bool:
        try:
            return self[key] is not None
        except KeyError:
            return False


def _string(schema: Schema) -> Type:
    form = schema.get("format")
    if form == "byte":
        most = _limit(schema, "maxLength")
        most = limits.MAX_REQUEST_BYTES - 2 if most is None else most
        return replace(types.BYTES, max_elements=most, convert=schemavalues.to_bytes)
    if form == "duration":
        return replace(types.DURATION, max_elements=limits.MAX_DURATION, convert=schemavalues.to_duration)
    if form == "date":
        return replace(types.TIMESTAMP, max_elements=limits.DATE_SIZE, convert=schemavalues.to_date)
    if form == "date-time":
        return replace(types.TIMESTAMP, max_elements=limits.MAX_DATE_TIME, convert=schemavalues.to_timestamp)
    choices = schema.get("enum") or ()
    longest = max((len(choice.encode()) for choice in choices if isinstance(choice, str)), default=0)
    return types.STRING.of_size(_most_characters(schema, longest if choices else limits.MAX_REQUEST_BYTES - 2))


def _most_characters(schema: Schema, otherwise: int) -> int:
    """maxLength counts code points, sizes count octets: at most four times as many."""
    most = _limit(schema, "maxLength")
    return otherwise if most is None else most * 4


def _limit(schema: Schema, key: str) -> int | None:
    limit = schema.get(key)
    return None if limit is None else max(limit, 0)


def with_object_meta(schema: Schema, capped: bool = True) -> Schema:
    """The schema of a resource with apiVersion, kind, metadata.name and metadata.generateName.

    `capped`: of a definition: names are no longer than names may be. Of built-in types upstream leaves them unbounded.
    """
    properties: Mapping[str, Any] = schema.get("properties") or {}
    metadata = properties.get("metadata") or {}
    names = metadata.get("properties") or {}
    texts = (properties.get("kind"), properties.get("apiVersion"), names.get("name"), names.get("generateName"))
    if _ref(metadata) is not None or (metadata.get("type") == "object" and all((text or {}).get("type") == "string" for text in texts)):
        return schema
    made = {
        "name": _name(names.get("name"), NAME_LENGTH, capped),
        "generateName": _name(names.get("generateName"), NAME_LENGTH - 1, capped),
    }
    text = {"type": "string"}
    added = {"kind": text, "apiVersion": text, "metadata": {"type": "object", "properties": made}}
    return {**schema, "properties": {**properties, **added}}


def _name(schema: Schema | None, longest: int, capped: bool) -> Schema:
    if not capped:
        return {"type": "string"}
    return {"type": "string", "maxLength": min((schema or {}).get("maxLength", longest), longest)}


def min_serialized_size(schema: Schema, is_root: bool = False, refs: Refs | None = None) -> int:
    """Octets of the smallest JSON of a schema."""
    return _min_size(schema, is_root, _Context(refs))


def max_cardinality(schema: Schema, is_root: bool = False, refs: Refs | None = None) -> int:
    """How often values of a schema can occur in one request, and so how often a rule below unbounded lists and maps may run."""
    return limits.MAX_REQUEST_BYTES // (min_serialized_size(schema, is_root, refs) + 1)


_FORMAT_SIZES = {"duration": limits.MIN_DURATION, "date": limits.DATE_SIZE, "date-time": limits.MIN_DATE_TIME}
_KIND_SIZES = {"boolean": limits.MIN_BOOL, "number": limits.MIN_NUMBER, "integer": limits.MIN_NUMBER, "array": 2}


def _min_size(schema: Schema, is_root: bool, context: _Context) -> int:
    schema, context = context.resolved(schema)
    if _is_int_or_string(schema, context):
        return 1
    if is_root:
        schema = with_object_meta(schema, capped=context.refs is None)
    kind = schema.get("type")
    if kind == "string":
        return _FORMAT_SIZES.get(schema.get("format") or "", limits.MIN_STRING)
    if kind != "object" or _additional(schema) is not None:
        return _KIND_SIZES.get(str(kind), 2)
    properties = schema.get("properties") or {}
    required = {name for name in schema.get("required") or () if name in properties and properties[name].get("default") is None}
    return 2 + sum(_field_size(name, properties[name], context) for name in required)


def _field_size(name: str, schema: Schema, context: _Context) -> int:
    if not _is_shown(schema, context):
        return 0
    return len(name.encode()) + _min_size(schema, bool(schema.get(EMBEDDED)), context) + 4


def _is_shown(schema: Schema, context: _Context) -> bool:
    """Whether expressions see data of a schema."""
    schema, context = context.resolved(schema)
    if _is_int_or_string(schema, context):
        return True
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        return isinstance(items, Mapping) and _is_shown(items, context)
    if kind == "object":
        additional = _additional(schema)
        return additional is None or _is_shown(additional, context)
    return kind in ("string", "boolean", "number", "integer")
