"""The frame of netfilter's netlink messages: reading and writing, as far as the proxy needs it without a library."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

NETLINK_NETFILTER = 12
HEADER = struct.Struct("=IHHII")
"""length, type, flags, sequence, port"""
FAMILY = struct.Struct("!BBH")
"""address family, version, resource"""
NESTED = 0x8000
NLMSG_ERROR, NLMSG_DONE = 2, 3


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, what follows the header) of each message of a datagram."""
    at = 0
    while at + HEADER.size <= len(data):
        length, type_, *_ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield type_, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by type; a later one of a type wins."""
    values: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, type_ = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        values[type_ & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return values


def attribute(type_: int, value: bytes) -> bytes:
    """A netlink attribute as bytes, padded to four."""
    return struct.pack("=HH", 4 + len(value), type_) + value + b"\0" * (-len(value) % 4)


def request(type_: int, flags: int, family: int, values: Mapping[int, bytes]) -> bytes:
    """A netfilter request with its attributes."""
    body = FAMILY.pack(family, 0, 0) + b"".join(attribute(key, value) for key, value in values.items())
    return HEADER.pack(HEADER.size + len(body), type_, flags, 1, 0) + body
