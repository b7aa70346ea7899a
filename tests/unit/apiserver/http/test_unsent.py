"""Answers that clients do not read: what they hold in sum is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from pilothouse.apiserver.http.unsent import STALE_SECONDS, Unsent
from pilothouse.kit.virtual_clock import VirtualClock
from tests.unit.apiserver.serving import calling_served

LIMIT = 100


class Connection:
    """A client's connection."""

    def __init__(self) -> None:
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


@pytest.mark.parametrize(
    ("sizes", "reading", "cut"),
    [
        pytest.param([60, 40], [], [], id="as much as may be held"),
        pytest.param([60, 50], [], [0], id="too much: the one that has waited longest"),
        pytest.param([60, 90, 60], [], [0, 1], id="as many as it takes"),
        pytest.param([60, 50], [0], [1], id="who reads is not cut"),
        pytest.param([60, 50], [0, 1], [], id="all read"),
        pytest.param([500], [], [], id="one alone"),
    ],
)
async def test_stale_readers_are_cut_while_the_sum_is_too_large(sizes: list[int], reading: list[int], cut: list[int]) -> None:
    clock = VirtualClock()
    unsent = Unsent(clock, LIMIT)
    connections = [Connection() for _ in sizes]
    with ExitStack() as stack:
        for connection, size in zip(connections, sizes, strict=True):
            stack.enter_context(unsent.holding(connection, size))
        assert not any(connection.is_cut for connection in connections), "nobody is stale yet"
        for _ in range(4):
            await clock.advance(STALE_SECONDS / 2)
            for index in reading:
                unsent.progressed(connections[index])
        assert [index for index, connection in enumerate(connections) if connection.is_cut] == cut
    assert unsent.bytes == 0


async def until(condition: Callable[[], bool]) -> None:
    """Return when it holds; it is looked at for half a minute."""
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError


async def test_lists_that_nobody_reads_are_given_up(folder: Path) -> None:
    async with calling_served(folder) as (served, call):
        filler = "x" * 900_000
        for number in range(12):
            await call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": f"c{number}"}, "data": {"a": filler}})
        manager = served.server.connections
        manager.unsent._limit = 15_000_000
        links = [await asyncio.open_connection("127.0.0.1", served.server.port, limit=1024) for _ in range(6)]
        for _, writer in links:
            writer.write(b"GET /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: a\r\n\r\n")
            await writer.drain()
        await until(lambda: manager.unsent.bytes > 15_000_000)
        await until(lambda: manager.unsent.bytes <= 15_000_000)
        assert (await call("GET", "/api/v1/namespaces/default")).status == 200
        for _, writer in links:
            writer.close()
