"""A bidirectional byte stream."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

READ_BYTES = 64 * 1024


class Duplex(Protocol):
    """ConnectionError from any method means that the other side is gone."""

    async def read(self) -> bytes:
        """Received bytes, at least one; empty at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Queue `data` at once, then wait until the other side has taken enough."""
        ...

    async def close(self) -> None:
        """End both directions; harmless when ended already."""
        ...


class SocketDuplex:
    """A connection that asyncio opened or accepted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        return await self.reader.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when the buffer has room again."""
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        """Close both directions."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def copy(source: Duplex, target: Duplex) -> None:
    """Copy until `source` ends or either side disconnects."""
    with contextlib.suppress(OSError):
        while data := await source.read():
            await target.write(data)


async def pipe(first: Duplex, second: Duplex) -> None:
    """Carry bytes both ways until one side ends, then end both."""
    tasks = [asyncio.ensure_future(copy(first, second)), asyncio.ensure_future(copy(second, first))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await first.close()
        await second.close()


class MemoryDuplex:
    """One end of an in-memory connection; `pair` makes both. For tests and simulated nodes."""

    LIMIT_CHUNKS = 64

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue(self.LIMIT_CHUNKS)
        self._closed = asyncio.Event()
        self.peer: MemoryDuplex | None = None

    @classmethod
    def pair(cls) -> tuple[MemoryDuplex, MemoryDuplex]:
        """Both ends of a new connection."""
        first, second = cls(), cls()
        first.peer, second.peer = second, first
        return first, second

    async def read(self) -> bytes:
        """The next bytes; empty once the connection is closed."""
        if self._incoming.empty() and self._closed.is_set():
            return b""
        getting, ending = asyncio.ensure_future(self._incoming.get()), asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((getting, ending), return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else b""
        finally:
            getting.cancel()
            ending.cancel()

    async def write(self, data: bytes) -> None:
        """Send bytes to the other end. ConnectionResetError when the connection is closed."""
        assert self.peer is not None
        if self._closed.is_set():
            raise ConnectionResetError("the connection is closed")
        if data:
            await self.peer._incoming.put(bytes(data))

    async def close(self) -> None:
        """Close both ends."""
        assert self.peer is not None
        self._closed.set()
        self.peer._closed.set()
