"""Large bodies: read outside the loop, counted in sum, limited as upstream limits them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.apiserver.http import connection
from pilothouse.apiserver.http.large_bodies import LARGE_YAML_BYTES
from pilothouse.machinery.errors import StatusError
from tests.unit.apiserver.serving import Served, serving

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
YAML, JSON = {"Content-Type": "application/yaml"}, {"Content-Type": "application/json"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}


Place = tuple[Served, aiohttp.ClientSession]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with serving(tmp_path, user=ADMIN) as served, aiohttp.ClientSession(served.url) as session:
        async with session.post("/api/v1/namespaces", json=NAMESPACE) as answer:
            assert answer.status in (201, 409)
        yield served, session


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  what is waited for tells nobody
        await asyncio.sleep(0.01)


def document(lines: str) -> bytes:
    filling = "#" * LARGE_YAML_BYTES
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\n{lines}\n{filling}\n".encode()


async def post(session: aiohttp.ClientSession, body: bytes, headers: dict[str, str], query: str = "") -> tuple[int, str]:
    async with session.post(f"{CONFIG_MAPS}{query}", data=body, headers=headers) as answer:
        return answer.status, (await answer.json()).get("message", "")


@pytest.mark.parametrize(
    ("lines", "query", "code", "message"),
    [
        pytest.param("data: {a: b}", "", 201, "", id="an object"),
        pytest.param("data: {a: 1}", "", 400, "Go struct field ConfigMap.data of type string", id="a wrong type"),
        pytest.param("data: [", "", 400, "(must be of type ConfigMap): yaml: line 5: did not find expected node content", id="no YAML"),
        pytest.param(
            "data: {a: b, a: c}", "?fieldValidation=Strict", 400, 'line 4: key "a" already set in map', id="a repeated key, strictly"
        ),
        pytest.param("data: &a [*a]", "", 400, "anchor 'a' value contains itself", id="a loop"),
    ],
)
async def test_large_yaml_is_answered_as_small_yaml_is(place: Place, lines: str, query: str, code: int, message: str) -> None:
    status, told = await post(place[1], document(lines), YAML, query)
    assert status == code
    assert message in told


async def test_an_overrun_ends_the_reader_and_the_next_document_is_read(place: Place) -> None:
    served, session = place
    bodies = served.server.api.large_bodies
    task = asyncio.ensure_future(bodies.yaml(b"[" + b"a," * 1_000_000 + b"]"))
    await until(lambda: bodies._process is not None)
    process: Any = bodies._process
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await process.wait() != 0
    assert (await post(session, document("data: {a: b}"), YAML))[0] == 201


async def test_bodies_beyond_the_budget_are_told_to_come_again(place: Place) -> None:
    served, session = place
    bodies = served.server.api.large_bodies
    bodies.budget_bytes = 100_000
    answered = await post(session, b"x" * 300_000, JSON)
    assert answered == (429, "Too many requests, please try again later.")
    assert bodies.held_bytes == 0
    assert (await post(session, document("data: {a: b}"), YAML))[0] == 201
    assert bodies.held_bytes == 0


def test_a_budget_that_is_used_up_refuses(place: object) -> None:
    from pilothouse.apiserver.http.large_bodies import LargeBodies

    bodies = LargeBodies(budget_bytes=10)
    bodies.reserve(8)
    with pytest.raises(StatusError, match="Too many requests"):
        bodies.reserve(3)
    bodies.release(8)
    bodies.reserve(10)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(b" " * (3 << 20) + b"x", 413, "Request entity too large: limit is 3145728", id="a body beyond 3 MiB"),
        pytest.param(
            b'{"metadata":{"name":"a"},"data":{"a":"%b"}}' % (b"x" * 1_100_000),
            422,
            "may not be more than 1048576 bytes",
            id="too much data",
        ),
        pytest.param(
            b'{"metadata":{"name":"a"},"data":{%b}}' % b",".join(b'"k%d":"v"' % number for number in range(200_000)),
            500,
            "etcdserver: request is too large",
            id="more than the store takes, of very many values",
        ),
        pytest.param(
            b'{"metadata":{"name":"a","annotations":{"a":"%b"}}}' % (b"x" * 262_145),
            422,
            "may not be more than 262144 bytes",
            id="annotations",
        ),
        pytest.param(b'{"metadata":{"name":"deep"},"x":' + b"[" * 10_001 + b"]" * 10_001 + b"}", 400, "exceeded max depth", id="depth"),
    ],
)
async def test_upstreams_limits(place: Place, body: bytes, code: int, message: str) -> None:
    status, told = await post(place[1], body, JSON)
    assert status == code
    assert message in told


async def test_what_waits_for_its_body_takes_no_place_among_the_changing(place: Place) -> None:
    served = place[0]
    served.server.api.in_flight.changing_limit = 0
    served.server.api.default_user = ADMIN
    _, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    await asyncio.sleep(0.05)
    assert served.server.api.in_flight.changing == 0
    writer.close()


# Connections.


async def test_a_head_that_never_ends_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", place[0].server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nX-Slow: a")
    assert await reader.read() == b""
    writer.close()


async def test_a_head_that_is_too_long_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_LIMIT_BYTES", 90_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", place[0].server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    for number in range(5):
        writer.write(b"X-%d: %b\r\n" % (number, b"a" * 20_000))
        await asyncio.sleep(0.01)
    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_connections_beyond_the_limit_are_closed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.Connections, "limit", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", place[0].server.port)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


async def test_a_watcher_that_does_not_read_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALLED_SECONDS", 0.2)
    served, session = place
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", served.server.port)
    transport.pause_reading()
    transport.write(b"GET /api/v1/configmaps?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")
    streams = served.server.api.streams
    await until(lambda: bool(streams))
    for number in range(60):
        body = b'{"metadata":{"name":"c%d"},"data":{"a":"%b"}}' % (number, b"x" * 200_000)
        assert (await post(session, body, JSON))[0] == 201
        if not streams:
            break
    await until(lambda: not streams)
    transport.abort()
