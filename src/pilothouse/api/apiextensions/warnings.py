"""Warnings about definitions: unknown formats, and sets of items that are not scalar.

Upstream: the warnings of apiextensions-apiserver pkg/registry/customresourcedefinition/strategy.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api.apiextensions import schemas
from pilothouse.api.apiextensions.internal import spec_of
from pilothouse.api.types.apiextensions_v1 import CustomResourceDefinition
from pilothouse.machinery.quoting import go_quoted
from pilothouse.machinery.structural import formats
from pilothouse.machinery.structural.schema import LIST_TYPE


def warnings_of(definition: CustomResourceDefinition) -> list[str]:
    """Every warning about a definition, formats first, as often as they are there."""
    every = spec_of(definition).schemas()
    unknown = [name for schema in every for name in _unknown_formats(schema)]
    sets = {
        f"x-kubernetes-list-type: set for items of type {go_quoted(kind)} is not supported by server-side apply or CEL validation rules"
        for schema in every
        for kind in _kinds_in_sets(schema)
    }
    return [f"unrecognized format {go_quoted(name)}" for name in unknown] + sorted(sets)


def new_warnings(old: CustomResourceDefinition | None, new: CustomResourceDefinition) -> list[str]:
    """The warnings about a definition that were not due before."""
    before = set(warnings_of(old)) if old is not None else set()
    return [warning for warning in warnings_of(new) if warning not in before]


def _unknown_formats(schema: schemas.Schema) -> Iterator[str]:
    unknown: list[str] = []

    def look(part: schemas.Schema) -> bool:
        name = part.get("format") or ""
        if name and not formats.supported(name, part.get("type") or ""):
            unknown.append(name)
        return False

    schemas.has(schema, look)
    return iter(unknown)


def _kinds_in_sets(schema: schemas.Schema) -> Iterator[str]:
    kinds: list[str] = []

    def look(part: schemas.Schema) -> bool:
        items = part.get("items")
        if part.get(LIST_TYPE) == "set" and isinstance(items, dict) and items.get("type") in ("object", "array"):
            kinds.append(items["type"])
        return False

    schemas.has(schema, look)
    return iter(kinds)
