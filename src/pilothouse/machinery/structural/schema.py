"""The tree of a structural schema: an OpenAPI v3 schema of a definition, read into nodes.

- A `Node` has slots for what the machinery asks while objects are pruned, defaulted and validated; all else is in `data`.
- `parse(data)` is what objects are validated by: formats that upstream does not know are left out, and int-or-string is two types.
- `parse(data, faithful=True)` keeps both as they were written: upstream validates defaults by such a schema.

Upstream: apiextensions-apiserver pkg/apiserver/schema (Structural) and kube-openapi pkg/validation/spec (Schema).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilothouse.machinery.structural import formats
from pilothouse.machinery.structural.numbers import deeply_normalized

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
RULES = "x-kubernetes-validations"
META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


class Node:
    """A schema. `properties` and `items` are nodes; `additional` is the node of additionalProperties."""

    __slots__ = (
        "additional",
        "additional_allowed",
        "all_of",
        "any_of",
        "data",
        "default",
        "embedded",
        "enum",
        "format",
        "has_additional",
        "int_or_string",
        "items",
        "list_keys",
        "list_type",
        "nullable",
        "one_of",
        "preserve",
        "properties",
        "required",
        "types",
        "unless",
    )

    def __init__(self, data: Mapping[str, Any], *, faithful: bool = False) -> None:
        self.data = data
        kind = data.get("type") or ""
        self.int_or_string = bool(data.get(INT_OR_STRING))
        self.types = _types(kind, self.int_or_string, faithful)
        self.format = _format(data.get("format") or "", self.types, faithful)
        self.nullable, self.default = bool(data.get("nullable")), deeply_normalized(data.get("default"))
        self.preserve, self.embedded = bool(data.get(PRESERVE)), bool(data.get(EMBEDDED))
        self.list_type, self.list_keys = data.get(LIST_TYPE), tuple(data.get(LIST_KEYS) or ())
        self.enum, self.required = tuple(map(deeply_normalized, data.get("enum") or ())), tuple(data.get("required") or ())

        def below(schema: Any) -> Node:
            return Node(schema if isinstance(schema, dict) else {}, faithful=faithful)

        self.properties = {name: below(schema) for name, schema in (data.get("properties") or {}).items()}
        items = data.get("items")
        self.items = below(items) if isinstance(items, dict) else None
        additional = data.get("additionalProperties")
        self.has_additional = additional is not None
        self.additional = below(additional) if isinstance(additional, dict) else None
        self.additional_allowed = additional is not False
        self.all_of, self.any_of, self.one_of = (tuple(map(below, data.get(key) or ())) for key in ("allOf", "anyOf", "oneOf"))
        self.unless = below(data["not"]) if data.get("not") is not None else None

    @property
    def type(self) -> str:
        """The type as it was written; "" where none was."""
        return self.data.get("type") or ""

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The rules of x-kubernetes-validations."""
        return self.data.get(RULES) or []

    def field(self, name: str) -> Node | None:
        """The schema of a field or of a map's value."""
        return self.properties.get(name) or self.additional

    def below(self) -> Iterator[Node]:
        """The structural schemas one step down."""
        yield from self.properties.values()
        for child in (self.items, self.additional):
            if child is not None:
                yield child


def parse(data: Mapping[str, Any] | None, *, faithful: bool = False) -> Node:
    """The node of a schema; of none at all, one that says nothing."""
    return Node(data or {}, faithful=faithful)


def has_rules(node: Node | None) -> bool:
    """Whether a schema has CEL rules, or one below it."""
    return node is not None and (bool(node.rules) or any(map(has_rules, node.below())))


def _types(kind: str, int_or_string: bool, faithful: bool) -> tuple[str, ...]:
    if int_or_string and not faithful:
        return ("integer", "string")
    return (kind,) if kind else ()


def _format(name: str, types: tuple[str, ...], faithful: bool) -> str:
    """The format where it counts: upstream drops those that it does not know for the type."""
    return name if faithful or formats.supported(name, types[0] if len(types) == 1 else "") else ""
