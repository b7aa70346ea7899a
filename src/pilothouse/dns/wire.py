"""The DNS wire format, as far as a cluster's DNS needs it: questions in, answers out. RFC 1035, 3596, 2782, 6891.

Own code because it is the hot path: a question is read and answered some ten times faster than by the general libraries,
which serve as oracles in the tests. A malformed message is a `MalformedMessage`, never another exception.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
CLASS_IN, CLASS_ANY = 1, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
OPCODE = 0x7800
HEADER = struct.Struct("!HHHHHH")
FIXED = struct.Struct("!HHIH")
PLAIN_UDP_BYTES = 512
OUR_UDP_BYTES = 1232
"""What we say that we can receive: no fragments on any usual network."""
LARGEST_UDP_BYTES = 4096
"""The largest datagram that we send, whatever a client says it can receive."""
TEXT_BYTES = 255
ADDRESSES_LIMIT = 8192
"""Addresses whose wire form is remembered."""


class MalformedMessage(Exception):
    """The message breaks the format; says where."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question. `name` is in lower case without the final dot; `question` holds its bytes as asked, for the answer to repeat."""

    id: int
    flags: int
    name: str
    type: int
    class_: int
    question: bytes
    udp_bytes: int = 0
    """What the client can receive over UDP; 0 when it sent no OPT record."""
    version: int = 0

    @property
    def opcode(self) -> int:
        """The kind of query; 0 is a standard query."""
        return (self.flags & OPCODE) >> 11


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record; `data` is in wire form. `target` stands for data that begins with a name (CNAME, PTR, NS): it is compressed."""

    name: str
    type: int
    ttl: int
    data: bytes = b""
    target: str = ""


@dataclass(slots=True)
class Answer:
    """An answer. `authoritative`: this server owns the zone."""

    code: int = NOERROR
    answers: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)
    authoritative: bool = True


def read_query(message: bytes) -> Query:
    """The one question of a message. MalformedMessage for everything that has not exactly one."""
    if len(message) < HEADER.size:
        raise MalformedMessage("shorter than a header")
    id_, flags, questions, answers, authority, additional = HEADER.unpack_from(message)
    if questions != 1:
        raise MalformedMessage(f"{questions} questions")
    name, at = read_name(message, HEADER.size)
    if at + 4 > len(message):
        raise MalformedMessage("the question is cut off")
    type_, class_ = struct.unpack_from("!HH", message, at)
    at += 4
    udp_bytes, version = read_edns(message, at, answers + authority + additional) if additional else (0, 0)
    return Query(id_, flags, name, type_, class_, message[HEADER.size : at], udp_bytes, version)


def read_name(message: bytes, at: int) -> tuple[str, int]:
    """(name in lower case, where what follows begins). Follows compression pointers, backwards only."""
    labels: list[str] = []
    following, length, limit = -1, 0, at
    while True:
        if at >= len(message):
            raise MalformedMessage("a name is cut off")
        size = message[at]
        if size == 0:
            return ".".join(labels), at + 1 if following < 0 else following
        if size >= 0xC0:
            target = pointer_at(message, at)
            if target >= limit:
                raise MalformedMessage("a pointer that leads forward")
            following = at + 2 if following < 0 else following
            at = limit = target
            continue
        length += size + 1
        if size > 63 or length > 254 or at + 1 + size > len(message):
            raise MalformedMessage("a label that is too long")
        labels.append(message[at + 1 : at + 1 + size].decode("latin-1").lower().replace(".", "\\."))
        at += 1 + size


def pointer_at(message: bytes, at: int) -> int:
    """The offset that a compression pointer refers to. MalformedMessage when the message ends before it."""
    if at + 2 > len(message):
        raise MalformedMessage("a pointer is cut off")
    return ((message[at] & 0x3F) << 8) | message[at + 1]


def read_edns(message: bytes, at: int, records: int) -> tuple[int, int]:
    """(UDP bytes, version) of the OPT record, if there is one."""
    for _ in range(records):
        name, at = read_name(message, at)
        if at + FIXED.size > len(message):
            raise MalformedMessage("a record is cut off")
        type_, class_, ttl, size = FIXED.unpack_from(message, at)
        at += FIXED.size + size
        if at > len(message):
            raise MalformedMessage("a record is cut off")
        if type_ == OPT and not name:
            return max(class_, PLAIN_UDP_BYTES), (ttl >> 16) & 0xFF
    return 0, 0


class Writer:
    """Builds one message; names that occurred before are referred to."""

    def __init__(self, query: Query) -> None:
        self.data = bytearray(HEADER.size)
        self.data += query.question
        self._places: dict[str, int] = {}
        if "\\" not in query.name:  # a label with a dot in it: no other name ends like that
            self._note(query.name, HEADER.size)

    def _note(self, name: str, at: int) -> None:
        while name and at < 0x4000:
            self._places.setdefault(name, at)
            label, _, name = name.partition(".")
            at += len(label) + 1

    def name(self, name: str) -> None:
        """Write a domain name, compressed where a suffix occurred before."""
        while name:
            place = self._places.get(name)
            if place is not None:
                self.data += (0xC000 | place).to_bytes(2, "big")
                return
            if len(self.data) < 0x4000:
                self._places[name] = len(self.data)
            label, _, name = name.partition(".")
            raw = label.encode("latin-1")
            self.data.append(len(raw))
            self.data += raw
        self.data.append(0)

    def record(self, record: Record) -> None:
        """Write a resource record."""
        self.name(record.name)
        at = len(self.data) + FIXED.size
        self.data += FIXED.pack(record.type, CLASS_IN, record.ttl, len(record.data))
        if record.target:
            self.name(record.target)
            struct.pack_into("!H", self.data, at - 2, len(self.data) - at)
        else:
            self.data += record.data

    def put(self, records: Iterable[Record], limit: int) -> tuple[int, bool]:
        """Write as many records as fit. Returns (their number, whether all fit)."""
        count = 0
        for record in records:
            before = len(self.data)
            self.record(record)
            if len(self.data) > limit:
                del self.data[before:]
                self._places = {name: at for name, at in self._places.items() if at < before}
                return count, False
            count += 1
        return count, True


def write_answer(query: Query, answer: Answer, limit: int, recursion: bool = False) -> bytes:
    """The answer's message in at most `limit` bytes. Additional records are left out silently, others with the TC flag."""
    edns = 11 if query.udp_bytes else 0
    writer = Writer(query)
    room = limit - edns
    answers, whole = writer.put(answer.answers, room)
    authority, more = writer.put(answer.authority if whole else (), room)
    additional, _ = writer.put(answer.additional if whole and more else (), room)
    if edns:
        extended = (answer.code >> 4) << 24
        writer.data += b"\0" + FIXED.pack(OPT, OUR_UDP_BYTES, extended, 0)
    flags = QR | (query.flags & (OPCODE | RD | CD)) | (answer.code & 0xF)
    flags |= AA if answer.authoritative else 0
    flags |= RA if recursion else 0
    flags |= 0 if whole and more else TC
    HEADER.pack_into(writer.data, 0, query.id, flags, 1, answers, authority, additional + (1 if edns else 0))
    return bytes(writer.data)


