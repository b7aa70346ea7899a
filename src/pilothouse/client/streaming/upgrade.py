"""Asking an HTTP server to speak another protocol on the connection from now on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pilothouse.client.streaming.duplex import SocketDuplex
from pilothouse.machinery import strconv

SPDY = "SPDY/3.1"
PROTOCOL_HEADER = "X-Stream-Protocol-Version"
HEAD_LIMIT_BYTES = 64 * 1024
REFUSAL_LIMIT_BYTES = 64 * 1024
STATUS_CODES = range(100, 1000)

Headers = Sequence[tuple[str, str]]


class UpgradeRefused(Exception):
    """The server answered something other than 101."""

    def __init__(self, status: int, reason: str, content_type: str, body: bytes) -> None:
        super().__init__(f"unable to upgrade connection: {body.decode(errors='replace').strip() or reason}")
        self.status = status
        self.reason = reason
        self.content_type = content_type
        self.body = body


@dataclass(slots=True)
class Upgraded:
    """The connection, and the headers of the answer (names in lower case)."""

    duplex: SocketDuplex
    headers: dict[str, str]


async def upgrade(
    url: str,
    headers: Headers = (),
    *,
    method: str = "POST",
    protocol: str = SPDY,
    tls: ssl.SSLContext | None = None,
    server_name: str = "",
) -> Upgraded:
    """Connect to `url` and upgrade to `protocol`. UpgradeRefused with the server's answer; OSError when it cannot be reached."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        host,
        parts.port or (443 if secure else 80),
        ssl=(tls or ssl.create_default_context()) if secure else None,
        server_hostname=(server_name or host) if secure else None,
        limit=HEAD_LIMIT_BYTES,
    )
    duplex = SocketDuplex(reader, writer)
    try:
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        await duplex.write(_request(method, target, parts.netloc, protocol, headers))
        status, reason, answered = await read_head(reader)
        if status != 101:
            body = await _body(reader, answered)
            raise UpgradeRefused(status, reason, answered.get("content-type", ""), body)
        return Upgraded(duplex, answered)
    except BaseException:
        await duplex.close()
        raise


def _request(method: str, target: str, host: str, protocol: str, headers: Headers) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Connection: Upgrade", f"Upgrade: {protocol}"]
    if not any(name.lower() == "host" for name, _ in headers):
        lines.append(f"Host: {host}")
    if method == "POST":
        lines.append("Content-Length: 0")
    lines += [f"{name}: {value}" for name, value in headers]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header must not contain a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def read_head(reader: asyncio.StreamReader) -> tuple[int, str, dict[str, str]]:
    """Status, reason and headers of an answer; ConnectionError when it is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionResetError("the server ended the connection without an answer") from error
    first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    parts = first.split(" ", 2)
    status = strconv.unsigned(parts[1], STATUS_CODES) if len(parts) > 1 and parts[0].startswith("HTTP/") else None
    if status is None:
        raise ConnectionResetError(f"the server's answer is not HTTP: {first[:80]}")
    pairs = (line.partition(":") for line in rest)
    return status, parts[2] if len(parts) > 2 else "", {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """What a refusal says, at most REFUSAL_LIMIT_BYTES of it."""
    length = strconv.unsigned(headers.get("content-length", ""))
    if length is not None:
        return await reader.readexactly(min(length, REFUSAL_LIMIT_BYTES))
    if "chunked" in headers.get("transfer-encoding", ""):
        return await _chunks(reader)
    return await reader.read(REFUSAL_LIMIT_BYTES)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while len(body) < REFUSAL_LIMIT_BYTES:
        size = strconv.hexadecimal((await reader.readline()).partition(b";")[0].strip().decode("latin-1"))
        if not size:
            break
        body += await reader.readexactly(min(size, REFUSAL_LIMIT_BYTES))
        await reader.readline()
    return bytes(body)
