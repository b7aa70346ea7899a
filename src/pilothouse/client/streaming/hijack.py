"""Taking a connection over from aiohttp's server, to speak something other than HTTP on it.

aiohttp itself upgrades to WebSocket only. This uses the same two seams as its WebSocket does: a payload parser that is
handed all further bytes, and the transport for what goes out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from aiohttp import web

BUFFER_BYTES = 256 * 1024


class Hijacked(web.StreamResponse):
    """A `Duplex` on the connection of `request`, and the response that a handler returns when it is done with it."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._req = request
        self._status = 101
        self._reason = "Switching Protocols"
        self._keep_alive = False
        self._protocol: Any = request.protocol
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._paused = False
        self._changed = asyncio.Event()

    @property
    def prepared(self) -> bool:
        """Always true: aiohttp must not send a response."""
        return True

    def switch(self, headers: Iterable[tuple[str, str]]) -> None:
        """Answer 101 and take the connection."""
        self._protocol._upgraded = True  # or aiohttp would go on parsing HTTP
        self._protocol.set_parser(self)
        lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers)]
        self._transport().write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Called by aiohttp when bytes arrive."""
        self._chunks.append(bytes(data))
        self._size += len(data)
        self._changed.set()
        if self._size >= BUFFER_BYTES and not self._paused:
            self._paused = True
            self._protocol._pause_transport_reading()
        return False, b""

    def feed_eof(self) -> None:
        """Called by aiohttp when the connection is lost."""
        self._ended = True
        self._changed.set()

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        while not self._chunks and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._protocol._resume_transport_reading()
        return data

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; returns when the buffer has room again."""
        self._transport().write(data)
        if self._protocol._paused:
            await self._protocol._drain_helper()

    async def close(self) -> None:
        """Close the connection."""
        self.feed_eof()
        transport = self._protocol.transport
        if transport is not None:
            transport.close()

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Called by aiohttp to send the headers; there are none."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """The server calls this at the end, when all has been said."""
        self._eof_sent = True

    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport | None = self._protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        return transport


def wants(request: web.BaseRequest, protocol: str) -> bool:
    """Whether the client asks to upgrade the connection to `protocol`."""
    connection = request.headers.get("Connection", "").lower()
    return "upgrade" in connection and request.headers.get("Upgrade", "").lower() == protocol.lower()
