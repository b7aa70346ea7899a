"""Protobuf values with their own encoding: strings, numbers, bytes, times, quantities and others.

- `write` gives the payload that follows a field's tag, `read` takes it (a number for varints, bytes otherwise).
- `zero` is the payload of Go's zero value, which plain fields have even when nothing was said.
- Times and quantities repeat: their payloads are remembered (a bounded cache).
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from pilothouse.api.protobuf.wire import BYTES, FIXED64, VARINT, raw_fields, signed, sized, tag, varint
from pilothouse.kit.remember import remember
from pilothouse.machinery import codec, octets, quantity, rawextension, time
from pilothouse.machinery.struct import NO_FIELDS, FieldsV1

REMEMBERED = 4096
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = tag(1, BYTES), tag(2, BYTES), tag(3, BYTES)
FIRST_NUMBER, SECOND_NUMBER = tag(1, VARINT), tag(2, VARINT)


@dataclass(frozen=True, slots=True)
class Value:
    """Encoder and decoder of one Go type. `read` may return None for what JSON omits."""

    wire: int
    write: Callable[[Any], bytes]
    read: Callable[[Any], Any]
    zero: bytes


def one_of(data: bytes, field: int, default: int | bytes = b"") -> Any:
    """The last value of a field in a message."""
    last = default
    for field_number, _, value in raw_fields(data):
        if field_number == field:
            last = value
    return last


def text(data: bytes) -> str:
    """A string; Go takes any bytes for one, JSON shows what is no UTF-8 as U+FFFD."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="replace")


def write_text(value: str) -> bytes:
    """A string with its length."""
    data = value.encode()
    return varint(len(data)) + data


def write_octets(value: str) -> bytes:
    """Base64 text as bytes with their length."""
    return sized(octets.decoded(value) or b"")


@remember(REMEMBERED)
def write_time(value: str) -> bytes:
    """`Time`: whole seconds; nothing for the zero time."""
    moment = time.parse(value) if value else datetime.min.replace(tzinfo=UTC)
    return b"\0" if moment.year == 1 and moment == datetime.min.replace(tzinfo=UTC) else sized(timestamp(moment, 0))


def write_microtime(value: str) -> bytes:
    """A MicroTime as a Timestamp message; empty for an absent one."""
    if not value:
        return b"\0"
    moment = time.parse(value)
    return sized(timestamp(moment, moment.microsecond * 1000))


def timestamp(moment: datetime, nanos: int) -> bytes:
    """Seconds and nanoseconds of a Timestamp message."""
    passed = moment - EPOCH
    return FIRST_NUMBER + varint(passed.days * 86_400 + passed.seconds) + SECOND_NUMBER + varint(nanos)


def _moment(data: bytes) -> datetime | None:
    """Seconds and nanoseconds; nothing at all is Go's zero time, which JSON says as null."""
    if not data:
        return None
    seconds = nanos = 0
    for field, wire, value in raw_fields(data):
        if wire == VARINT and isinstance(value, int):
            seconds, nanos = (signed(value), nanos) if field == 1 else (seconds, signed(value) if field == 2 else nanos)
    try:
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"time out of range: {seconds}") from error
    return None if moment == datetime.min.replace(tzinfo=UTC) else moment


def read_time(data: bytes) -> str | None:
    """Time as RFC 3339 text in whole seconds; None for an empty message."""
    moment = _moment(data)
    return None if moment is None else time.text(moment)


def read_microtime(data: bytes) -> str | None:
    """Time as RFC 3339 text in microseconds; None for an empty message."""
    moment = _moment(data)
    return None if moment is None else time.micro(moment)


@remember(REMEMBERED)
def write_quantity(value: str | int | float) -> bytes:
    """Encode a Quantity in canonical form; invalid ones as they are."""
    try:
        shown = quantity.canonical(value)
    except ValueError:
        shown = str(value)
    return sized(FIRST + write_text(shown))


def read_quantity(data: bytes) -> str:
    """Decode a Quantity. Raises ValueError with upstream's message."""
    value = text(one_of(data, 1)) or "0"
    _check_quantity(value)
    return value


@remember(REMEMBERED)
def _check_quantity(value: str) -> None:
    quantity.parse(value)


