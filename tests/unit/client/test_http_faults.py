"""The HTTP transport against servers that fail: too busy, gone in the midst, silent, or no API server at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pilothouse.api.types.core_v1 import ConfigMap
from pilothouse.client import http
from pilothouse.client.call import Options
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.kit.clock import SystemClock
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta

FOUND = codec.encode(ConfigMap(metadata=ObjectMeta(name="a", namespace="default", resourceVersion="7")))
LOST = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"


def answer(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def streamed(*lines: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b"".join(lines)


class Patient(SystemClock):
    """Waits for nothing, and remembers how long it would have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Script:
    """A server that gives one answer after another, each on its own connection, the last one for ever."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = [*answers]
        self.asked: list[str] = []
        self.silent: list[asyncio.StreamWriter] = []
        """Kept: since Python 3.13 a writer that nobody holds closes its connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b" ", 1)[0].decode())
        data = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(data)
        await writer.drain()
        if data is SILENT:
            self.silent.append(writer)
        else:
            writer.close()


SILENT = streamed(b'{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"9"}}}\n')


@asynccontextmanager
async def speaking(script: Script) -> AsyncIterator[tuple[Client, Patient]]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    clock = Patient()
    transport = HttpTransport(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", clock=clock)
    try:
        yield Client(transport), clock
    finally:
        await transport.close()
        server.close()


@pytest.mark.parametrize(
    ("status", "header", "slept"),
    [
        pytest.param("429 Too Many Requests", "Retry-After: 2", [2.0], id="a server that has too much to do"),
        pytest.param("503 Service Unavailable", "Retry-After: 1", [1.0], id="a server that starts"),
        pytest.param("429 Too Many Requests", "Retry-After: 99999", [60.0], id="one that asks for more patience than there is"),
    ],
)
async def test_is_asked_again_when_it_says_when(status: str, header: str, slept: list[float]) -> None:
    script = Script(answer(status, b"{}", header), answer("200 OK", FOUND))
    async with speaking(script) as (client, clock):
        made = await client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default")))
    assert made.metadata.resourceVersion == "7"
    assert (script.asked, clock.slept) == (["POST", "POST"], slept)


@pytest.mark.parametrize("header", ["X: none", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"], ids=["none", "a date"])
async def test_is_not_asked_again_when_it_does_not_say_when(header: str) -> None:
    script = Script(answer("429 Too Many Requests", b"slow down", header))
    async with speaking(script) as (client, _):
        with pytest.raises(StatusError, match="slow down"):
            await client.get(ConfigMap, "a", "default")
    assert script.asked == ["GET"]


async def test_is_asked_ten_times_more_and_no_longer() -> None:
    script = Script(answer("429 Too Many Requests", b"{}", "Retry-After: 1"))
    async with speaking(script) as (client, _):
        with pytest.raises(StatusError):
            await client.get(ConfigMap, "a", "default")
    assert len(script.asked) == 11


async def test_a_read_that_was_cut_off_is_repeated() -> None:
    script = Script(LOST, answer("200 OK", FOUND))
    async with speaking(script) as (client, _):
        assert (await client.get(ConfigMap, "a", "default")).metadata.name == "a"
    assert script.asked == ["GET", "GET"]


async def test_a_write_that_was_cut_off_is_not() -> None:
    script = Script(LOST, answer("200 OK", FOUND))
    async with speaking(script) as (client, _):
        with pytest.raises(ConnectionError):
            await client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="default")))
    assert script.asked == ["POST"]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client: client.get(ConfigMap, "a", "default"), id="get"),
        pytest.param(lambda client: client.list(ConfigMap), id="list"),
    ],
)
async def test_a_page_that_is_no_api_answer_is_a_connection_error(ask: Callable[[Client], object]) -> None:
    async with speaking(Script(answer("200 OK", b"<html>Please log in</html>"))) as (client, _):
        with pytest.raises(ConnectionError, match="none of a Kubernetes API"):
            await ask(client)  # type: ignore[misc]


async def follow(client: Client, options: Options, seen: list[str]) -> None:
    async for one in client.watch(ConfigMap, options=options):
        seen += [one.type]


async def test_a_watch_that_is_torn_tells_what_was_whole() -> None:
    event = b'{"type":"ADDED","object":' + FOUND + b"}\n"
    seen: list[str] = []
    async with speaking(Script(streamed(event, b'{"type":"ADDED","object":{"kind":"Conf'))) as (client, _):
        await follow(client, Options(), seen)
    assert seen == ["ADDED"]


async def test_a_watch_that_speaks_of_something_else_is_a_connection_error() -> None:
    async with speaking(Script(streamed(b"<html>\n"))) as (client, _):
        with pytest.raises(ConnectionError, match="none of a Kubernetes API"):
            await follow(client, Options(), [])


async def test_a_watch_that_has_gone_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE_SECONDS", 0.2)
    seen: list[str] = []
    async with speaking(Script(SILENT)) as (client, _):
        with pytest.raises(ConnectionError, match="timed out"):
            await follow(client, Options(allow_watch_bookmarks=True), seen)
    assert seen == ["BOOKMARK"]


def test_connections_are_probed_so_that_a_vanished_machine_is_noticed() -> None:
    made = http._probed_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
    made.close()
