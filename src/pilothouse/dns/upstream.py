"""Upstream resolvers for names outside of the cluster domain, tried in order.

- A question goes out under an identifier of its own, and only an answer that repeats identifier and question is believed.
- A resolver has two seconds; at most `PENDING_LIMIT` questions are under way, more are given up at once.
- A truncated answer is handed on: the client asks again over a stream, and then so do we.
- What was answered is remembered for a while (cache.py), and told at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress

from pilothouse.dns.cache import AnswerCache
from pilothouse.dns.listeners import Address
from pilothouse.dns.records_of import records_of
from pilothouse.dns.wire import HEADER, RD, MalformedMessage, Query, Record, read_query, wire_name
from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kit.entropy import Entropy

PENDING_LIMIT = 1000
PATIENCE_SECONDS = 2.0
ANSWER_BYTES = 65535


class Upstream:
    """Client of the resolvers upstream. `addresses` are (ip, port), asked in order."""

    def __init__(self, addresses: Sequence[Address], clock: Clock, entropy: Entropy) -> None:
        self._addresses = tuple(addresses)
        self._clock = clock
        self._entropy = entropy
        self._pending = 0
        self._cache = AnswerCache(clock)

    def remembered(self, message: bytes, query: Query, stream: bool) -> bytes | None:
        """The answer to a client's message, when it was given to somebody not long ago."""
        return self._cache.find(message, query, stream)

    async def ask(self, message: bytes, stream: bool) -> bytes | None:
        """The upstream answer with the client's message id; None when no resolver answers."""
        if self._pending >= PENDING_LIMIT:
            return None
        self._pending += 1
        try:
            for address in self._addresses:
                with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                    answer = await wait_for(self._clock, self._exchange(address, message, stream), PATIENCE_SECONDS)
                    self._cache.keep(message, answer)
                    return message[:2] + answer[2:]
            return None
        finally:
            self._pending -= 1

    async def addresses(self, name: str, type_: int, ttl: int) -> list[Record]:
        """The records of one type that a name outside leads to, none when nobody answers."""
        question = wire_name(name) + type_.to_bytes(2, "big") + b"\0\1"
        message = HEADER.pack(0, RD, 1, 0, 0, 0) + question
        answer = self.remembered(message, read_query(message), stream=False) or await self.ask(message, stream=False)
        if answer is None:
            return []
        try:
            return records_of(answer)
        except MalformedMessage:
            return []

    async def _exchange(self, address: Address, message: bytes, stream: bool) -> bytes:
        number = self._entropy.random.getrandbits(16).to_bytes(2, "big")
        asked = number + message[2:]
        return await (self._over_stream if stream else self._over_datagram)(address, asked)

    async def _over_datagram(self, address: Address, asked: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
            await loop.sock_connect(out, address)  # connected: only this resolver is heard
            await loop.sock_sendall(out, asked)
            while True:
                answer = await loop.sock_recv(out, ANSWER_BYTES)
                if belongs(asked, answer):
                    return answer

    async def _over_stream(self, address: Address, asked: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(len(asked).to_bytes(2, "big") + asked)
            await writer.drain()
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        finally:
            writer.close()
        if not belongs(asked, answer):
            raise OSError("an answer to another question")
        return answer


def belongs(asked: bytes, answer: bytes) -> bool:
    """Whether an answer repeats the identifier and the question."""
    if asked[:2] != answer[:2]:
        return False
    try:
        ours, theirs = read_query(asked), read_query(answer)
    except MalformedMessage:
        return False
    return (ours.name, ours.type, ours.class_) == (theirs.name, theirs.type, theirs.class_)
