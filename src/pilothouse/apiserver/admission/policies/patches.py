"""Applying the results of MutatingAdmissionPolicy expressions to an object, as JSON. Pure.

- An ApplyConfiguration is merged into the object by its schema, as server-side apply merges; lists and maps that are atomic are refused.
- A JSONPatch is applied as one of a PATCH request. When a `test` of it fails the object stays as it is.

Upstream: policy/mutating/patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilothouse.api.expressions.patchtypes import NoConversion, ObjectValue, PatchValue, configuration_of, json_of, mismatches
from pilothouse.machinery import codec
from pilothouse.machinery.patch.json import FailedTest, PatchFailed, perform
from pilothouse.machinery.patch.merging import merge
from pilothouse.machinery.patch.schema import Type
from pilothouse.machinery.patch.typed import ABSENT, NoElement, complaint

ATOMIC = "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "


class MutationFailed(Exception):
    """An expression's value cannot be applied; `str()` says why in upstream's words."""


def applied(obj: dict[str, Any], value: ObjectValue, kind: Type | None) -> dict[str, Any]:
    """The object after an ApplyConfiguration; `obj` is not changed. `kind` None: there is no schema for it."""
    _check_names(value)
    try:
        config = {**configuration_of(value), "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    except NoConversion as error:
        raise MutationFailed(str(error)) from error
    prefix = "error applying patch: "
    if kind is None:
        shown = f"{obj['apiVersion']}, Kind={obj['kind']}"
        raise MutationFailed(f"{prefix}failed to convert patch object to typed object: no corresponding type for {shown}")
    if text := complaint(config, kind):
        raise MutationFailed(f"{prefix}failed to convert patch object to typed object: {text}")
    if atomics := list(atomic_paths(config, kind)):
        raise MutationFailed(f"{prefix}{ATOMIC}{', '.join(atomics)}")
    if text := complaint(obj, kind, allow_duplicates=True):
        raise MutationFailed(f"{prefix}failed to convert original object to typed object: {text}")
    try:
        result = merge(obj, config, kind)
    except NoElement as error:
        raise MutationFailed(f"{prefix}failed to merge patch: {error}") from error
    return {} if result is ABSENT else result


def atomic_paths(value: Any, kind: Type, path: str = "") -> Iterator[str]:
    """Paths of atomic maps and lists in a value, which an ApplyConfiguration must not contain."""
    if isinstance(value, dict) and kind.is_map:
        if kind.is_atomic:
            yield path
        for name, member in value.items():
            below = kind.fields.get(name)
            if below is not None:  # upstream looks into declared fields only
                yield from atomic_paths(member, below, f"{path}.{name}")
    elif isinstance(value, list) and kind.items is not None:
        if not kind.is_associative:
            yield path
        for index, item in enumerate(value):
            yield from atomic_paths(item, kind.items, f"{path}[{index}]")


def patched(obj: dict[str, Any], operations: list[PatchValue]) -> dict[str, Any]:
    """The object after a JSONPatch; the same object where one of its tests fails."""
    try:
        result: dict[str, Any] = perform(codec.clone(obj), [_operation(each) for each in operations])
    except FailedTest:
        return obj
    except PatchFailed as error:
        raise MutationFailed(f"JSON Patch: {error}") from error
    return result


def _operation(value: PatchValue) -> dict[str, Any]:
    fields = value.fields
    operation: dict[str, Any] = {"op": fields.get("op", ""), "path": fields.get("path", "")}
    if fields.get("from"):
        operation["from"] = fields["from"]
    if "value" in fields:
        if isinstance(fields["value"], ObjectValue):
            _check_names(fields["value"])
        try:
            operation["value"] = json_of(fields["value"])
        except NoConversion as error:
            text = "JSONPath valueExpression evaluated to a type that could not marshal to JSON: "
            raise MutationFailed(f"{text}{error}") from error
    return operation


def _check_names(value: ObjectValue) -> None:
    if wrong := list(mismatches(value, value.cel_type.name)):
        raise MutationFailed("type mismatch: " + "\n".join(wrong))
