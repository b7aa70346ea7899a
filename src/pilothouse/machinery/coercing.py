"""Decoding of custom objects: metadata is coerced, unknown fields are pruned.

`decode_coerced` is for what clients send, `repaired` for what the store has: there malformed metadata is dropped instead of refused.

Upstream: unstructuredSchemaCoercer of apiextensions-apiserver (pkg/apiserver/customresource_handler.go).
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from pilothouse.machinery import strict
from pilothouse.machinery.errors import invalid
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.shape import shape_of
from pilothouse.machinery.strconv import INT64
from pilothouse.machinery.unstructured import TYPE_META, Unstructured

FRACTION = re.compile(rb"[:,\[]\s*-?(?:\d{19}|\d+(?:\.\d|[eE]))")
"""Where a JSON text may have a number that is no integer of 64 bits."""
LARGEST_WHOLE = 1e21
"""From here on Go writes floats with an exponent."""


def decode_coerced(value: dict[str, Any], kind: type[Unstructured], data: bytes = b".") -> tuple[Unstructured, list[str]]:
    """The object of a parsed document, and the paths of its unknown fields in upstream's order. The document is used up.

    `data` is its text, where that is at hand. ValueError in upstream's words for metadata, or embedded metadata, that are none.
    """
    if data == b"." or FRACTION.search(data) is not None:
        value = go_numbers(value)
    metadata, unknown = _metadata(value.get("metadata"))
    content = {name: field for name, field in value.items() if name not in TYPE_META}
    if kind.RULES is not None:
        unknown += kind.RULES.prune(content)
        unknown += kind.RULES.coerce(content)
    return kind(metadata, content), unknown


def check_type_meta(value: dict[str, Any], kind: type[Unstructured]) -> None:
    """A StatusError 422 when an object says another kind or version than it is to be of."""
    group, version, name = kind.GVK
    wanted, said = f"{group}/{version}", str(value.get("apiVersion") or "")
    problems = Problems()
    if value.get("kind") != name:
        problems.at("kind").invalid(value.get("kind") or "", f"must be {name}")
    if said != wanted:
        problems.at("apiVersion").invalid(said, f"must be {wanted}")
    if problems:
        metadata = value.get("metadata")
        called = str(metadata.get("name") or "") if isinstance(metadata, dict) else ""
        raise invalid(str(value.get("kind") or ""), said.rpartition("/")[0], called, problems.found)


def _metadata(value: Any) -> tuple[ObjectMeta, list[str]]:
    shape = shape_of(ObjectMeta)
    if value is None:
        return ObjectMeta(), []
    try:
        metadata = msgspec.convert(value, ObjectMeta)
        if isinstance(value, dict) and not strict.quick_check(value, shape):
            return metadata, []
    except (msgspec.ValidationError, strict.NeedsFullCheck):
        pass
    if text := strict.type_error(value, shape):
        raise ValueError(text)
    unknown = [f"metadata.{path}" for path in sorted(strict.unknown_fields(value, shape))]
    try:
        return msgspec.convert(strict.without_nulls(value, shape), ObjectMeta), unknown
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def go_numbers(value: Any) -> Any:
    """The value with every whole number as an integer, as Go writes it, and integers beyond 64 bits as floats, as Go reads them.

    Lists and maps in it are changed.
    """
    if isinstance(value, dict):
        for name, child in value.items():
            if isinstance(child, (dict, list, float, int)):
                value[name] = go_numbers(child)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            if isinstance(child, (dict, list, float, int)):
                value[index] = go_numbers(child)
    elif isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        return math.trunc(value)
    elif isinstance(value, int) and value not in INT64:
        return value * 1.0
    return value
