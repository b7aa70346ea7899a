"""Remembers what resolvers upstream answered, as the plugin `cache 30` of CoreDNS does for a cluster.

- An answer is kept for as long as its shortest record may be, a denial for as long as its SOA says (RFC 2308); at most `LONGEST_SECONDS`.
- Only what is whole and certain is kept: no truncated answer, no failure of a server, no denial without a SOA.
- Who asks later is told how much of each record's time is left, under an identifier and a question spelled as his own.
- At most `ENTRIES_LIMIT` answers of at most `ANSWER_BYTES` each; the one that was stored first goes first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.dns.wire import (
    AA,
    FIXED,
    HEADER,
    NOERROR,
    NXDOMAIN,
    OPT,
    SOA,
    TC,
    MalformedMessage,
    Query,
    read_name,
    read_query,
    udp_limit,
)
from pilothouse.kit.clock import Clock

LONGEST_SECONDS = 30
"""Of kubeadm's own Corefile."""
ENTRIES_LIMIT = 9984
"""CoreDNS's own default."""
ANSWER_BYTES = 4096
PLAIN_OPT_BYTES = 11
"""An OPT record without options: one with options (a cookie, say) speaks of one client alone."""
CODE = 0xF
Key = tuple[int, str, int, int, bytes]


class CacheEntry(NamedTuple):
    """A cached answer, and from when until when (monotonic seconds) it holds."""

    answer: bytes
    since: float
    until: float
    places: tuple[tuple[int, int], ...]
    """(where a record's time to live stands, what it was)"""


class Part(NamedTuple):
    """A record of a message, as far as its time matters."""

    section: int
    type: int
    ttl: int
    place: int
    minimum: int
    """Of a SOA: how long a denial may be kept."""


class AnswerCache:
    """Cache of upstream resolvers' answers. Messages are in wire form, questions with their answers."""

    def __init__(self, clock: Clock, limit: int = ENTRIES_LIMIT) -> None:
        self._clock = clock
        self._limit = limit
        self._kept: dict[Key, CacheEntry] = {}

    def find(self, message: bytes, query: Query, stream: bool) -> bytes | None:
        """The answer to a client's message; None when none is known that would fit."""
        key = key_of(message, query)
        kept = self._kept.get(key)
        if kept is None:
            return None
        now = self._clock.monotonic()
        if now >= kept.until:
            del self._kept[key]
            return None
        if not stream and len(kept.answer) > udp_limit(query):
            return None
        return answer_for(kept, query, int(now - kept.since))

    def keep(self, message: bytes, answer: bytes) -> None:
        """Remember an answer to a message, if it may be."""
        try:
            query, repeated = read_query(message), read_query(answer)
            records = tuple(parts(answer))
        except MalformedMessage:
            return
        seconds = lifetime_seconds(repeated.flags, records)
        plain = len(after_question(message, query)) <= PLAIN_OPT_BYTES and len(repeated.question) == len(query.question)
        if not seconds or not plain or len(answer) > ANSWER_BYTES:
            return
        key = key_of(message, query)
        self._kept.pop(key, None)
        while len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        now = self._clock.monotonic()
        self._kept[key] = CacheEntry(answer, now, now + seconds, tuple((part.place, part.ttl) for part in records if part.type != OPT))


def key_of(message: bytes, query: Query) -> Key:
    """Cache key of a message: all that the answer depends on, without id and letter case."""
    return query.flags, query.name, query.type, query.class_, after_question(message, query)


def after_question(message: bytes, query: Query) -> bytes:
    """The part after the question: the OPT record, if any."""
    return message[HEADER.size + len(query.question) :]


def answer_for(kept: CacheEntry, query: Query, age_seconds: int) -> bytes:
    """The cached answer with this query's id and question, and each TTL less the age."""
    answer = bytearray(kept.answer)
    flags = int.from_bytes(answer[2:4], "big") & ~AA  # whoever remembers has no authority (RFC 2181)
    struct.pack_into("!HH", answer, 0, query.id, flags)
    answer[HEADER.size : HEADER.size + len(query.question)] = query.question
    for place, ttl in kept.places:
        struct.pack_into("!I", answer, place, max(ttl - age_seconds, 0))
    return bytes(answer)


def lifetime_seconds(flags: int, records: tuple[Part, ...]) -> int:
    """How long an answer with these records may be cached; 0: not at all."""
    if flags & TC or flags & CODE not in (NOERROR, NXDOMAIN):
        return 0
    times = [part.ttl for part in records if part.type != OPT]
    if flags & CODE == NXDOMAIN or not any(part.section == 0 for part in records):
        denials = [part.minimum for part in records if part.section == 1 and part.type == SOA]
        if not denials:
            return 0
        times += denials
    return min(*times, LONGEST_SECONDS)


def parts(message: bytes) -> Iterator[Part]:
    """The records of an answer, section by section. MalformedMessage when it breaks the format."""
    _, _, questions, *counts = HEADER.unpack_from(message)
    at = HEADER.size
    for _ in range(questions):
        at = read_name(message, at)[1] + 4
    for section, count in enumerate(counts):
        for _ in range(count):
            _, at = read_name(message, at)
            if at + FIXED.size > len(message):
                raise MalformedMessage("a record is cut off")
            type_, _, ttl, size = FIXED.unpack_from(message, at)
            end = at + FIXED.size + size
            if end > len(message):
                raise MalformedMessage("a record is cut off")
            minimum = int.from_bytes(message[end - 4 : end], "big") if type_ == SOA and size >= 4 else 0
            yield Part(section, type_, ttl, at + 4, minimum)
            at = end
