"""Protobuf's wire format: varints, tags and lengths.

Broken bytes are a ValueError in the words of upstream's generated code.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MASK = 0xFFFFFFFFFFFFFFFF
EOF = "unexpected EOF"


def _encode_varint(value: int) -> bytes:
    value &= MASK
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


LENGTHS = [_encode_varint(number) for number in range(1 << 14)]
"""The varints of small numbers: nearly every length and most integers."""


def varint(value: int) -> bytes:
    """A number of 64 bits; a negative one as its two's complement."""
    return LENGTHS[value] if 0 <= value < 16384 else _encode_varint(value)


def tag(field: int, wire: int) -> bytes:
    """Tag of a field: its number and wire type as a varint."""
    return varint(field << 3 | wire)


def sized(data: bytes) -> bytes:
    """The data behind its length."""
    return varint(len(data)) + data


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of 64 bits without a sign, and where it ends."""
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError(EOF)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & MASK, position
        shift += 7
        if shift > 63:
            raise ValueError("proto: integer overflow")


def signed(value: int) -> int:
    """The number of 64 bits with its sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def raw_fields(data: bytes, position: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int | bytes]]:
    """The fields of a message as they come: number, wire type and raw value."""
    end = len(data) if end is None else end
    while position < end:
        tag, position = read_varint(data, position)
        wire = tag & 7
        if wire == VARINT:
            value, position = read_varint(data, position)
            yield tag >> 3, wire, value
            continue
        stop, position = extent(data, position, end, wire)
        yield tag >> 3, wire, data[position:stop]
        position = stop


def extent(data: bytes, position: int, end: int, wire: int) -> tuple[int, int]:
    """End and beginning of the value of a field that is not a varint."""
    if wire == BYTES:
        length, position = read_varint(data, position)
    elif wire in (FIXED64, FIXED32):
        length = 8 if wire == FIXED64 else 4
    else:
        raise ValueError(f"proto: illegal wireType {wire}")
    if position + length > end:
        raise ValueError(EOF)
    return position + length, position


def skip(data: bytes, position: int, end: int, wire: int) -> int:
    """End of an unknown field."""
    if wire == VARINT:
        return read_varint(data, position)[1]
    return extent(data, position, end, wire)[0]
