"""Decoding of protobuf to structs.

- Fields that the class or the table does not know are passed over, as upstream does. Broken bytes are a ValueError.
- A zero of a plain field is what the class has without it; that of a pointer is kept where the class can say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pilothouse.api.fields import type_name
from pilothouse.api.protobuf.tables import INLINE, LIST, MAP, PLAIN, UNIONS, Field, fields_of
from pilothouse.api.protobuf.values import VALUES, text
from pilothouse.api.protobuf.wire import BYTES, EOF, FIXED64, VARINT, extent, raw_fields, read_varint, signed, skip
from pilothouse.machinery.codec import to_dict

T = TypeVar("T")
DEPTH_LIMIT = 100
"""Messages in messages: only schemas and hostile bodies nest without an end."""

Read = Callable[[Any, int], Any]
"""(raw value, depth) -> the value, None for what is left out."""
Put = Callable[[dict[str, Any], Any, int], None]
"""(values by attribute, raw value, depth): one occurrence of a field."""


def decode_message(data: bytes, cls: type[T]) -> T:
    """A struct of the class; ValueError for broken bytes, and for a class that has no protobuf form."""
    made: T = reader_of(cls, type_name(cls)).struct(data, 0)
    return made


class Reader:
    """Decoder of the Go type `name` into (a part of) the struct class `cls`."""

    def __init__(self, cls: type[Any], name: str) -> None:
        self._cls = cls
        self._name = name
        self._puts: dict[int, Put] | None = None
        self._fields: dict[int, Field] = {}

    def struct(self, data: bytes, depth: int) -> Any:
        """An object from its protobuf message; `depth` counts nested messages. Raises ValueError."""
        values: dict[str, Any] = {}
        self.fill(values, data, depth)
        return self._cls(**values)

    def fill(self, values: dict[str, Any], data: bytes, depth: int) -> None:
        """Put the fields of a message into `values`, by attribute."""
        if depth > DEPTH_LIMIT:
            raise ValueError("exceeded max depth")
        puts = self._puts
        if puts is None:
            puts = self._prepare()
        position, end = 0, len(data)
        while position < end:
            tag = data[position]
            position += 1
            if tag > 0x7F:
                tag, position = read_varint(data, position - 1)
            put = puts.get(tag)
            wire = tag & 7
            if put is None:
                position = self._other(values, data, position, tag, depth)
            elif wire == BYTES:
                stop = data[position] if position < end else 0x80
                position += 1
                if stop > 0x7F:
                    stop, position = read_varint(data, position - 1)
                stop += position
                if stop > end:
                    raise ValueError(EOF)
                put(values, data[position:stop], depth)
                position = stop
            elif wire == VARINT:
                value, position = read_varint(data, position)
                put(values, value, depth)
            else:
                stop, position = extent(data, position, end, wire)
                put(values, data[position:stop], depth)
                position = stop

    def _prepare(self) -> dict[int, Put]:
        """By tag: number and wire type."""
        fields = fields_of(self._cls, self._name)
        self._fields = {field.number: field for field in fields}
        self._puts = {field.number << 3 | wire_of(field): _putter(field) for field in fields}
        return self._puts

    def _other(self, values: dict[str, Any], data: bytes, position: int, tag: int, depth: int) -> int:
        """A field that nobody knows, or numbers of a list that are packed; returns where it ends."""
        field = self._fields.get(tag >> 3)
        if field is None:
            return skip(data, position, len(data), tag & 7)
        if field.shape != LIST or tag & 7 != BYTES:
            raise ValueError(f"proto: wrong wireType = {tag & 7} for field {field.attribute}")
        stop, position = extent(data, position, len(data), BYTES)
        put = _putter(field)
        for item in _packed(data[position:stop], wire_of(field)):
            put(values, item, depth)
        return stop


def wire_of(field: Field) -> int:
    """Wire type of a field."""
    value = VALUES.get(field.go)
    return BYTES if value is None or field.shape == MAP else value.wire


def _putter(field: Field) -> Put:
    attribute = field.attribute
    if field.shape == INLINE:
        return _inline_putter(field)
    read = _read(field)
    if field.shape == MAP:
        return _map_putter(attribute, read, _zero(field))
    if field.shape == LIST:
        return lambda values, raw, depth: values.setdefault(attribute, []).append(read(raw, depth))
    if field.go == "string" and (field.shape == PLAIN or not field.nullable):
        return _text_putter(attribute)

    def put(values: dict[str, Any], raw: Any, depth: int) -> None:
        value = read(raw, depth)
        if _is_absent(field, value):
            values.pop(attribute, None)
        else:
            values[attribute] = value

    return put


def _text_putter(attribute: str) -> Put:
    def put(values: dict[str, Any], raw: bytes, depth: int) -> None:
        if raw:
            values[attribute] = text(raw)

    return put


def _inline_putter(field: Field) -> Put:
    assert field.cls is not None
    reader = reader_of(field.cls, field.go)
    return lambda values, raw, depth: reader.fill(values, raw, depth + 1)


def _map_putter(attribute: str, read: Read, zero: Any) -> Put:
    def put(values: dict[str, Any], raw: bytes, depth: int) -> None:
        key, value = "", zero
        for number, _, part in raw_fields(raw):
            if number == 1 and isinstance(part, bytes):
                key = text(part)
            elif number == 2:
                value = part
        values.setdefault(attribute, {})[key] = read(value, depth)

    return put


def _is_absent(field: Field, value: Any) -> bool:
    """Whether JSON leaves a value out: the zero of a plain field, and what the class cannot tell from absence."""
    if value is None:
        return True
    if field.shape == PLAIN and field.nullable and field.cls is not None:
        return bool(value == field.cls())
    return not value and (field.shape == PLAIN or not field.nullable)


def _zero(field: Field) -> Any:
    """The raw value of a map's entry that has none."""
    value = VALUES.get(field.go)
    return 0 if value is not None and value.wire == VARINT else bytes(8) if value is not None and value.wire == FIXED64 else b""


