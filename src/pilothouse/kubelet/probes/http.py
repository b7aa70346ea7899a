"""HTTP GET for probes and lifecycle hooks, in the parts of Go's net/http that matter for them, in bounded memory.

- Of the head only status, Location and how the body is framed are kept; more than HEAD_LIMIT bytes of it are an error.
- At most BODY_LIMIT bytes of the body are read and no more are waited for (upstream's prober reads as much).
- Interim answers (1xx) are passed over, at most INTERIM_LIMIT of them.
- What a server says wrong is a ValueError in Go's words; the deadline is the caller's.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlsplit

HEAD_LIMIT = 10 << 20
"""Go's limit of a response's header."""
LINE_LIMIT = 64 * 1024
"""What is kept of one line of the head; the rest of a longer one is read and dropped."""
BODY_LIMIT = 10 * 1024
BLOCK = 64 * 1024
INTERIM_LIMIT = 5
BROKEN = "net/http: HTTP/1.x transport connection broken"
BLANK = re.compile(rb"(?:\A|\n)\r?\n")
"""The end of a head."""
NO_HEADER = re.compile(rb"(?m)^(?:[^:\r\n]+|[ \t:][^\n]*|[^:\r\n]*[ \t]:[^\n]*)\r?$")
OF_INTEREST = re.compile(rb"(?im)^(location|transfer-encoding|content-length):([^\r\n]*)")
NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
Headers = Sequence[tuple[str, str]]


class BodyError(Exception):
    """The head of the response was valid, but its body did not arrive completely."""


@dataclass(slots=True)
class Head:
    """Head of a response. `length` is None when the body ends with the connection."""

    status: int
    location: str | None = None
    length: int | None = None
    chunked: bool = False


@dataclass(slots=True, frozen=True)
class Response:
    """Response to an HTTP probe; `location` is the target of a redirect."""

    status: int
    location: str | None
    body: bytes


async def get(url: str, headers: Headers, address: str = "") -> Response:
    """GET a URL. `address` is where to connect, when the host of the URL was resolved already."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f'unsupported protocol scheme "{parts.scheme}"')
    request = _request(url, headers)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    context = _unverified() if parts.scheme == "https" else None
    name = host if context is not None else None
    reader, writer = await asyncio.open_connection(address or host, port, ssl=context, server_hostname=name, limit=LINE_LIMIT)
    try:
        writer.write(request)
        return await _response(_Reader(reader))
    finally:
        writer.transport.abort()  # what the other side still says does not matter


def request_target(path: str) -> str:
    """Path and query for the request line, escaped as Go's url package does. Pure."""
    return quote(path, safe="/%:?[]@!$&'()*+,;=~-._")


def _request(url: str, headers: Headers) -> bytes:
    parts = urlsplit(url)
    for name, value in headers:
        if NOT_IN_A_VALUE.search(value):
            raise ValueError(f'net/http: invalid header field value for "{name}"')
    given = {name.lower(): value for name, value in headers}
    target = request_target(parts.path or "/") + (f"?{request_target(parts.query)}" if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {given.get('host') or parts.netloc.rpartition('@')[2]}"]
    lines += [
        f"{name}: {value}" for name, value in headers if name.lower() not in {"host", "connection"} and (value or name.lower() != "accept")
    ]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "surrogateescape")


class _Reader:
    """Blocks, lines and bytes of an answer. Heads are looked through block by block: a line at a time would be work without end."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._buffer = b""
        self._headers = 0

    async def _fill(self) -> None:
        block = await self._stream.read(BLOCK)
        if not block:
            raise EOFError("EOF")
        self._buffer += block

    async def line(self) -> bytes:
        """Without its end; of a line that is too long only the beginning."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > LINE_LIMIT:
                self._count(len(self._buffer) - LINE_LIMIT)
                self._buffer = self._buffer[:LINE_LIMIT]
            await self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        self._count(len(line))
        return line.rstrip(b"\r")

    async def lines_to_blank(self) -> AsyncIterator[bytes]:
        """Blocks of whole lines, up to the blank line, which is taken off too."""
        while True:
            end = BLANK.search(self._buffer)
            if end is not None:
                block, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
                yield block
                return
            whole = self._buffer.rfind(b"\n", 0, -2) + 1  # what may be the beginning of a blank line stays
            if whole:
                self._count(whole)
                yield self._buffer[:whole]
                self._buffer = self._buffer[whole:]
            elif len(self._buffer) > LINE_LIMIT:
                self._count(len(self._buffer) - LINE_LIMIT)
                self._buffer = self._buffer[:LINE_LIMIT]
            await self._fill()

    async def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._fill()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    async def rest(self, most: int) -> bytes:
        """Up to the end of the connection."""
        with contextlib.suppress(EOFError):
            while len(self._buffer) < most:
                await self._fill()
        return self._buffer[:most]

    def _count(self, size: int) -> None:
        self._headers += size
        if self._headers > HEAD_LIMIT:
            raise ValueError(f"{BROKEN}: net/http: server response headers exceeded {HEAD_LIMIT} bytes; aborted")


async def _response(reader: _Reader) -> Response:
    for _ in range(INTERIM_LIMIT + 1):
        head = await _head(reader)
        if not 100 <= head.status < 200 or head.status == 101:
            break
    else:
        raise ValueError(f"{BROKEN}: net/http: too many 1xx informational responses")
    if head.status in {101, 204, 304}:
        return Response(head.status, head.location, b"")
    try:
        return Response(head.status, head.location, await _body(reader, head))
    except (EOFError, ValueError, ConnectionError) as error:
        raise BodyError("unexpected EOF" if isinstance(error, EOFError) else str(error)) from error


async def _head(reader: _Reader) -> Head:
    first = (await reader.line()).decode("latin-1")
    match = re.fullmatch(r"HTTP/(\d)\.(\d) (\d{3})(?: .*)?", first, re.ASCII)
    if match is None:
        raise ValueError(f'{BROKEN}: malformed HTTP response "{first[:200]}"')
    head = Head(int(match[3]))
    async for block in reader.lines_to_blank():
        if (wrong := NO_HEADER.search(block)) is not None:
            raise ValueError(f"{BROKEN}: malformed MIME header line: {wrong[0].strip().decode('latin-1')[:200]}")
        for field in OF_INTEREST.finditer(block):
            _note(head, field[1].decode("latin-1").lower(), field[2].decode("latin-1").strip())
    return head


def _note(head: Head, name: str, value: str) -> None:
    if name == "location" and head.location is None:
        head.location = value
    elif name == "transfer-encoding" and value.lower() == "chunked":
        head.chunked = True
    elif name == "content-length" and not head.chunked:
        if not re.fullmatch(r"\d{1,18}", value, re.ASCII):
            raise ValueError(f'{BROKEN}: bad Content-Length "{value[:40]}"')
        head.length = int(value)


async def _body(reader: _Reader, head: Head) -> bytes:
    if head.chunked:
        return await _chunks(reader)
    if head.length is not None:
        return await reader.exactly(min(head.length, BODY_LIMIT))
    return await reader.rest(BODY_LIMIT)


async def _chunks(reader: _Reader) -> bytes:
    body = b""
    while len(body) < BODY_LIMIT:
        size = (await reader.line()).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", size):
            raise ValueError("invalid byte in chunk length")
        if (length := int(size, 16)) == 0:
            break
        body += await reader.exactly(min(length, BODY_LIMIT - len(body)))
        if len(body) < BODY_LIMIT:
            await reader.line()
    return body


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
