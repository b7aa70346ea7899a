"""Answers on the wire: an `Answer` as a response that aiohttp's server sends.

The head is written here, in one piece with a small body: aiohttp's own responses build a multi-dict and format it
again for each request, which costs more than everything else that a GET does.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from pilothouse.apiserver.http.answer import Answer

JOINED_LIMIT_BYTES = 256 * 1024
"""A body up to this size goes out with its head in one write."""
SLICE_BYTES = 1024 * 1024
"""A larger body goes out in such slices, waiting in between until the client has taken enough."""
BODILESS = (204, 304)
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class WireResponse(web.StreamResponse):
    """Sends one Answer; keeps the connection as the client wants it."""

    def __init__(self, answer: Answer) -> None:
        # The base class's fields that the server reads are set here; its own constructor makes headers that nobody needs.
        self._answer = answer
        self._status = answer.status
        self._reason = ""

    @property
    def prepared(self) -> bool:
        """Whether the answer has been sent."""
        return self._eof_sent

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Note the request and whether its connection is kept; head and body are sent by `write_eof`."""
        self._req = request
        self._keep_alive = request.keep_alive
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Send head and body. Raises ConnectionResetError when the client is gone."""
        if self._eof_sent:
            return
        self._eof_sent = True
        request = self._req
        assert request is not None
        protocol: Any = request.protocol
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("Cannot write to closing transport")
        head = head_of(self._answer, bool(self._keep_alive))
        body = self._answer.body if request.method != "HEAD" else b""
        if len(body) > JOINED_LIMIT_BYTES:
            with protocol.unsent.holding(protocol, len(body)):
                await _write_large(protocol, transport, head, body)
            return
        transport.write(head + body)
        if protocol._paused:
            with protocol.unsent.holding(protocol, len(body)):
                await protocol.drained()


async def _write_large(protocol: Any, transport: Any, head: bytes, body: bytes) -> None:
    transport.write(head)
    view = memoryview(body)
    for start in range(0, len(body), SLICE_BYTES):
        transport.write(view[start : start + SLICE_BYTES])
        if protocol._paused:
            await protocol.drained()
            protocol.unsent.progressed(protocol)


def head_of(answer: Answer, keep_alive: bool) -> bytes:
    """Status line and headers."""
    line = STATUS_LINES.get(answer.status) or f"HTTP/1.1 {answer.status} Unknown\r\n"
    head = (
        f"{line}Cache-Control: {answer.cache}\r\nContent-Type: {answer.content_type}\r\n"
        f"Date: {rfc822_formatted_time()}\r\nContent-Length: {len(answer.body)}\r\n"
    )
    if answer.status in BODILESS:
        head = head.replace("Content-Length: 0\r\n", "")
    if not answer.content_type:
        head = head.replace("Content-Type: \r\n", "")
    if answer.headers:
        head += "".join(f"{name}: {_one_line(value)}\r\n" for name, value in answer.headers)
    if not keep_alive:
        head += "Connection: close\r\n"
    return (head + "\r\n").encode("utf-8", "surrogateescape")


def _one_line(value: str) -> str:
    """No value may end its header."""
    return value.replace("\r", " ").replace("\n", " ")
