"""Sockets of the DNS server: datagrams and streams, on each address both.

- A datagram is answered in the same turn of the loop when the answer needs nobody else; others wait in tasks, at most `WAITING_LIMIT`.
- A stream may carry many questions; it is closed when it was idle for ten seconds, or its client took no answer for as long.
  At most `STREAMS_LIMIT` are open.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol

from pilothouse.kit.clock import Clock, wait_for

Address = tuple[str, int]
WAITING_LIMIT = 1000
STREAMS_LIMIT = 128
IDLE_SECONDS = 10.0
BIND_TRIES = 8


class NeedsUpstream:
    """The type of NEEDS_UPSTREAM: another server must be asked for the answer."""


NEEDS_UPSTREAM = NeedsUpstream()


class MessageHandler(Protocol):
    """Answers DNS messages in wire form."""

    def answer_at_once(self, message: bytes, stream: bool) -> bytes | NeedsUpstream | None:
        """The answer; None when there is to be none; NEEDS_UPSTREAM when it takes `answer_later`."""
        ...

    async def answer_later(self, message: bytes, stream: bool) -> bytes | None:
        """The answer that needed another server; None when there is none to give."""
        ...


class Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram from where it came to."""

    def __init__(self, handler: MessageHandler, group: asyncio.TaskGroup) -> None:
        self._handler = handler
        self._group = group
        self._waiting = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio with the open socket."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer a query, at once or, when another server must be asked, in a task of its own."""
        answer = self._handler.answer_at_once(data, False)
        if isinstance(answer, bytes):
            self._transport.sendto(answer, addr)
        elif answer is not None and self._waiting < WAITING_LIMIT:
            self._waiting += 1
            self._group.create_task(self._later(data, addr))

    async def _later(self, data: bytes, addr: Any) -> None:
        try:
            answer = await self._handler.answer_later(data, False)
            if answer is not None and not self._transport.is_closing():
                self._transport.sendto(answer, addr)
        finally:
            self._waiting -= 1


class Streams:
    """Answers messages with two bytes of length before each."""

    def __init__(self, handler: MessageHandler, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the queries of one TCP connection until it ends or is silent for too long."""
        if self._open >= STREAMS_LIMIT:
            writer.close()
            return
        self._open += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await self._one(reader, writer)
            writer.close()
            with suppress(OSError):
                await wait_for(self._clock, writer.wait_closed(), IDLE_SECONDS)
        finally:
            writer.transport.abort()  # who does not take what was written would hold the connection for ever
            self._open -= 1

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await wait_for(self._clock, reader.readexactly(2), IDLE_SECONDS), "big")
        message = await wait_for(self._clock, reader.readexactly(size), IDLE_SECONDS)
        answer = self._handler.answer_at_once(message, True)
        if isinstance(answer, NeedsUpstream):
            answer = await self._handler.answer_later(message, True)
        if answer is None:
            raise ConnectionError("no answer is due to such a message")
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await wait_for(self._clock, writer.drain(), IDLE_SECONDS)


@asynccontextmanager
async def listen(
    addresses: Sequence[Address], handler: MessageHandler, clock: Clock, group: asyncio.TaskGroup
) -> AsyncIterator[list[Address]]:
    """Listen while the context lasts; gives where (a port 0 becomes a free one, the same for datagrams and streams)."""
    loop = asyncio.get_running_loop()
    bound: list[Address] = []
    async with AsyncExitStack() as stack:
        for address in addresses:
            datagrams, streams = open_pair(address)
            bound.append((address[0], datagrams.getsockname()[1]))
            transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(handler, group), sock=datagrams)
            stack.callback(transport.close)
            server = await asyncio.start_server(Streams(handler, clock).serve, sock=streams)
            stack.callback(server.close)
        yield bound


def open_pair(address: Address) -> tuple[socket.socket, socket.socket]:
    """A datagram and a stream socket on one port."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    for last in (False,) * (BIND_TRIES - 1) + (True,):
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        streams = socket.socket(family, socket.SOCK_STREAM)
        try:
            streams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            datagrams.bind(address)
            streams.bind((address[0], datagrams.getsockname()[1]))
            return datagrams, streams
        except OSError:
            datagrams.close()
            streams.close()
            if address[1] or last:  # a free port of the one kind may be taken in the other: then another is tried
                raise
    raise AssertionError
