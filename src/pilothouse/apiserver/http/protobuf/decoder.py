"""From Kubernetes' protobuf envelope to the JSON form of the object.

- The envelope is four magic bytes and a message with apiVersion, kind and the object's own bytes.
- Go writes a zero for every plain field that is absent: such zeros are left out again, those of pointers are kept.
- Fields that the table does not know are passed over, as upstream does. Broken bytes are a ValueError.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from pilothouse.machinery import time

MAGIC = b"k8s\x00"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DEPTH_LIMIT = 100
Fields = dict[int, tuple[str, str, str, bool]]
Value = int | bytes


@cache
def table() -> dict[str, Fields]:
    """Type -> number -> (JSON name, kind, how often, whether a zero is kept)."""
    raw = msgspec.json.decode(Path(__file__).with_name("fields.json").read_bytes())
    return {
        name: {int(number): (each[0], each[1], each[2], bool(each[3])) for number, each in fields.items()} for name, fields in raw.items()
    }


def decode(data: bytes) -> dict[str, Any]:
    """The object in an envelope, with its apiVersion and kind; ValueError when it is none, or of no known kind."""
    if not data.startswith(MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = dict(parts(data[len(MAGIC) :]))
    described = dict(parts(as_bytes(envelope.get(1, b""))))
    api_version, kind = (as_bytes(described.get(number, b"")).decode() for number in (1, 2))
    body = as_bytes(envelope.get(2, b""))
    name = type_name(api_version, kind)
    if name not in table():
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"apiVersion": api_version, "kind": kind, **message(name, body, 0)}


def type_name(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    if kind == "DeleteOptions":  # of every group, and the same in all
        return "meta_v1.DeleteOptions"
    return f"{group.partition('.')[0] or 'core'}_{version}.{kind}".replace("rbac.authorization", "rbac")


def message(name: str, data: bytes, depth: int) -> dict[str, Any]:
    """A message by the table."""
    if depth > DEPTH_LIMIT:
        raise ValueError("exceeded max depth")
    fields = table()[name]
    found: dict[str, Any] = {}
    for number, value in parts(data):
        known = fields.get(number)
        if known is None:
            continue
        json_name, kind, many, keep = known
        if many == "map":
            entry = dict(parts(as_bytes(value)))
            key = as_bytes(entry.get(1, b"")).decode()
            found.setdefault(json_name, {})[key] = convert(kind, entry.get(2, b""), depth)
        elif many:
            found.setdefault(json_name, []).extend(repeated(kind, value, depth))
        elif not json_name:
            found.update(message(kind, as_bytes(value), depth + 1))
        else:
            converted = convert(kind, value, depth)
            if converted is not None and (keep or converted not in (0, "", False)):
                found[json_name] = converted
    return found


def repeated(kind: str, value: Value, depth: int) -> Iterator[Any]:
    """One element, or several numbers packed into one field."""
    if kind in ("int", "bool") and isinstance(value, bytes):
        position = 0
        while position < len(value):
            each, position = varint(value, position)
            yield convert(kind, each, depth)
    else:
        yield convert(kind, value, depth)


def convert(kind: str, value: Value, depth: int) -> Any:
    """One value as JSON has it; None for what JSON leaves out."""
    if kind == "int":
        return signed(as_int(value))
    if kind == "bool":
        return bool(value)
    if kind == "double":
        return struct.unpack("<d", as_bytes(value))[0] if value else 0.0
    data = as_bytes(value)
    if kind == "string":
        return data.decode()
    if kind == "bytes":
        return base64.b64encode(data).decode()
    special = SPECIAL.get(kind)
    if special is not None:
        return special(data, depth)
    if kind.startswith("items:"):
        return [convert(kind.removeprefix("items:"), each, depth) for _, each in parts(data)]
    return message(kind, data, depth + 1)


def _moment(data: bytes) -> datetime | None:
    """Seconds and nanoseconds; nothing at all is Go's zero time, which JSON says as null."""
    found = dict(parts(data))
    if not found:
        return None
    seconds, nanos = signed(as_int(found.get(1, 0))), signed(as_int(found.get(2, 0)))
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"time out of range: {seconds}") from error


def _time(data: bytes, depth: int) -> str | None:
    moment = _moment(data)
    return None if moment is None else time.text(moment)


def _microtime(data: bytes, depth: int) -> str | None:
    moment = _moment(data)
    return None if moment is None else time.micro(moment)


def _duration(data: bytes, depth: int) -> str:
    nanoseconds = signed(as_int(dict(parts(data)).get(1, 0)))
    return f"{nanoseconds / 1e9:g}s"


def _quantity(data: bytes, depth: int) -> str:
    return as_bytes(dict(parts(data)).get(1, b"0")).decode() or "0"


def _int_or_string(data: bytes, depth: int) -> int | str:
    found = dict(parts(data))
    if as_int(found.get(1, 0)) == 0:
        return signed(as_int(found.get(2, 0)))
    return as_bytes(found.get(3, b"")).decode()


def _json(data: bytes, depth: int) -> Any:
    raw = as_bytes(dict(parts(data)).get(1, b""))
    return msgspec.json.decode(raw) if raw else None


def _schema(data: Value, depth: int) -> Any:
    return message("apiextensions_v1.JSONSchemaProps", as_bytes(data), depth + 1)


def _schema_or_array(data: bytes, depth: int) -> Any:
    found = list(parts(data))
    many: list[Any] = [_schema(value, depth) for number, value in found if number == 2]
    one: list[Any] = [_schema(value, depth) for number, value in found if number == 1]
    return many or (one[0] if one else None)


def _schema_or_bool(data: bytes, depth: int) -> Any:
    found = dict(parts(data))
    return _schema(found[2], depth) if 2 in found else bool(found.get(1, 0))


def _schema_or_strings(data: bytes, depth: int) -> Any:
    found = list(parts(data))
    names: list[Any] = [as_bytes(value).decode() for number, value in found if number == 2]
    one: list[Any] = [_schema(value, depth) for number, value in found if number == 1]
    return names or (one[0] if one else None)


SPECIAL = {
    "time": _time,
    "microtime": _microtime,
    "duration": _duration,
    "quantity": _quantity,
    "intorstring": _int_or_string,
    "json": _json,
    "schemaorarray": _schema_or_array,
    "schemaorbool": _schema_or_bool,
    "schemaorstrings": _schema_or_strings,
}


def parts(data: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of a message as they come: number and raw value."""
    position, end = 0, len(data)
    while position < end:
        tag, position = varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, position = varint(data, position)
            yield number, value
            continue
        if wire == BYTES:
            length, position = varint(data, position)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"proto: illegal wireType {wire}")
        if position + length > end:
            raise ValueError("unexpected EOF")
        yield number, data[position : position + length]
        position += length


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("unexpected EOF")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise ValueError("proto: integer overflow")


def signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def as_int(value: Value) -> int:
    if isinstance(value, bytes):
        raise ValueError("proto: wrong wireType for a number")
    return value


def as_bytes(value: Value) -> bytes:
    if isinstance(value, int):
        if value == 0:  # the default of a map's absent value
            return b""
        raise ValueError("proto: wrong wireType for bytes")
    return value
