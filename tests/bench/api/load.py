"""Load on a server: so many connections that ask again as soon as they are answered, and nothing else on the client's side.

Answers are counted by their length alone: a client that parsed them would be slower than the server that it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec


@dataclass(frozen=True)
class Served:
    """The process under load."""

    folder: Path
    ports: dict[str, int]
    pid: int


@contextlib.contextmanager
def served(pods: int) -> Iterator[Served]:
    """Start it, and end it."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "tests.bench.api.served", name, str(pods)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield Served(Path(name), msgspec.json.decode(process.stdout.readline()), process.pid)
        finally:
            process.terminate()
            process.wait(10)


def client_tls(folder: Path) -> ssl.SSLContext:
    """As an administrator."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(str(folder / "admin.crt"), str(folder / "admin.key"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def request_for(path: str, accept_encoding: str = "") -> bytes:
    extra = f"Accept-Encoding: {accept_encoding}\r\n" if accept_encoding else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nUser-Agent: bench\r\n{extra}\r\n".encode()


class Asker(asyncio.Protocol):
    """One connection: asks until `until`, and counts."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request = request
        self.until = until
        self.answered = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0
        self._length = 0
        self._head = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self._length:
            data = self._learn(data)
            if not self._length:
                return
        self._left -= len(data)
        if self._left > 0:
            return
        self.answered += 1
        if time.monotonic() > self.until:
            self.transport.close()
            return
        self._left = self._length
        self.transport.write(self.request)

    def _learn(self, data: bytes) -> bytes:
        """The length of a whole answer, from the first one's head."""
        self._head += data
        head, found, _ = self._head.partition(b"\r\n\r\n")
        if not found:
            return b""
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self._length = self._left = len(head) + 4 + length
        return self._head

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def rate(served: Served, port: int, path: str, connections: int, seconds: float) -> float:
    """Answers a second."""
    loop = asyncio.get_running_loop()
    context = client_tls(served.folder)
    begin = time.monotonic()
    made = [
        await loop.create_connection(lambda: Asker(request_for(path), begin + seconds), "127.0.0.1", port, ssl=context)
        for _ in range(connections)
    ]
    askers = [protocol for _, protocol in made]
    await asyncio.gather(*(one.done for one in askers))
    return sum(one.answered for one in askers) / (time.monotonic() - begin)