def write_int_or_string(value: int | str) -> bytes:
    """An IntOrString message."""
    if isinstance(value, str):
        return sized(FIRST_NUMBER + b"\x01" + SECOND_NUMBER + b"\0" + THIRD + write_text(value))
    return sized(FIRST_NUMBER + b"\0" + SECOND_NUMBER + varint(value) + THIRD + b"\0")


def read_int_or_string(data: bytes) -> int | str:
    """A number or a text from an IntOrString message."""
    if one_of(data, 1, 0):
        return text(one_of(data, 3))
    return signed(one_of(data, 2, 0))


def write_raw(value: msgspec.Raw) -> bytes:
    """The bytes as they are; of null nothing."""
    data = bytes(value)
    return b"\0" if data == b"null" else sized(FIRST + sized(data))


def read_raw(data: bytes) -> msgspec.Raw | None:
    """JSON of any kind as it was written, but for whitespace."""
    raw = one_of(data, 1)
    return None if read_json(data) is None else rawextension.of_text(raw)


def write_json(value: Any) -> bytes:
    """A RawExtension-like message with the value as JSON."""
    return sized(FIRST + sized(codec.encode(value)))


def read_json(data: bytes) -> Any:
    """The value of a RawExtension-like message; None when it is empty. Raises ValueError for what is no JSON."""
    raw = one_of(data, 1)
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.MsgspecError as error:
        raise ValueError(f"raw bytes are no JSON: {error}") from error


def read_fields(data: bytes) -> FieldsV1:
    """Decode FieldsV1, whose JSON is kept as text."""
    value = read_json(data)
    if value is not None and not isinstance(value, dict):
        raise ValueError("raw bytes are no JSON object")
    return NO_FIELDS if value is None else FieldsV1(one_of(data, 1))


def read_int32(value: int) -> int:
    """The lower 32 bits, as Go takes them."""
    return ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def read_double(data: bytes) -> float:
    """A 64-bit float. Raises ValueError for infinity and NaN, which JSON cannot hold."""
    value: float = struct.unpack("<d", data)[0]
    if not math.isfinite(value):
        raise ValueError("json: unsupported value: a number must be finite")
    return value


def write_items(value: list[str]) -> bytes:
    """A message of one repeated string."""
    return sized(b"".join([FIRST + write_text(item) for item in value]))


def read_items(data: bytes) -> list[str]:
    """The strings of a message of one repeated string."""
    return [text(value) for _, _, value in raw_fields(data) if isinstance(value, bytes)]


def read_duration(data: bytes) -> str:
    """A Duration message as text in seconds, `1.5s`."""
    return f"{signed(one_of(data, 1, 0)) / 1e9:g}s"


def write_duration(value: str) -> bytes:
    """A Duration message from a Go duration."""
    return sized(FIRST_NUMBER + varint(round(time.duration(value) * 1e9)))


INTEGER = Value(VARINT, varint, signed, b"\0")
VALUES: Mapping[str, Value] = {
    "string": Value(BYTES, write_text, text, b"\0"),
    "bytes": Value(BYTES, write_octets, lambda data: base64.b64encode(data).decode(), b""),
    "bool": Value(VARINT, lambda value: b"\x01" if value else b"\0", bool, b"\0"),
    "int32": Value(VARINT, varint, read_int32, b"\0"),
    "int64": INTEGER,
    "uint32": INTEGER,
    "float64": Value(FIXED64, lambda value: struct.pack("<d", value), read_double, bytes(8)),
    "meta/v1.Time": Value(BYTES, write_time, read_time, b"\0"),
    "meta/v1.MicroTime": Value(BYTES, write_microtime, read_microtime, b"\0"),
    "meta/v1.Duration": Value(BYTES, write_duration, read_duration, b"\x02\x08\0"),
    "api/resource.Quantity": Value(BYTES, write_quantity, read_quantity, write_quantity("0")),
    "util/intstr.IntOrString": Value(BYTES, write_int_or_string, read_int_or_string, write_int_or_string(0)),
    "runtime.RawExtension": Value(BYTES, write_raw, read_raw, b"\0"),
    "meta/v1.FieldsV1": Value(BYTES, write_json, read_fields, b"\0"),
    "apiextensions/v1.JSON": Value(BYTES, write_json, read_json, b"\0"),
    "items": Value(BYTES, write_items, read_items, b"\0"),
}
"""By Go type."""
