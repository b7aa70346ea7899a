"""Encoding of structs to protobuf, byte for byte as upstream's generated code.

- Fields stand in the order of their numbers, maps in the order of their keys.
- A plain field is written also when it is zero; a pointer when it is set; a list or a map when it is not empty.
- What is to be done for a class is made at its first use, and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

from pilothouse.api.fields import type_name
from pilothouse.api.protobuf.tables import INLINE, LIST, MAP, PLAIN, UNIONS, Field, fields_of
from pilothouse.api.protobuf.values import FIRST, SECOND, VALUES, write_text
from pilothouse.api.protobuf.wire import BYTES, LENGTHS, sized, tag, varint

Write = Callable[[Any], bytes]
SHORT = 48
"""Lengths of strings that have their tag and length ready made."""
ALLOWED, NOT_ALLOWED = b"\x08\x01", b"\x08\0"


def encode_message(obj: Any) -> bytes:
    """The fields of a struct, without any envelope. ValueError for a class that has no protobuf form."""
    cls = type(obj)
    return message_of(cls, type_name(cls)).encode(obj)


class Message:
    """Encoder of the struct class `cls` as the Go type `name`."""

    def __init__(self, cls: type[Any], name: str) -> None:
        self._cls = cls
        self._name = name
        self.encode: Write = self._encode_first

    def _encode_first(self, obj: Any) -> bytes:
        self.encode = self._made()
        return self.encode(obj)

    def _made(self) -> Write:
        fields = fields_of(self._cls, self._name)
        get = _getter(fields)
        pairs = [_writer(field) for field in fields]
        writers, zeros = tuple(write for write, _ in pairs), tuple(zero for _, zero in pairs)

        def encode(obj: Any) -> bytes:
            out = []
            for value, write, zero in zip(get(obj), writers, zeros, strict=True):
                if value:
                    out.append(write(value))
                elif zero is not None:
                    if zero:
                        out.append(zero)
                elif value is not None:
                    out.append(write(value))
            return b"".join(out)

        return encode


_messages: dict[tuple[type[Any], str], Message] = {}
"""As many as there are struct classes."""


def message_of(cls: type[Any], name: str) -> Message:
    """The writer of a Go type from a class; made once."""
    message = _messages.get((cls, name))
    if message is None:
        message = _messages[cls, name] = Message(cls, name)
    return message


def _getter(fields: tuple[Field, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """The values of the fields; that of an inlined type is the object itself."""
    names = [field.attribute for field in fields if field.shape != INLINE]
    if not names:
        return lambda obj: (obj,) * len(fields)
    get: Any = attrgetter(*names) if len(names) > 1 else lambda obj: (getattr(obj, names[0]),)
    places = [index for index, field in enumerate(fields) if field.shape == INLINE]
    if not places:
        return get  # type: ignore[no-any-return]

    def with_itself(obj: Any) -> tuple[Any, ...]:
        values = list(get(obj))
        for place in places:
            values.insert(place, obj)
        return tuple(values)

    return with_itself


def _writer(field: Field) -> tuple[Write, bytes | None]:
    """What writes a field with its tag, and what stands for a value that counts as absent (None: ask whether it is None)."""
    payload, wire, zero = _payload(field)
    head = tag(field.number, wire)
    if field.shape == LIST:
        return (lambda values: b"".join([head + payload(value) for value in values])), b""
    if field.shape == MAP:
        return _map_writer(head, payload, tag(2, wire)), b""
    if payload is write_text:
        return _text_writer(head), _absent(field, head, zero)
    if field.go not in VALUES and field.go not in UNIONS and field.cls is not None:
        return _message_writer(head, message_of(field.cls, field.go)), _absent(field, head, zero)
    return (lambda value: head + payload(value)), _absent(field, head, zero)


def _text_writer(head: bytes) -> Write:
    short = [head + length for length in LENGTHS[:SHORT]]

    def write(value: str) -> bytes:
        data = value.encode()
        length = len(data)
        return short[length] + data if length < SHORT else head + varint(length) + data

    return write


def _message_writer(head: bytes, message: Message) -> Write:
    def write(obj: Any) -> bytes:
        data = message.encode(obj)
        length = len(data)
        return head + (LENGTHS[length] if length < 16384 else varint(length)) + data

    return write


def _absent(field: Field, head: bytes, zero: bytes) -> bytes | None:
    """A plain field has its zero value then; a pointer has nothing, unless its attribute can say that it is set to zero."""
    if field.shape in (PLAIN, INLINE):
        return head + zero if zero else b""
    return None if field.nullable else b""


def _map_writer(head: bytes, payload: Write, second: bytes) -> Write:
    def write(values: dict[str, Any]) -> bytes:
        keys = sorted(values) if len(values) > 1 else values
        return b"".join([head + sized(FIRST + write_text(key) + second + payload(values[key])) for key in keys])

    return write


def _payload(field: Field) -> tuple[Write, int, bytes]:
    """Of one value: what writes it behind its tag, its wire type, and its zero value."""
    value = VALUES.get(field.go)
    if value is not None:
        return value.write, value.wire, value.zero
    assert field.cls is not None, f"{field.attribute} is a {field.go}, which has no form of its own"
    if field.go in UNIONS:
        return _union_writer(field.cls, UNIONS[field.go]), BYTES, b""
    message = message_of(field.cls, field.go)
    zero = sized(message.encode(field.cls())) if field.shape == PLAIN else b""
    return (lambda obj: sized(message.encode(obj))), BYTES, zero


def _union_writer(cls: type[Any], union: str) -> Write:
    """A schema, or: several, yes or no, names of properties. The value is plain data, or a struct."""

    def schema(value: Any) -> bytes:
        return sized(encode_message(value if isinstance(value, cls) else msgspec.convert(value, cls)))

    def write(value: Any) -> bytes:
        if union == "bool":
            return sized(ALLOWED if value is True else NOT_ALLOWED) if isinstance(value, bool) else sized(ALLOWED + SECOND + schema(value))
        if isinstance(value, list):
            return sized(b"".join([SECOND + (write_text(item) if isinstance(item, str) else schema(item)) for item in value]))
        return sized(FIRST + schema(value))

    return write