def write_error(message: bytes, code: int) -> bytes | None:
    """An answer to a message that could not be read; None when not even its header could, or when it is itself an answer."""
    if len(message) < HEADER.size:
        return None
    id_, flags = struct.unpack_from("!HH", message)
    if flags & QR:
        return None
    return HEADER.pack(id_, QR | (flags & (OPCODE | RD)) | code, 0, 0, 0, 0)


def udp_limit(query: Query) -> int:
    """The most bytes that the client takes in one datagram, within our own bounds."""
    return min(max(query.udp_bytes, PLAIN_UDP_BYTES), LARGEST_UDP_BYTES)


@lru_cache(maxsize=ADDRESSES_LIMIT)
def wire_name(name: str) -> bytes:
    """A name in wire form, uncompressed."""
    return b"".join(bytes((len(label),)) + label.encode("latin-1") for label in name.split(".") if label) + b"\0"


def address_record(name: str, address: str, ttl: int) -> Record:
    """An A or AAAA record."""
    data = packed(address)
    return Record(name, A if len(data) == 4 else AAAA, ttl, data)


@lru_cache(maxsize=ADDRESSES_LIMIT)
def packed(address: str) -> bytes:
    """An IP address as bytes."""
    return ipaddress.ip_address(address).packed


def srv_record(name: str, target: str, port: int, weight: int, ttl: int) -> Record:
    """An SRV record with priority 0."""
    return Record(name, SRV, ttl, struct.pack("!HHH", 0, weight, port) + wire_name(target))


def txt_record(name: str, text: str, ttl: int) -> Record:
    """A TXT record of one string, cut at its maximum of 255 bytes."""
    raw = text.encode()[:TEXT_BYTES]
    return Record(name, TXT, ttl, bytes((len(raw),)) + raw)


def soa_record(zone: str, serial: int, ttl: int) -> Record:
    """The start of authority, with the numbers that CoreDNS gives; its last is how long a denial may be kept."""
    names = wire_name(f"ns.dns.{zone}") + wire_name(f"hostmaster.{zone}")
    return Record(zone, SOA, ttl, names + struct.pack("!IIIII", serial, 7200, 1800, 86400, ttl))


def rotated(records: Sequence[Record], by: int) -> list[Record]:
    """Records in another order each time, so that clients that take the first share the load."""
    by %= max(len(records), 1)
    return [*records[by:], *records[:by]]
