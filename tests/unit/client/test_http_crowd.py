"""Many calls at once: they share a few connections, and slow ones hold nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.client.client import Client
from pilothouse.client.http import CROWD, HttpTransport
from pilothouse.kit.clock import Clock, SystemClock, Timer
from pilothouse.machinery import codec
from pilothouse.machinery.meta_v1 import ObjectMeta

BODY = codec.encode(ConfigMap(metadata=ObjectMeta(name="a", namespace="default")))
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class SlowClock(SystemClock):
    """A second of it lasts minutes: no test rests on a machine being quick."""

    def call_after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return super().call_after(seconds * 200, callback)


class Server:
    """Answers every request, but those for `stuck`; keeps connections."""

    def __init__(self) -> None:
        self.connections: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"stuck" not in head:
                    writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def serving(clock: Clock) -> AsyncIterator[tuple[Client, Server]]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    transport = HttpTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", clock=clock)
    try:
        yield Client(transport), server
    finally:
        await transport.close()
        listener.close()


async def test_many_calls_share_a_few_connections() -> None:
    async with serving(SlowClock()) as (client, server):
        await asyncio.gather(*(client.get(ConfigMap, "a", "default") for _ in range(200)))
        assert len(server.connections) == CROWD


async def test_calls_that_are_not_answered_hold_no_other_up() -> None:
    async with serving(SystemClock()) as (client, _):
        stuck = [asyncio.create_task(client.get(ConfigMap, "stuck", "default")) for _ in range(3 * CROWD)]
        found = await asyncio.wait_for(client.get(ConfigMap, "a", "default"), 30)
        assert found.metadata.name == "a"
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await asyncio.wait_for(client.get(ConfigMap, "a", "default"), 30)
