"""Probes over loopback: what counts as success, and what failures are called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.api.types.core_v1 import HTTPGetAction, HTTPHeader
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.probes.network import LinuxNetwork

LONG = 120.0


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
        pytest.param(head(299), "", id="299"),
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
        await LinuxNetwork(SystemClock()).http_get(action, "127.0.0.1", port, LONG, {"User-Agent": "kube-probe/1.37"})
        text = heard[0].decode()
        assert text.startswith("GET /x?y=1 HTTP/1.1\r\n")
        assert "Host: me.example\r\n" in text
        assert "X-A: b\r\n" in text
        assert "User-Agent: kube-probe/1.37\r\n" in text
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


def warning(body: str) -> tuple[str, str, str]:
    return "", f"Probe terminated redirects, Response body: {body}", ""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(head(302, "Location: http://other.example/", "Content-Length: 4") + b"gone", warning("gone"), id="to another host"),
        pytest.param(head(302, "Location: //10.0.0.1/", "Content-Length: 0"), warning(""), id="to another address"),
        pytest.param(head(300, "Content-Length: 2") + b"ok", warning("ok"), id="multiple choices"),
        pytest.param(head(302, "Content-Length: 0"), warning(""), id="a redirect without a place"),
        pytest.param(head(304), warning(""), id="not modified"),
        pytest.param(head(103, "Link: x") + head(200, "Content-Length: 0"), ("", "", ""), id="an interim answer first"),
        pytest.param(head(200, "Transfer-Encoding: chunked") + b"2;a=b\r\nok\r\n0\r\n\r\n", ("", "", ""), id="chunks"),
        pytest.param(head(200, "Content-Length: 9") + b"short", ("", "", "unexpected EOF"), id="a body cut short"),
        pytest.param(
            head(200, "Transfer-Encoding: chunked") + b"zz\r\n", ("", "", "invalid byte in chunk length"), id="a chunk of no length"
        ),
        pytest.param(head(200, f"Content-Length: {1 << 40}") + b"x" * 20_000, ("", "", ""), id="more body than is of interest"),
        pytest.param(head(200, "X: " + "y" * 300_000, "Content-Length: 0"), ("", "", ""), id="a long header"),
    ],
)
async def test_what_an_answer_counts_as(answer: bytes, expected: tuple[str, str, str]) -> None:
    async with answering(answer) as (port, _):
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/"), "127.0.0.1", port, LONG, {})
        assert (found.error, found.warning, found.unknown) == expected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(b"SSH-2.0-x\r\n\r\n", 'malformed HTTP response "SSH-2.0-x"', id="no HTTP"),
        pytest.param("HTTP/1.1 ²00 OK\r\n\r\n".encode(), "malformed HTTP response", id="digits of another script"),
        pytest.param(head(200, "no colon"), "malformed MIME header line: no colon", id="no header"),
        pytest.param(head(200, "Content-Length: 1_0"), 'bad Content-Length "1_0"', id="a length that is none"),
        pytest.param(head(302, "Location: ftp://127.0.0.1/"), 'unsupported protocol scheme "ftp"', id="another scheme"),
        pytest.param(head(302, "Location: http://127.0.0.1:x/"), "failed to parse Location header", id="a place that is none"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: y", "EOF", id="a head cut short"),
        pytest.param(head(102) * 9, "too many 1xx informational responses", id="nothing but interim answers"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2_000_000, "response headers exceeded", id="headers without an end"),
    ],
)
async def test_what_a_server_says_wrong_is_a_failure(answer: bytes, error: str) -> None:
    async with answering(answer) as (port, _):
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/"), "127.0.0.1", port, LONG, {})
        assert error in found.error


async def test_a_body_that_does_not_come_is_waited_for_no_longer_than_the_probe_lasts() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "Content-Length: 10"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await LinuxNetwork(SystemClock()).http_get(HTTPGetAction(path="/"), "127.0.0.1", port, 0.05, {})
        assert "context deadline exceeded" in found.error


@pytest.mark.parametrize(
    "host",
    ["nowhere.invalid", "a" * 300, "x..y", "ü" * 80, "nul\0byte", "-bad-.invalid"],
    ids=["unknown", "long", "empty label", "not ASCII", "with NUL", "dashes"],
)
async def test_a_bad_host_name_is_a_failure_and_nothing_worse(host: str) -> None:
    network = LinuxNetwork(SystemClock())
    assert (await network.http_get(HTTPGetAction(path="/"), host, 80, LONG, {})).error
    assert (await network.tcp_connect(host, 80, LONG)).error


async def test_a_header_cannot_smuggle_another() -> None:
    async with answering(head(200)) as (port, heard):
        action = HTTPGetAction(path="/", httpHeaders=[HTTPHeader(name="X-A", value="b\r\nX-C: d")])
        found = await LinuxNetwork(SystemClock()).http_get(action, "127.0.0.1", port, LONG, {})
        assert 'invalid header field value for "X-A"' in found.error
        assert heard == []


async def test_a_path_is_escaped_and_an_empty_accept_taken_out() -> None:
    async with answering(head(200)) as (port, heard):
        action = HTTPGetAction(path="/a b?c=d e%20f", httpHeaders=[HTTPHeader(name="Accept", value="")])
        await LinuxNetwork(SystemClock()).http_get(action, "127.0.0.1", port, LONG, {"Accept": "*/*"})
        text = heard[0].decode()
        assert text.startswith("GET /a%20b?c=d%20e%20f HTTP/1.1\r\n")
        assert "Accept" not in text
