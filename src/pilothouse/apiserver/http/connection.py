"""A client connection: aiohttp's, but requests are handled one after another in the connection's own task.

- Parsing, pipelining, limits, upgrades, error pages and the keep-alive timer are aiohttp's.
- aiohttp makes a task for each request, so that context variables of one are not seen by the next. There are none here, and
  making, waking and awaiting a task costs as much as TLS does.
- A request that takes too long is cancelled by cancelling this task (chain/in_flight.py), which takes the cancellation back.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage, StreamWriter

from pilothouse.apiserver.http.heads import MALFORMED, readable, refusal_of, refusal_of_bytes
from pilothouse.apiserver.http.request import HttpRequest
from pilothouse.apiserver.http.unsent import Unsent
from pilothouse.kit.clock import SystemClock, wait_for

HEAD_SECONDS, IDLE_SECONDS = 32.0, 90.0
"""For the head of a first request, and for the next one (upstream's ReadHeaderTimeout and IdleTimeout)."""
HEAD_LIMIT_BYTES = (1 << 20) + 4096
"""Go's DefaultMaxHeaderBytes, and what it allows for more."""
UNSUPPORTED_VERSION = b"505 HTTP Version Not Supported: unsupported protocol version"
PLAIN_HEADERS = b"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
UNREAD_BYTES = 64 * 1024
"""What a client may leave unread before writing waits for it."""
STALLED_SECONDS = 30.0
"""How long writing waits for a client that does not read; then the connection is cut."""
CONNECTIONS_LIMIT = 16_384
PROBE_SECONDS, PROBES = 15, 5
TCP_NOTSENT_LOWAT, UNSENT_BYTES = 25, 128 * 1024
"""What the kernel keeps for a client beside what is on the way to it; Python has no name for the option."""
MACHINE = SystemClock()
"""Connections live in the machine's own time, also where a cluster's is virtual: their clients do."""


class Connection(web.RequestHandler):
    """Made by `Connections` for each client that connects."""

    __slots__ = ("_head_bytes", "_is_idle", "_method", "_refusal", "on_pause", "unsent")

    def __init__(self, manager: Connections, **kwargs: Any) -> None:
        super().__init__(manager, keepalive_timeout=HEAD_SECONDS, **kwargs)
        self.unsent: Unsent = manager.unsent
        """What the answers of all connections hold that their clients have not read."""
        self.on_pause: Callable[[], None] | None = None
        """Called when the client has so much unread that writing should wait."""
        self._head_bytes = 0
        self._is_idle = True
        """Whether what comes next begins a request."""
        self._method = ""
        """The method of the next request when the parser does not know it."""
        self._refusal = MALFORMED, MALFORMED
        """What is said of a head that cannot be parsed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound the bytes that wait for a client that does not read, then start as aiohttp does."""
        if isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "set_write_buffer_limits"):
            transport.set_write_buffer_limits(high=UNREAD_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what the client sent. A request head above the limit is answered with 431 and the connection closed."""
        if self._is_idle:
            self._is_idle = False
            data, self._method = readable(data)
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._refusal = refusal_of_bytes(data)
        if self._waiter is not None and not self._messages and not self._waiter.done():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT_BYTES and self.transport is not None:
                self._refuse(b"431 Request Header Fields Too Large")

    def pause_writing(self) -> None:
        """Tell `on_pause` that the client reads too slowly."""
        super().pause_writing()
        if self.on_pause is not None:
            self.on_pause()

    async def start(self) -> None:
        """Handle requests until the connection is to be closed."""
        task, handler = asyncio.current_task(), self._request_handler
        while not self._force_close:
            if not self._messages:
                await self._arrival()
            if not isinstance(self._messages[0][0], RawRequestMessage):
                self._refuse(*self._refusal)
                return
            if not await self._answer(handler, task):
                break
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer invalid HTTP as Go's server does: one line that repeats nothing of the input."""
        if status != 400:
            return super().handle_error(request, status, exc, message)
        return page(400)

    def _refuse(self, line: bytes, text: bytes = b"") -> None:
        """What is no request to be served is answered as Go's server does, and the connection ends."""
        if self.transport is not None:
            self.transport.write(b"HTTP/1.1 %b%b%b" % (line, PLAIN_HEADERS, text or line))
            self._task_handler = None
            self.transport.close()

    async def drained(self) -> None:
        """Return when the client has read enough to be written to again; ConnectionResetError when it does not read at all."""
        try:
            await wait_for(MACHINE, self._drain_helper(), STALLED_SECONDS)
        except TimeoutError as error:
            if self.transport is not None:
                self.transport.abort()
            raise ConnectionResetError("the client does not read") from error

    def cut(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    async def _arrival(self) -> None:
        self._head_bytes = 0
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _answer(self, handler: Any, task: Any) -> bool:
        """Answer the next request; whether another may follow."""
        message: Any
        message, payload = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        if self._method:
            message, self._method = message._replace(method=self._method), ""
        request: Any = HttpRequest(message, payload, self, StreamWriter(self, self._loop), task, self._loop)
        if message.version != HttpVersion11 and message.version != HttpVersion10:
            self._refuse(b"400 Bad Request" if message.version < HttpVersion10 else UNSUPPORTED_VERSION)
            return False
        if (refusal := refusal_of(message.headers)) is not None:
            self._refuse(*refusal)
            return False
        try:
            response, gone = await self._handle_request(request, None, handler)
            if gone:
                return False
            self._keepalive = bool(response.keep_alive)
            if not payload.is_eof():
                await self._linger(payload)
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception:
            self.log_exception("a connection failed")
            self.force_close()
        finally:
            request._task = None  # a cycle that the collector need not look for
        return self._stays()

    async def _linger(self, payload: Any) -> None:
        """Take the rest of a body that nobody wanted, for a while: a client that is still sending would not read its answer."""
        with suppress(TimeoutError):
            await wait_for(MACHINE, self._rest_of(payload), self._lingering_time)
        if not payload.is_eof():
            self.close()
            payload.set_exception(web.PayloadAccessError())  # for a proxied request that still reads it

    async def _rest_of(self, payload: Any) -> None:
        while not payload.is_eof() and not self._force_close:
            await payload.readany()

    def _stays(self) -> bool:
        """Whether the connection is kept; it is closed when nothing comes for long."""
        if not self._keepalive or self._close or self._force_close:
            return False
        self._is_idle = not self._messages
        self._keepalive_timeout = IDLE_SECONDS
        self._next_keepalive_close_time = MACHINE.monotonic() + IDLE_SECONDS
        if self._keepalive_handle is None:
            self._keepalive_handle = MACHINE.call_after(self._keepalive_timeout, self._process_keepalive)  # type: ignore[assignment]
        return True


def page(status: int, text: str = "") -> web.Response:
    """A plain-text response like Go's, after which the connection closes."""
    response = web.Response(status=status, text=text or f"{status} {HTTPStatus(status).phrase}")
    response.force_close()
    return response


class Connections(web.Server):
    """All connections of a server, CONNECTIONS_LIMIT at most: what is given to `loop.create_server`."""

    limit = CONNECTIONS_LIMIT

    def __init__(self, handler: Any, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)
        self.unsent = Unsent(MACHINE)

    def __call__(self) -> Connection | Refused:  # type: ignore[override]
        if len(self._connections) >= self.limit:
            return Refused()
        return Connection(self, loop=self._loop, **self._kwargs)


class Refused(asyncio.Protocol):
    """A connection too many: closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close the connection without an answer."""
        transport.abort()  # type: ignore[attr-defined]


def bound_connections(listening: socket.socket) -> None:
    """Have the kernel give up connections of a listener (they inherit its options) whose peers have vanished, and keep little for each."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, PROBE_SECONDS), (socket.TCP_KEEPINTVL, PROBE_SECONDS), (socket.TCP_KEEPCNT, PROBES)):
        listening.setsockopt(socket.IPPROTO_TCP, option, value)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PROBE_SECONDS * (PROBES + 1) * 1000)
    listening.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)
