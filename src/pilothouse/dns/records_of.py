"""Reads the records of another server's answer that go into an answer of ours: aliases and addresses."""

from __future__ import annotations

from pilothouse.dns.wire import AAAA, CNAME, FIXED, HEADER, A, MalformedMessage, Record, read_name


def records_of(message: bytes) -> list[Record]:
    """The CNAME, A and AAAA records of the answer section. MalformedMessage when it breaks the format."""
    if len(message) < HEADER.size:
        raise MalformedMessage("shorter than a header")
    _, _, questions, count, _, _ = HEADER.unpack_from(message)
    at = HEADER.size
    for _ in range(questions):
        at = read_name(message, at)[1] + 4
    records = []
    for _ in range(count):
        name, at = read_name(message, at)
        if at + FIXED.size > len(message):
            raise MalformedMessage("a record is cut off")
        type_, _, ttl, size = FIXED.unpack_from(message, at)
        at += FIXED.size
        data = message[at : at + size]
        if len(data) < size:
            raise MalformedMessage("a record is cut off")
        if type_ == CNAME:
            records.append(Record(name, type_, ttl, target=read_name(message, at)[0]))
        elif type_ in (A, AAAA):
            records.append(Record(name, type_, ttl, data))
        at += size
    return records
