"""Probes over loopback: what counts as success, and what failures are called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.api.types.core_v1 import HTTPGetAction, HTTPHeader
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.probes.network import LinuxNetwork

LONG = 10.0


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says `answer` to everything, the port that it listens on, and what it heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


def head(status: int, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", *fields, "", ""]).encode()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(head(200), "", id="200"),
        pytest.param(head(399), "", id="399"),
        pytest.param(head(404), "HTTP probe failed with statuscode: 404", id="404"),
        pytest.param(head(503), "HTTP probe failed with statuscode: 503", id="503"),
    ],
)
async def test_statuses(answer: bytes, error: str) -> None:
    async with answering(answer) as (port, _):
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/x"), "127.0.0.1", port, LONG, {})
        assert (found.error, found.warning, found.answered) == (error, "", True)


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        pytest.param(head(400), "http: server gave HTTP response to HTTPS client", id="plain HTTP"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x28", "remote error: tls: handshake failure", id="an alert of TLS"),
    ],
)
async def test_who_does_not_come_to_terms_over_tls(greeting: bytes, error: str) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        action = HTTPGetAction(path="/x", scheme="HTTPS")
        found = await LinuxNetwork(SystemClock()).http_get(action, "127.0.0.1", port, LONG, {})
        assert (found.error, found.answered) == (f'Get "https://127.0.0.1:{port}/x": {error}', False)


async def test_headers_are_sent_and_may_replace_host() -> None:
    async with answering(head(200)) as (port, heard):
        action = HTTPGetAction(path="/x?y=1", httpHeaders=[HTTPHeader(name="Host", value="me.example"), HTTPHeader(name="X-A", value="b")])
        await LinuxNetwork(SystemClock()).http_get(action, "127.0.0.1", port, LONG, {"User-Agent": "kube-probe/1.34"})
        text = heard[0].decode()
        assert text.startswith("GET /x?y=1 HTTP/1.1\r\n")
        assert "Host: me.example\r\n" in text
        assert "X-A: b\r\n" in text
        assert "User-Agent: kube-probe/1.34\r\n" in text
        assert text.count("Host:") == 1


async def test_redirects_within_the_host_are_followed_others_are_a_warning() -> None:
    async with answering(head(500)) as (target, _), answering(head(302, f"Location: http://127.0.0.1:{target}/")) as (port, _):
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/"), "127.0.0.1", port, LONG, {})
        assert found.error == "HTTP probe failed with statuscode: 500"
    async with answering(head(302, "Location: http://other.example/")) as (port, _):
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/"), "127.0.0.1", port, LONG, {})
        assert found.error == ""
        assert found.warning.startswith("Probe terminated redirects")


async def test_endless_redirects_fail() -> None:
    async with answering(head(302, "Location: /again")) as (port, _):
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/"), "127.0.0.1", port, LONG, {})
        assert "stopped after 10 redirects" in found.error


async def test_nobody_listens() -> None:
    async with answering(b"") as (port, _):
        pass
    network = LinuxNetwork(SystemClock())
    assert (await network.tcp_connect("127.0.0.1", port, LONG)).error == f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    found = await network.http_get(HTTPGetAction(path="/"), "127.0.0.1", port, LONG, {})
    assert found.error == f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'


async def test_somebody_listens() -> None:
    async with answering(b"") as (port, _):
        assert (await LinuxNetwork(SystemClock()).tcp_connect("127.0.0.1", port, LONG)).error == ""


async def test_no_answer_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/"), "127.0.0.1", port, 0.05, {})
        assert found.error.endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")


@pytest.mark.parametrize(
    ("status", "error"), [(b"\x08\x01", ""), (b"\x08\x02", 'service unhealthy (responded with "NOT_SERVING")')], ids=["serving", "not"]
)
async def test_grpc_health(status: bytes, error: str) -> None:
    import grpc
    from grpc import aio

    asked: list[bytes] = []

    async def check(request: bytes, context: object) -> bytes:
        asked.append(request)
        return status

    server = aio.server()
    handler = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert (await LinuxNetwork(SystemClock()).grpc_check("127.0.0.1", port, "me", LONG)).error == error
        assert asked == [b"\x0a\x02me"]
    finally:
        await server.stop(None)
