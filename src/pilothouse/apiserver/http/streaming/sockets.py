"""WebSockets of clients: accepting them, and using one as a `Duplex`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import WSMsgType, web

from pilothouse.apiserver.http.request import Request
from pilothouse.client.streaming.channels import MESSAGE_LIMIT_BYTES
from pilothouse.client.streaming.hijack import wants

PING_SECONDS = 30.0
CLOSE_SECONDS = 5.0


def is_websocket(request: Request) -> bool:
    """Whether the client asks for an upgrade to WebSocket."""
    return wants(request.http, "websocket")


def offered(request: Request) -> list[str]:
    """The subprotocols that the client offers, in its order."""
    values = request.http.headers.getall("Sec-WebSocket-Protocol", [])
    return [protocol.strip() for value in values for protocol in value.split(",") if protocol.strip()]


@contextlib.asynccontextmanager
async def accepted(request: Request, protocol: str) -> AsyncIterator[web.WebSocketResponse]:
    """Answer 101, choosing `protocol` (none when it is empty). The socket ends with the server, too."""
    socket = web.WebSocketResponse(
        protocols=[protocol] if protocol else (),
        max_msg_size=MESSAGE_LIMIT_BYTES,
        compress=False,
        timeout=CLOSE_SECONDS,
        heartbeat=PING_SECONDS,
    )
    await socket.prepare(request.http)

    def end() -> None:
        if request.http.transport is not None:
            request.http.transport.close()

    request.api.streams.add(end)
    try:
        yield socket
    finally:
        request.api.streams.discard(end)


async def messages(socket: web.WebSocketResponse) -> AsyncIterator[bytes | str]:
    """Messages of the client, until it closes or disconnects."""
    while True:
        message: Any = await socket.receive()
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            return
        yield message.data


async def send(socket: web.WebSocketResponse, message: bytes | str) -> None:
    """Send a message: text as a text frame, bytes as a binary one."""
    if isinstance(message, str):
        await socket.send_str(message)
    else:
        await socket.send_bytes(message)


class SocketTunnel:
    """A WebSocket whose binary messages are nothing but pieces of a byte stream."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._messages = messages(socket)

    async def read(self) -> bytes:
        """The next bytes from the client; empty when it has closed."""
        async for message in self._messages:
            data = message.encode() if isinstance(message, str) else message
            if data:
                return data
        return b""

    async def write(self, data: bytes) -> None:
        """Send bytes to the client as one binary message."""
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        """Close the WebSocket; a connection that is gone already is no error."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self._socket.close()
