"""Embedded resources: their apiVersion, kind and metadata are read and validated as those of any object.

Upstream: apiextensions-apiserver pkg/apiserver/schema/objectmeta.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.machinery import codec, names, strict
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.metadata import validate_metadata
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.shape import shape_of
from pilothouse.machinery.structural.schema import Node

NO_NAME = "fakename"


class Unreadable(ValueError):
    """An apiVersion, kind or metadata that is none; as text it is the field error."""

    def __init__(self, path: str, value: Any, detail: str) -> None:
        problems = Problems(path)
        problems.invalid(value, detail)
        self.problem = problems.found[0]
        super().__init__(str(self.problem))


def has_embedded(node: Node) -> bool:
    """Whether an embedded resource is here or below."""
    return node.embedded or any(map(has_embedded, node.below()))


def coerce(value: Any, node: Node | None, *, drop_invalid: bool, prefix: str = "") -> list[str]:
    """Make the metadata of embedded resources what ObjectMeta holds of it, in place; the sorted paths of its unknown fields.

    `prefix` is the path of the value. Unreadable for what cannot be read, unless it is dropped.
    """
    unknown: list[str] = []
    _coerce(value, node, drop_invalid, prefix, unknown)
    return sorted(unknown)


def _coerce(value: Any, node: Node | None, drop_invalid: bool, path: str, unknown: list[str]) -> None:
    if node is None:
        return
    if value.__class__ is dict:
        if node.embedded:
            _coerce_resource(value, drop_invalid, path, unknown)
        for name in sorted(value):
            if (child := node.properties.get(name)) is not None:
                _coerce(value[name], child, drop_invalid, f"{path}.{name}" if path else name, unknown)
            elif node.additional is not None:
                _coerce(value[name], node.additional, drop_invalid, f"{path}[{name}]", unknown)
    elif value.__class__ is list:
        for index, item in enumerate(value):
            _coerce(item, node.items, drop_invalid, f"{path}[{index}]", unknown)


def _coerce_resource(value: dict[str, Any], drop_invalid: bool, path: str, unknown: list[str]) -> None:
    for name in ("apiVersion", "kind"):
        if name in value and not isinstance(value[name], str):
            if not drop_invalid:
                raise Unreadable(Problems(path).at(name).path, value[name], "must be a string")
            del value[name]
    if "metadata" not in value:
        return
    here = f"{path}.metadata" if path else "metadata"
    try:
        meta = read_metadata(value["metadata"])
        unknown += [f"{here}.{name}" for name in strict.unknown_fields(value["metadata"], shape_of(ObjectMeta))]
    except ValueError as error:
        if not drop_invalid:
            raise Unreadable(here, value["metadata"], str(error)) from None
        if not isinstance(value["metadata"], dict):
            return
        meta = _readable_metadata(value["metadata"])
    value["metadata"] = written_metadata(meta)


def read_metadata(value: Any) -> ObjectMeta:
    """The metadata of parsed JSON; ValueError in Go's words where it is none."""
    if value is None:
        return ObjectMeta()
    try:
        if not isinstance(value, dict):
            raise ValueError(strict.type_error(value, shape_of(ObjectMeta)) or "not an object")
        meta: ObjectMeta = codec.from_dict(value, ObjectMeta)
    except StatusError as error:
        raise ValueError(error.status.message) from None
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return meta


def written_metadata(meta: ObjectMeta) -> dict[str, Any]:
    """Metadata as plain data, without a creation time where none is set."""
    written = codec.to_dict(meta)
    if written.get("creationTimestamp", "") is None:
        del written["creationTimestamp"]
    return written


def _readable_metadata(value: dict[str, Any]) -> ObjectMeta:
    """Of metadata with fields that cannot be read, the others."""
    good: dict[str, Any] = {}
    for name in value:
        try:
            read_metadata({name: value[name]})
        except ValueError:
            continue
        good[name] = value[name]
    return read_metadata(good)


def validate(value: Any, node: Node | None, problems: Problems) -> None:
    """Report what is wrong with the apiVersion, kind and metadata of embedded resources."""
    if node is None:
        return
    if value.__class__ is dict:
        if node.embedded:
            validate_resource(value, problems)
        for name in sorted(value):
            if (child := node.properties.get(name)) is not None:
                validate(value[name], child, problems.at(name))
            elif node.additional is not None:
                validate(value[name], node.additional, problems.at(f"[{name}]"))
    elif value.__class__ is list:
        for index, item in enumerate(value):
            validate(item, node.items, problems.at(index))


def validate_resource(value: dict[str, Any], problems: Problems) -> None:
    """An embedded resource names its apiVersion and kind, and its metadata, where it has some, is right."""
    for name in ("apiVersion", "kind"):
        if name not in value:
            problems.at(name).required()
    for name in ("apiVersion", "kind"):
        if name in value:
            _validate_name(name, value[name], problems.at(name))
    if "metadata" in value:
        try:
            meta = read_metadata(value["metadata"])
        except ValueError as error:
            problems.at("metadata").invalid(value["metadata"], str(error))
            return
        meta.name = meta.name or NO_NAME
        validate_metadata(meta, bool(meta.namespace), names.path_segment, problems.at("metadata"), any_finalizer=True)


def _validate_name(name: str, value: Any, problems: Problems) -> None:
    if not isinstance(value, str):
        problems.invalid(value, "must be a string")
    elif not value:
        problems.invalid(value, "must not be empty")
    elif name == "apiVersion":
        if value.count("/") > 1:
            problems.invalid(value, f"unexpected GroupVersion string: {value}")
    elif wrong := names.dns1035_label(value.lower()):
        problems.invalid(value, f"may have mixed case, but should otherwise match: {','.join(wrong)}")
