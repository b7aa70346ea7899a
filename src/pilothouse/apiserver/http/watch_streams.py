"""The two ways in which a watch reaches its client: events in an HTTP chunked body, or messages of a WebSocket.

An event is a line of JSON, or a frame of protobuf (four bytes of length before it, which a WebSocket's message does without).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from pilothouse.apiserver.http import warning_headers
from pilothouse.apiserver.http.connection import MACHINE, STALLED_SECONDS
from pilothouse.apiserver.http.negotiation import JSON
from pilothouse.apiserver.http.request import Request, Response
from pilothouse.kit.clock import wait_for

FRAME_HEAD = 4

BLOCK_BYTES = 64 * 1024


class Stream(Protocol):
    """Opened once, then sent to, then closed. ConnectionError when the client is gone."""

    async def open(self, request: Request) -> Response:
        """Send the response's head."""

    async def send(self, lines: list[bytes]) -> None:
        """Send encoded events. Raises ConnectionError when the client is gone or does not read."""

    async def close(self) -> None:
        """End the response."""


class WriteBudget:
    """Bounds what all watches write in one turn of the loop: requests that came meanwhile go first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._written = 0

    async def take(self, count: int) -> None:
        """Return when so much may be written."""
        while self._written > self._limit:
            await MACHINE.yield_turn()
        if not self._written:
            asyncio.get_running_loop().call_soon(self._begin)
        self._written += count

    def _begin(self) -> None:
        self._written = 0


WRITE_BUDGET_BYTES = 2 << 20
WRITE_BUDGET = WriteBudget(WRITE_BUDGET_BYTES)


class HttpStream(web.StreamResponse):
    """Chunks written directly to the transport; events that come together are one chunk and one write.

    HTTP/1.0 knows no chunks: there the end of the connection is the end of the watch.
    """

    chunked_body = True

    def __init__(self, media_type: str = JSON) -> None:
        self._content_type_line = media_type if media_type == JSON else f"{media_type};stream=watch"
        self._status = 200
        self._reason = "OK"
        self._keep_alive = True

    @property
    def prepared(self) -> bool:
        """Always true: aiohttp must not send a head of its own."""
        return True

    async def open(self, request: Request) -> Response:
        """Send the head, with chunked encoding for HTTP/1.1."""
        self._req = request.http
        protocol: Any = request.http.protocol
        self._protocol = protocol
        self._keep_alive = self.chunked_body = request.http.version >= (1, 1)
        if request.http.head_sent is not None:
            request.http.head_sent(self._status)
        framing = b"Transfer-Encoding: chunked" if self.chunked_body else b"Connection: close"
        extra = "".join(f"Warning: {value}\r\n" for value in warning_headers.values(request.warnings)) if request.warnings else ""
        extra += "".join(f"{name}: {value}\r\n" for name, value in request.answer_headers)
        self._write_bytes(
            b"HTTP/1.1 200 OK\r\nCache-Control: no-cache, private\r\nContent-Type: %b\r\n%b"
            b"Date: %b\r\n%b\r\n\r\n" % (self._content_type_line.encode(), extra.encode(), rfc822_formatted_time().encode(), framing)
        )
        return self

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Do nothing: `open` has sent the head."""
        return None

    def writer(self, hold: Callable[[], None]) -> Callable[[bytes], object] | None:
        """Function that writes a chunk at once; it calls `hold` when the client has too much unread. None without chunked encoding."""
        transport = self._protocol.transport
        if transport is None or not self.chunked_body:
            return None
        self._protocol.on_pause = hold
        write: Callable[[bytes], object] = transport.write
        return write

    async def send(self, lines: list[bytes]) -> None:
        """Write so much at a time that a client who does not read holds little; it is cut off after a while."""
        for data in blocks(lines):
            await WRITE_BUDGET.take(len(data))
            if self._protocol._paused:
                await self._protocol.drained()
            self._write_bytes(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked_body else data)
        if self._protocol._paused:
            await self._protocol.drained()

    async def close(self) -> None:
        """Send the last chunk."""
        if self.chunked_body:
            self._write_bytes(b"0\r\n\r\n")

    async def write_eof(self, data: bytes = b"") -> None:
        """The server calls this at the end; the last chunk has gone out by then."""
        self._protocol.on_pause = None
        self._eof_sent = True

    def _write_bytes(self, data: bytes) -> None:
        transport = self._protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the watcher is gone")
        transport.write(data)


def blocks(lines: list[bytes]) -> Iterator[bytes]:
    """The lines joined to blocks of BLOCK_BYTES or little more."""
    start = size = 0
    for index, line in enumerate(lines):
        size += len(line)
        if size >= BLOCK_BYTES:
            yield b"".join(lines[start : index + 1]) if index > start else line
            start, size = index + 1, 0
    if start < len(lines):
        yield b"".join(lines[start:]) if len(lines) - start > 1 else lines[start]


class WebSocketStream:
    """One WebSocket message for each event: text for JSON, binary for protobuf."""

    def __init__(self, media_type: str = JSON) -> None:
        self._binary = media_type != JSON

    async def open(self, request: Request) -> Response:
        """Complete the WebSocket handshake."""
        self._socket = web.WebSocketResponse(autoping=True)
        await self._socket.prepare(request.http)
        return self._socket

    @asynccontextmanager
    async def reading(self, gone: Callable[[], object]) -> AsyncIterator[None]:
        """While the block runs, pings are answered and `gone` is called when the client closes; all else that it sends is ignored, as
        upstream does."""
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(gone), name="what the client of a watch sends")
            try:
                yield
            finally:
                reader.cancel()

    async def _read(self, gone: Callable[[], object]) -> None:
        while not self._socket.closed:
            await self._socket.receive()
        gone()

    async def send(self, lines: list[bytes]) -> None:
        """Send each event as one message. Raises ConnectionResetError when the client does not read for too long."""
        for line in lines:
            sent = self._socket.send_bytes(line[FRAME_HEAD:]) if self._binary else self._socket.send_str(line.decode())
            try:
                await wait_for(MACHINE, sent, STALLED_SECONDS)
            except TimeoutError as error:
                raise ConnectionResetError("the client does not read") from error

    async def close(self) -> None:
        """Send the close message."""
        await self._socket.close()
