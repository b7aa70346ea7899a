"""One change of one object (3.5 kB), until the last of 1,000 watchers has been told.

Over HTTP each watcher is a connection of its own, and the time is the client's: from the moment it sends the change to the
moment the last byte of the last watcher's event has come in. The write, a thousand sends and, with TLS, a thousand encryptions
are in it; a client that decrypted and parsed at once would measure itself, so what came in is decrypted and looked at between
the changes. Server and client are two processes; the server's own share is given, too. In process the watchers share the object.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import suppress
from typing import Any

import uvloop

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.registry.registry import Registry
from pilothouse.apiserver.storage.memory import MemoryStorage
from pilothouse.client.client import Client
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.bench.api.load import Served, client_tls, request_for, served
from tests.bench.figure import p50, report
from tests.bench.processes import processor_seconds

WATCHERS = 1_000
AT_A_TIME = 50
CHANGES = 15
PATH = "/api/v1/namespaces/default/pods?watch=true&resourceVersion={revision}"
MERGE_PATCH = "application/merge-patch+json"


class Watcher(asyncio.Protocol):
    """One connection. While a round runs it only takes note of what comes; with a context it speaks TLS by itself for that."""

    def __init__(self, request: bytes, round_: Round, context: ssl.SSLContext | None) -> None:
        self.request = request
        self.round = round_
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.parts: list[bytes] = []
        self.left = 0
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1") if context is not None else None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.tls is None:
            transport.write(self.request)
        else:
            self.shake_hands(b"")

    def shake_hands(self, data: bytes) -> None:
        assert self.tls is not None
        self.incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            self.tls.write(self.request)
        self.transport.write(self.outgoing.read())

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self.begin(data)
            return
        if not self.parts:
            self.left = self.whole(data)
        self.parts.append(data)
        self.left -= len(data)
        if self.left <= 0:
            self.round.told()

    def begin(self, data: bytes) -> None:
        """The handshake, and then the head of the answer."""
        if self.tls is not None and self.tls.version() is None:
            self.shake_hands(data)
            return
        self.parts.append(data)
        if b"HTTP/1.1 200" in self.taken():
            self.ready.set_result(None)

    def whole(self, data: bytes) -> int:
        """The length of what begins with `data`: a TLS record, or a chunk."""
        if self.tls is not None:
            return 5 + int.from_bytes(data[3:5], "big")
        size, _, _ = data.partition(b"\r\n")
        return len(size) + int(size, 16) + 4

    def taken(self) -> bytes:
        """What has come since the last time, in clear."""
        data, self.parts = b"".join(self.parts), []
        if self.tls is None:
            return data
        self.incoming.write(data)
        clear = b""
        with suppress(ssl.SSLWantReadError):
            while part := self.tls.read(1 << 16):
                clear += part
        return clear


class Round:
    """One change: how many watchers have not been told yet."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, watchers: int) -> None:
        self.left = watchers
        self.finished: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def told(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.finished.set_result(time.perf_counter())


def patch_for(number: int) -> bytes:
    body = json.dumps({"metadata": {"annotations": {"change": str(number)}}}).encode()
    head = (
        "PATCH /api/v1/namespaces/default/pods/pod-00000 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        f"Content-Type: {MERGE_PATCH}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def measure(one: Served, port: int, context: ssl.SSLContext | None) -> tuple[list[float], float]:
    """Seconds of each change, and the server's processor seconds of all."""
    loop, round_ = asyncio.get_running_loop(), Round()
    request = request_for(PATH.format(revision=await newest(one)))
    watchers: list[Watcher] = []
    for _ in range(WATCHERS // AT_A_TIME):
        connections = (loop.create_connection(lambda: Watcher(request, round_, context), "127.0.0.1", port) for _ in range(AT_A_TIME))
        made = [protocol for _, protocol in await asyncio.gather(*connections)]
        await asyncio.gather(*(protocol.ready for protocol in made))
        watchers += made
    writer, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port, ssl=context)
    seconds = []
    server = 0.0
    for number in range(CHANGES):
        await asyncio.sleep(0.1)
        round_.begin(WATCHERS)
        before = processor_seconds(one.pid)
        begin = time.perf_counter()
        writer.write(patch_for(number))
        seconds.append(await asyncio.wait_for(round_.finished, 10) - begin)
        await asyncio.sleep(0.01)
        server += processor_seconds(one.pid) - before
        said = b'"change":"%d"' % number
        assert all(said in watcher.taken() for watcher in watchers)
    return seconds, server


async def newest(one: Served) -> int:
    """The newest revision, as a list tells it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.ports["api"], ssl=client_tls(one.folder))
    writer.write(request_for("/api/v1/namespaces/default/pods?limit=1"))
    text = (await reader.readuntil(b'"resourceVersion":"')) + await reader.readuntil(b'"')
    writer.close()
    return int(text.rpartition(b'"resourceVersion":"')[2].rstrip(b'"'))


async def measure_in_process() -> list[float]:
    """The same through the registry's own transport."""
    registry = Registry(MemoryStorage(), SystemClock(), Entropy())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(registry.run())
        await registry.start()
        client = Client(registry.transport(ADMIN))
        await client.create(ConfigMap(metadata=ObjectMeta(name="one", namespace="default")))
        round_ = Round()
        watching = [group.create_task(follow(client, round_)) for _ in range(WATCHERS)]
        await asyncio.sleep(0.2)
        seconds = []
        for number in range(CHANGES):
            round_.begin(WATCHERS)
            begin = time.perf_counter()
            change = json.dumps({"data": {"change": str(number)}}).encode()
            await client.patch(ConfigMap, "one", "default", change)
            seconds.append(await asyncio.wait_for(round_.finished, 10) - begin)
        for task in (*watching, running):
            task.cancel()
    return seconds


async def follow(client: Client, round_: Round) -> None:
    """One watcher; what is there when it begins is not counted."""
    begun = False
    async for _ in client.watch(ConfigMap, "default"):
        if begun:
            round_.told()
        begun = True


def main() -> None:
    with served(10) as one, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        encrypted, encrypted_cpu = runner.run(measure(one, one.ports["api"], client_tls(one.folder)))
    with served(10) as one, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        plain, plain_cpu = runner.run(measure(one, one.ports["plain"], None))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        shared = runner.run(measure_in_process())
    report("watch_1000_in_process", p50(shared) * 1000, "ms", at_most=25)
    report("watch_1000_http", p50(plain) * 1000, "ms", at_most=25)
    report("watch_1000_http_server_cpu", plain_cpu / CHANGES * 1000, "ms")
    report("watch_1000_https", p50(encrypted) * 1000, "ms", at_most=25)
    report("watch_1000_https_best", min(encrypted) * 1000, "ms")
    report("watch_1000_https_server_cpu", encrypted_cpu / CHANGES * 1000, "ms")


if __name__ == "__main__":
    main()
