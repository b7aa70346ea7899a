"""Creates over TLS for 32 clients, durable on SQLite, against the bare group-commit rate of SQLite on the same disk.

The server is one process on one core; bare SQLite does nothing but write. What a create costs beyond its write: TLS and HTTP, decoding,
defaults, admission, validation and encoding of the object, and the watch cache, all in Python: for a Pod of 3.5 kB several
hundred microseconds, where SQLite needs some fifty for the write.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.server import ApiServer, ServerTLS, new_event_loop
from pilothouse.apiserver.storage.sqlite import SqliteStorage
from pilothouse.cluster import certificates
from pilothouse.cmd.process import freeze_memory
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from tests.bench.api.load import client_tls
from tests.bench.api.served import pod
from tests.bench.figure import p50, report
from tests.bench.store_commit import bare, config_map

CLIENTS = 32
SECONDS = 2.0
ROUNDS = 3


class Creator(asyncio.Protocol):
    """One connection: creates one object after the other; `numbers` is shared by all."""

    def __init__(self, kind: str, numbers: Any) -> None:
        self.kind = kind
        self.numbers = numbers
        self.until = 0.0
        self.made = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def start(self, until: float) -> None:
        """Create until then."""
        self.until = until
        self._ask()

    def _ask(self) -> None:
        obj = (pod if self.kind == "pods" else config_map)(next(self.numbers))
        body = msgspec.json.encode(obj)
        head = f"POST /api/v1/namespaces/default/{self.kind} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        assert head.startswith(b"HTTP/1.1 201"), self._data
        self._data = b""
        self.made += 1
        if time.monotonic() > self.until:
            self.transport.close()
        else:
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _itself(creator: Creator) -> Creator:
    return creator


async def rate(folder: Path, port: int, kind: str, first: int) -> float:
    """Creates a second."""
    loop, context = asyncio.get_running_loop(), client_tls(folder)
    numbers = iter(range(first, first + 10**6))
    creators = [Creator(kind, numbers) for _ in range(CLIENTS)]
    for one in creators:  # handshakes are not what is measured
        await loop.create_connection(partial(_itself, one), "127.0.0.1", port, ssl=context)
    begin = time.monotonic()
    for one in creators:
        one.start(begin + SECONDS)
    await asyncio.gather(*(one.done for one in creators))
    return sum(one.made for one in creators) / (time.monotonic() - begin)


async def serve(folder: Path) -> None:
    clock, entropy = SystemClock(), Entropy()
    leaves = [
        certificates.Subject("apiserver", "kube-apiserver", names=["127.0.0.1"], client=False),
        certificates.Subject("admin", "kubernetes-admin", ["system:masters"]),
    ]
    certificates.make(folder, leaves, clock, entropy)
    tls = ServerTLS(*(str(folder / name) for name in ("ca.crt", "apiserver.crt", "apiserver.key")))
    registry = Registry(SqliteStorage(folder / "store.db"), clock, entropy)
    server = ApiServer(registry, clock=clock, entropy=entropy, tls=tls)
    async with asyncio.TaskGroup() as group:
        group.create_task(registry.run())
        await registry.start()
        group.create_task(server.run())
        await server.started.wait()
        freeze_memory()  # as the control plane's process does
        print(server.port, flush=True)


def main() -> None:
    figures: dict[str, list[float]] = {"bare": [], "configmaps": [], "pods": []}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        folder = Path(name)
        process = subprocess.Popen([sys.executable, __file__, "serve", name], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            for kind in ("configmaps", "pods"):  # decoders and imports are made at first use
                runner.run(rate(folder, port, kind, ROUNDS * 10**6))
            for number in range(ROUNDS):
                figures["bare"].append(bare(folder / f"bare{number}"))
                for kind in ("configmaps", "pods"):
                    figures[kind].append(runner.run(rate(folder, port, kind, number * 10**6)))
        finally:
            process.terminate()
            process.wait(10)
    for kind in ("configmaps", "pods"):
        report(f"api_create_{kind}_rate", p50(figures[kind]), "1/s")
        ratio = p50([mine / theirs for mine, theirs in zip(figures[kind], figures["bare"], strict=True)])
        report(f"api_create_{kind}_ratio", ratio, "x", at_least=0.25)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        with asyncio.Runner(loop_factory=new_event_loop) as served:
            served.run(serve(Path(sys.argv[2])))
    else:
        main()
