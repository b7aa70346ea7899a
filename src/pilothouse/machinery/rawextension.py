"""JSON of any kind in an object (runtime.RawExtension: ControllerRevision.data, parameters of drivers), kept as the client wrote it.

- Go's encoder writes it without whitespace and with its escapes for HTML; so it is stored, whatever way it came.
- YAML, strategic merge patches and applies have only the values: there keys are sorted, and whole numbers are integers.
- Functions that walk a document do so only where its type has such a field.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pilothouse.machinery import shape
from pilothouse.machinery.shape import Shape
from pilothouse.machinery.struct import RawExtension

STRING_OR_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)
ESCAPES = ((b"<", rb"\u003c"), (b">", rb"\u003e"), (b"&", rb"\u0026"), ("\u2028".encode(), rb"\u2028"), ("\u2029".encode(), rb"\u2029"))
"""What Go's encoder escapes and msgspec does not. These bytes occur in strings only, so that they can be replaced anywhere."""
INTEGERS_END = 1e21
"""From here on Go writes a float with an exponent."""

_encode = msgspec.json.Encoder(order="sorted").encode


def compact(data: bytes) -> bytes:
    """JSON text without whitespace between its tokens, and with Go's escapes."""
    if any(space in data for space in b" \t\r\n"):
        data = STRING_OR_SPACE.sub(rb"\1", data)
    for raw, escape in ESCAPES:
        data = data.replace(raw, escape)
    return data


def of_text(data: bytes) -> RawExtension:
    """JSON text that is known to be valid."""
    return msgspec.Raw(compact(data))


def of_value(value: Any) -> RawExtension:
    """Plain data as Go writes it: keys sorted, whole floats as integers."""
    return of_text(_encode(_with_integers(value)))


def _with_integers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_integers(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_with_integers(child) for child in value]
    return round(value) if isinstance(value, float) and abs(value) < INTEGERS_END and value.is_integer() else value


def value_of(raw: RawExtension) -> Any:
    """The plain data of JSON text; None when there is none."""
    return None if is_absent(raw) else msgspec.json.decode(raw)


def is_absent(raw: RawExtension) -> bool:
    """Whether nothing was given, or null."""
    return bytes(raw) in (b"", b"null")


def is_object(raw: RawExtension) -> bool:
    """Whether it is a JSON object."""
    return bytes(raw).startswith(b"{")


def is_extended(kind: Shape) -> bool:
    """Whether a value of this shape can have a runtime.RawExtension in it."""
    if kind.extended is None:
        kind.extended = _reaches(kind, set())
    return kind.extended


def _reaches(kind: Shape, seen: set[int]) -> bool:
    if id(kind) in seen:
        return False
    seen.add(id(kind))
    below = (*kind.fields.values(), kind.item) if kind.item is not None else kind.fields.values()
    return kind.go == shape.EXTENSION or any(_reaches(child, seen) for child in below)


def compact_document(data: bytes, kind: Shape) -> bytes:
    """JSON of a whole object, with compact text where parts are kept as text."""
    return compact(data) if is_extended(kind) else data


def with_text(value: Any, kind: Shape, data: bytes) -> Any:
    """A parsed document with the text in place of each value that is kept so. `data` is the text of the document."""
    if not is_extended(kind) or value is None:
        return value
    if kind.go == shape.EXTENSION:
        return of_text(data)
    try:
        return _with_parts(value, kind, data)
    except msgspec.MsgspecError:  # text that only the slower parser takes
        return value


def _with_parts(value: Any, kind: Shape, data: bytes) -> Any:
    if isinstance(value, list) and kind.kind == shape.LIST and kind.item is not None:
        texts = msgspec.json.decode(data, type=list[msgspec.Raw])
        return [with_text(child, kind.item, bytes(text)) for child, text in zip(value, texts, strict=True)]
    if not isinstance(value, dict) or kind.kind not in (shape.STRUCT, shape.MAP):
        return value
    members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    return {
        name: with_text(child, kind.fields.get(name) or kind.item or shape.OPEN, bytes(members.get(name, b"null")))
        for name, child in value.items()
    }


def copy_original_text(made: Any, before: Any, kind: Shape) -> None:
    """Give an object the text that stood in the same place before, where it is of the same value.

    `made` has been built from plain data of `before`, a struct of the same class, and is changed.
    """
    if not is_extended(kind):
        return
    if isinstance(made, list) and isinstance(before, list) and kind.item is not None:
        for new, old in zip(made, before, strict=False):
            copy_original_text(new, old, kind.item)
    if kind.kind != shape.STRUCT or made is None or before is None:
        return
    for attribute, name in zip(type(made).__struct_fields__, type(made).__struct_encode_fields__, strict=True):
        field = kind.fields.get(name, shape.OPEN)
        new, old = getattr(made, attribute), getattr(before, attribute)
        if field.go != shape.EXTENSION:
            copy_original_text(new, old, field)
        elif not is_absent(old) and of_value(value_of(old)) == new:
            setattr(made, attribute, old)
