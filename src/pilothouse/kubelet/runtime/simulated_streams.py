"""Streaming server of simulated containers on loopback: exec and attach.

- It speaks SPDY, as CRI's streaming servers do; each URL is good for one connection.
- A command is given its standard input when that has ended, if its script wants any.
- What attaches gets what is written from then on, until the container ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from pilothouse.client.streaming.hijack import Hijacked, wants
from pilothouse.client.streaming.spdy import Session, Stream
from pilothouse.client.streaming.upgrade import PROTOCOL_HEADER, SPDY
from pilothouse.kubelet.runtime.port import RuntimeFailure

if TYPE_CHECKING:
    from pilothouse.kubelet.runtime.simulated import SimulatedRuntime
    from pilothouse.kubelet.runtime.simulated_containers import SimulatedContainer

PROTOCOL = "v4.channel.k8s.io"
URLS_LIMIT = 1000
INPUT_LIMIT_BYTES = 64 * 1024 * 1024
SUCCESS = {"metadata": {}, "status": "Success"}


@dataclass(slots=True)
class Channels:
    """The streams of one connection: error, the requested ones of stdin, stdout and stderr, and resize with a terminal."""

    streams: dict[str, Stream] = field(default_factory=dict)

    async def input(self) -> bytes:
        """All of standard input, up to INPUT_LIMIT_BYTES; empty when it was not asked for."""
        return await self.streams["stdin"].read_all(INPUT_LIMIT_BYTES) if "stdin" in self.streams else b""

    async def write(self, kind: str, data: bytes) -> None:
        """Write to stdout, stderr or error; dropped when it was not asked for."""
        if data and kind in self.streams:
            await self.streams[kind].write(data)


Serve = Callable[[Channels], Awaitable[int]]
"""Does what was asked for; the exit code."""


class SimulatedStreams:
    """The streaming server of simulated containers; `run` it, and `port` is where it listens once `started` is set."""

    def __init__(self, runtime: SimulatedRuntime) -> None:
        self.started = asyncio.Event()
        self.port = 0
        self._runtime = runtime
        self._waiting: dict[str, tuple[frozenset[str], Serve]] = {}
        self._count = 0

    async def run(self) -> None:
        """Serve on loopback until cancelled."""
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        self._runtime.streams = self
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._runtime.streams = None
            listener.close()
            await server.shutdown(1.0)

    def exec(self, container: SimulatedContainer, command: Sequence[str], wanted: frozenset[str]) -> str:
        """URL of one connection to a command in a container; `wanted` names its streams."""

        async def serve(channels: Channels) -> int:
            given = await channels.input() if container.behaviour.exec_input is not None else b""
            result = await self._runtime.answer(container, command, given)
            terminal = "resize" in wanted  # which knows one stream, and ends lines as terminals do
            for kind, text in (("stdout", result.stdout), ("stderr", result.stderr)):
                await channels.write("stdout" if terminal else kind, text.replace(b"\n", b"\r\n") if terminal else text)
            return result.exit_code

        return self._url(wanted, serve)

    def attach(self, container: SimulatedContainer, wanted: frozenset[str]) -> str:
        """URL of one connection to what a container writes; `wanted` names its streams."""

        async def serve(channels: Channels) -> int:
            log, number = container.log, container.log.count
            while True:
                changed, fresh, number = log.changed, [*log.since(number)], log.count
                for line in fresh:
                    await channels.write(line.stream if line.stream in wanted else "stdout", line.text + b"\n")
                if log.ended:
                    return 0
                await changed.wait()

        return self._url(wanted, serve)

    def _url(self, wanted: frozenset[str], serve: Serve) -> str:
        if len(self._waiting) >= URLS_LIMIT:
            raise RuntimeFailure("too many streams wait for a connection", "RESOURCE_EXHAUSTED")
        self._count += 1
        self._waiting[str(self._count)] = wanted, serve
        return f"http://127.0.0.1:{self.port}/{self._count}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        waiting = self._waiting.pop(request.path.removeprefix("/"), None)
        if waiting is None:
            return web.Response(status=404, text="404 page not found\n")
        if not wants(request, SPDY) or PROTOCOL not in request.headers.getall(PROTOCOL_HEADER, []):
            return web.Response(status=403, text=f"unable to upgrade: {SPDY} and {PROTOCOL} are spoken here")
        client = Hijacked(request)
        client.switch([("Connection", "Upgrade"), ("Upgrade", SPDY), (PROTOCOL_HEADER, PROTOCOL)])
        session = Session(client, server=True)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(session.run())
            serving = group.create_task(_serve(session, *waiting))
            await asyncio.wait((running, serving), return_when=asyncio.FIRST_COMPLETED)
            await session.close()
            serving.cancel()
        return client


async def _serve(session: Session, wanted: frozenset[str], serve: Serve) -> None:
    """Take the client's streams, do what was asked for, and tell how it ended."""
    channels = Channels()
    while not wanted | {"error"} <= channels.streams.keys():
        stream = await session.accept()
        if stream is None:
            return
        channels.streams[stream.headers.get("streamtype", "")] = stream
    try:
        code = await serve(channels)
        await channels.write("error", orjson.dumps(SUCCESS if code == 0 else _failure(code)))
        for stream in channels.streams.values():
            await stream.finish()
    except ConnectionError:
        return  # the client left


def _failure(code: int) -> object:
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
