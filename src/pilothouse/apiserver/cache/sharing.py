"""Sharing of equal parts between committed objects: the Pods of one template have one list of containers, not thousands.

- `share` is called on an object that has been committed, or was just decoded: its lists, maps and structs are replaced by equal ones
  of an object that came before. It rests on the rule that nobody changes a committed object.
- An example is found by the bytes of the spec (without `nodeName`, which alone differs between Pods of one template) and then compared;
  metadata and status are compared field by field.
- The memory of what came before is bounded; what falls out of it is simply no longer shared with what comes later.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from pilothouse.machinery.struct import NO_FIELDS, FieldsV1, Object

SPECS_LIMIT = 256
"""Different specs that are remembered; a Pod's has some two kilobytes."""
FIELDS_LIMIT = 1024

_examples: dict[tuple[type[Any], bytes], Any] = {}
_fields: dict[bytes, FieldsV1] = {}


def share(obj: Any, encoded: bytes) -> None:
    """Replace parts of `obj`, whose JSON is `encoded`, by equal parts of objects that came before. Only for kinds with a spec."""
    spec = getattr(obj, "spec", None)
    if not isinstance(spec, Object):
        return
    share_managed_fields(obj)
    key = type(obj), spec_bytes(encoded, getattr(spec, "nodeName", ""))
    example = _examples.get(key)
    if example is None:
        if len(_examples) >= SPECS_LIMIT:
            del _examples[next(iter(_examples))]
        _examples[key] = obj
        return
    node_name = getattr(spec, "nodeName", "")
    alike = not node_name or example.spec.nodeName == node_name
    known = example.spec if alike else msgspec.structs.replace(example.spec, nodeName=node_name)
    if known != spec:  # the bytes only say where to look: free JSON in a spec may look like a status, where its key would end
        return
    obj.spec = known
    share_equal(obj.metadata, example.metadata)
    status = getattr(obj, "status", None)
    if isinstance(status, Object):
        if status == example.status:
            obj.status = example.status
        else:
            share_equal(status, example.status)


def spec_bytes(encoded: bytes, node_name: str) -> bytes:
    """The JSON of the spec without the node's name; the same for specs that differ in nothing else."""
    start = encoded.find(b',"spec":{')
    end = encoded.rfind(b',"status":{')
    spec = encoded[start:end] if end > start else encoded[start:]
    return spec.replace(b'"nodeName":"%b"' % node_name.encode(), b"", 1) if node_name else spec


def share_equal(target: Object, example: Object) -> None:
    """The fields of one struct that are equal to those of the other become the same."""
    for name in parts_of(type(target)):
        value = getattr(example, name)
        if getattr(target, name) == value:
            setattr(target, name, value)


def share_managed_fields(obj: Any) -> None:
    """Each set of fields is kept once, cut from the request or the stored value that it was read from."""
    for entry in obj.metadata.managedFields:
        if entry.fieldsV1 is NO_FIELDS:
            continue
        data = bytes(entry.fieldsV1)
        known = _fields.get(data)
        if known is None:
            if len(_fields) >= FIELDS_LIMIT:
                del _fields[next(iter(_fields))]
            known = _fields[data] = msgspec.Raw(data)
        entry.fieldsV1 = known


@cache
def parts_of(kind: type[Object]) -> tuple[str, ...]:
    """The fields of a struct that hold more than one value: lists, maps and structs."""
    described = msgspec.inspect.type_info(kind)
    assert isinstance(described, msgspec.inspect.StructType)
    return tuple(field.name for field in described.fields if not is_scalar(field.type) and field.name != "managedFields")


def is_scalar(kind: msgspec.inspect.Type) -> bool:
    """Whether values of a field's type are numbers, booleans, texts or nothing."""
    types = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    scalar = (
        msgspec.inspect.StrType,
        msgspec.inspect.IntType,
        msgspec.inspect.FloatType,
        msgspec.inspect.BoolType,
        msgspec.inspect.NoneType,
    )
    return all(isinstance(member, scalar) for member in types)
