"""Sharing of equal parts between objects, to save memory: Pods of one template share their containers.

- `share` is called on an object that has been committed, or was just decoded: its lists, maps and structs are replaced by equal ones
  of an object that came before. It rests on the rule that nobody changes a committed object.
- An example is found by the bytes of the spec (without `nodeName`, which alone differs between Pods of one template) and then compared;
  metadata and status are compared field by field.
- The memory of what came before is bounded; what falls out of it is simply no longer shared with what comes later.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec

from pilothouse.machinery.patch.manager import shared
from pilothouse.machinery.struct import Object

SPECS_LIMIT = 256
"""Different specs that are remembered; a Pod's has some two kilobytes."""

SMALL_BYTES = 1024
"""A change of an object below this (a Lease) is not worth the look."""

_examples: dict[tuple[type[Any], bytes], Any] = {}
_by_spec: dict[int, Any] = {}
"""The examples by the identity of their specs: validation gives Pods of one template one spec."""


def share(obj: Any, encoded: bytes, previous: Any = None) -> None:
    """Replace parts of `obj`, whose JSON is `encoded`, by equal parts of `previous`, the same object before it was changed, or else of
    objects that came before. Of kinds without a spec the record of fields only."""
    share_managed_fields(obj)
    spec = getattr(obj, "spec", None)
    if not isinstance(spec, Object):
        return
    if previous is not None:
        if len(encoded) < SMALL_BYTES:
            return
        share_part(obj, previous, "spec")
        share_equal(obj.metadata, previous.metadata)
        share_part(obj, previous, "status")
        return
    example = _by_spec.get(id(spec))
    if example is not None:
        share_equal(obj.metadata, example.metadata)
        share_part(obj, example, "status")
        return
    key = type(obj), spec_bytes(encoded, getattr(spec, "nodeName", ""))
    example = _examples.get(key)
    if example is None:
        if len(_examples) >= SPECS_LIMIT:
            oldest = _examples.pop(next(iter(_examples)))
            _by_spec.pop(id(oldest.spec), None)
        _examples[key] = _by_spec[id(spec)] = obj
        return
    node_name = getattr(spec, "nodeName", "")
    alike = not node_name or example.spec.nodeName == node_name
    known = example.spec if alike else msgspec.structs.replace(example.spec, nodeName=node_name)
    if known != spec:  # the bytes only say where to look: free JSON in a spec may look like a status, where its key would end
        return
    obj.spec = known
    share_equal(obj.metadata, example.metadata)
    share_part(obj, example, "status")


def share_part(obj: Any, example: Any, name: str) -> None:
    """Share a field's struct with that of the example, or its equal parts."""
    part = getattr(obj, name, None)
    if not isinstance(part, Object):
        return
    other = getattr(example, name)
    if part is other:
        return
    if part == other:
        setattr(obj, name, other)
    else:
        share_equal(part, other)


def spec_bytes(encoded: bytes, node_name: str) -> bytes:
    """JSON of the spec without nodeName; equal for specs that differ only in it."""
    start = encoded.find(b',"spec":{')
    end = encoded.rfind(b',"status":{')
    spec = encoded[start:end] if end > start else encoded[start:]
    return spec.replace(b'"nodeName":"%b"' % node_name.encode(), b"", 1) if node_name else spec


def share_equal(target: Object, example: Object) -> None:
    """Share the equal fields of two structs."""
    parts = parts_of(type(target))
    if parts is None:
        return
    names, values = parts
    for name, value, known in zip(names, values(target), values(example)):  # noqa: B905  called for every object that is written
        if value is not known and value == known:
            setattr(target, name, known)


def share_managed_fields(obj: Any) -> None:
    """Share equal field sets of managedFields."""
    for entry in obj.metadata.managedFields:
        entry.fieldsV1 = shared(entry.fieldsV1)


@cache
def parts_of(kind: type[Object]) -> tuple[tuple[str, ...], Callable[[Object], tuple[Any, ...]]] | None:
    """Fields of a struct that hold lists, maps or structs, with a getter of their values; None without any."""
    described = msgspec.inspect.type_info(kind)
    assert isinstance(described, msgspec.inspect.StructType)
    names = tuple(field.name for field in described.fields if not is_scalar(field.type) and field.name != "managedFields")
    if not names:
        return None
    first = attrgetter(*names)
    return names, first if len(names) > 1 else lambda obj: (first(obj),)


def is_scalar(kind: msgspec.inspect.Type) -> bool:
    """Whether a field's type is a number, boolean, text or None."""
    types = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    scalar = (
        msgspec.inspect.StrType,
        msgspec.inspect.IntType,
        msgspec.inspect.FloatType,
        msgspec.inspect.BoolType,
        msgspec.inspect.NoneType,
    )
    return all(isinstance(member, scalar) for member in types)
