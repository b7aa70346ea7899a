"""What a load balancer hears of a node."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.kit.clock import SystemClock
from pilothouse.proxy.healthcheck import Check, HealthChecks

ADDRESS, NAME = "127.0.0.1", ("default", "web")


@asynccontextmanager
async def running(is_healthy: bool = True) -> AsyncIterator[HealthChecks]:
    made = HealthChecks([ADDRESS], SystemClock(), lambda: is_healthy)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def taken_port() -> socket.socket:
    return socket.create_server((ADDRESS, 0))


async def ask(port: int) -> tuple[int, dict[str, object]]:
    """(status, body), as soon as somebody listens."""
    for _ in range(200):
        try:
            reader, writer = await asyncio.open_connection(ADDRESS, port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
            continue
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body)
    raise AssertionError("nobody listens")


def free_port() -> int:
    with taken_port() as found:
        return int(found.getsockname()[1])


@pytest.mark.parametrize(
    ("endpoints", "healthy", "status"),
    [
        pytest.param(2, True, 200, id="endpoints here"),
        pytest.param(0, True, 503, id="none here"),
        pytest.param(2, False, 503, id="endpoints here, but the rules do not lead to them"),
    ],
)
async def test_answers(endpoints: int, healthy: bool, status: int) -> None:
    port = free_port()
    async with running(healthy) as checks:
        checks.update({NAME: Check(port, endpoints)})
        found, body = await ask(port)
    assert found == status
    assert body == {"service": {"namespace": "default", "name": "web"}, "localEndpoints": endpoints, "serviceProxyHealthy": healthy}


async def test_a_taken_port_is_tried_again_with_the_next_change() -> None:
    with taken_port() as holder:
        port = int(holder.getsockname()[1])
        async with running() as checks:
            checks.update({NAME: Check(port, 1)})
            await asyncio.sleep(0.05)
            holder.close()
            checks.update({NAME: Check(port, 2)})
            assert (await ask(port))[1]["localEndpoints"] == 2
