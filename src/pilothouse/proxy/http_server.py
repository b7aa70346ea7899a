"""A minimal HTTP server: one request for each connection, answered by a function of path and port.

- At most `CONNECTIONS_LIMIT` are answered at a time, each within `REQUEST_TIMEOUT_SECONDS`; what is no request gets no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from pilothouse.kit.clock import Clock, wait_for

CONNECTIONS_LIMIT = 64
REQUEST_TIMEOUT_SECONDS = 5.0
REQUEST_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Reply:
    """JSON, as health checks are told."""

    status: HTTPStatus
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The whole HTTP/1.1 response as bytes."""
        headers = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", **self.headers}
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "Connection: close", "", self.body]).encode()


class HttpServer:
    """Connection handler for asyncio.start_server."""

    def __init__(self, clock: Clock, answer: Callable[[str, int], Reply]) -> None:
        self._clock = clock
        self._answer = answer
        self._open = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                if self._open <= CONNECTIONS_LIMIT:
                    request = await wait_for(self._clock, reader.readuntil(b"\r\n\r\n"), REQUEST_TIMEOUT_SECONDS)
                    writer.write(self._answer(path_of(request), writer.get_extra_info("sockname")[1]).encode())
                    await wait_for(self._clock, writer.drain(), REQUEST_TIMEOUT_SECONDS)
        finally:
            self._open -= 1
            writer.close()


def path_of(request: bytes) -> str:
    """The path of a request line without its query; empty when the request is malformed."""
    words = request.partition(b"\r\n")[0].decode("latin-1").split(" ")
    return words[1].partition("?")[0] if len(words) == 3 else ""