def _packed(data: bytes, wire: int) -> list[Any]:
    """The numbers of a list that were packed into one field."""
    elements: list[Any] = []
    position = 0
    while position < len(data):
        if wire == VARINT:
            number, position = read_varint(data, position)
            elements.append(number)
        elif wire == FIXED64 and position + 8 <= len(data):
            elements.append(data[position : position + 8])
            position += 8
        else:
            raise ValueError(EOF)
    return elements


_readers: dict[tuple[type[Any], str], Reader] = {}
"""As many as there are struct classes."""


def reader_of(cls: type[Any], name: str) -> Reader:
    """The reader of a Go type into a class; made once."""
    reader = _readers.get((cls, name))
    if reader is None:
        reader = _readers[cls, name] = Reader(cls, name)
    return reader


def _read(field: Field) -> Read:
    """What reads one value of a field."""
    value = VALUES.get(field.go)
    if value is not None:
        read = value.read
        return lambda raw, depth: read(raw)
    assert field.cls is not None, f"{field.attribute} is a {field.go}, which has no form of its own"
    if field.go in UNIONS:
        return _union_reader(field.cls, UNIONS[field.go])
    reader = reader_of(field.cls, field.go)
    return lambda raw, depth: reader.struct(raw, depth + 1)


def _union_reader(cls: type[Any], union: str) -> Read:
    """A schema as plain data, or what else the union allows."""

    def schema(data: Any, depth: int) -> Any:
        return to_dict(reader_of(cls, type_name(cls)).struct(data, depth + 1))

    def read(data: bytes, depth: int) -> Any:
        first = [value for number, _, value in raw_fields(data) if number == 1]
        second = [value for number, _, value in raw_fields(data) if number == 2]
        if union == "bool":
            return schema(second[-1], depth) if second else bool(first and signed(first[-1]))  # type: ignore[arg-type]
        if second:
            return [text(value) if union == "strings" else schema(value, depth) for value in second]  # type: ignore[arg-type]
        return schema(first[-1], depth) if first else None

    return read
