"""Streams whose clients do not do their part."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pilothouse.dns.listeners import IDLE_SECONDS, STREAMS_LIMIT, NeedsUpstream, Streams
from pilothouse.kit.virtual_clock import VirtualClock

QUESTION = b"\0\x02hi"


class Echo:
    """Answers every message with itself, many times over."""

    def __init__(self, times: int) -> None:
        self._times = times

    def answer_at_once(self, message: bytes, stream: bool) -> bytes | NeedsUpstream | None:
        return message * self._times

    async def answer_later(self, message: bytes, stream: bool) -> bytes | None:
        raise NotImplementedError


@asynccontextmanager
async def serving(clock: VirtualClock, times: int) -> AsyncIterator[tuple[str, int]]:
    server = await asyncio.start_server(Streams(Echo(times), clock).serve, "127.0.0.1", 0)
    async with server:
        address, port = server.sockets[0].getsockname()
        yield address, port


async def settle_sockets() -> None:
    """Let the loop hear what the kernel has for it."""
    for _ in range(50):
        await asyncio.sleep(0.001)


async def test_clients_that_read_no_answer_do_not_hold_their_places_for_ever() -> None:
    clock = VirtualClock()
    async with serving(clock, 30000) as address:
        deaf = []
        for _ in range(STREAMS_LIMIT):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, address)
            await asyncio.get_running_loop().sock_sendall(client, QUESTION * 200)
            deaf.append(client)
        await settle_sockets()
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b"", "no place is free yet"
        writer.close()
        for _ in range(2):  # that nobody reads is seen first, then that the rest is not taken either
            await clock.advance(IDLE_SECONDS + 1)
            await settle_sockets()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(QUESTION)
        assert (await reader.readexactly(6))[2:] == b"hihi"
        writer.close()
        for client in deaf:
            client.close()


async def test_a_client_that_has_said_all_still_gets_its_answer() -> None:
    async with serving(VirtualClock(), 30000) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(QUESTION * 20)
        writer.write_eof()
        assert len(await reader.read()) == 20 * (2 + 60000)
        writer.close()
