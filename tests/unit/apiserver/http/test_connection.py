"""What a connection promises whatever is sent on it, byte by byte: order, bodies that nobody reads, refusals, nonsense, limits."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from pilothouse.apiserver.http.answer import Answer
from pilothouse.apiserver.http.request import BODY_LIMIT_BYTES, Request, Response
from pilothouse.kit.clock import SystemClock
from tests.unit.apiserver.serving import Caller, calling, serving

MAPS = "/api/v1/namespaces/default/configmaps"


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:4], body[4:], b""))
    return request("POST", MAPS, b"", "Content-Type: application/json", "Transfer-Encoding: chunked") + chunks


def config_map(name: str) -> bytes:
    return msgspec.json.encode({"metadata": {"name": name}})


LAST = request("GET", "/version", b"", "Connection: close")


async def exchanged(call: Caller, *parts: bytes) -> bytes:
    """What a client gets that writes these parts, one after the other, and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(call.url.rpartition(":")[2]))
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.01)
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


def codes(data: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"HTTP/1\.[01] (\d+) ", data)]


MANY = [request("POST", MAPS, config_map(f"map-{number}")) for number in range(40)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([b"".join(MANY) + LAST], [201] * 40 + [200], id="many at once are answered in order"),
        pytest.param([MANY[0][:10], MANY[0][10:90], MANY[0][90:], LAST], [201, 200], id="one that comes in pieces"),
        pytest.param([chunked(config_map("a")), LAST], [201, 200], id="a body in chunks"),
        pytest.param([request("GET", "/nothing", config_map("a")), LAST], [404, 200], id="a body that nobody reads is no request"),
        pytest.param([request("POST", "/nothing", config_map("a")[:-1] + b" " * 9)[:-9], b" " * 9 + LAST], [404, 200], id="nor its rest"),
        pytest.param([b"NONSENSE\r\n\r\n"], [400], id="nonsense ends the connection"),
        pytest.param([request("GET", "/version"), b"\x00\x01\r\n\r\n"], [200, 400], id="also behind what makes sense"),
        pytest.param(
            [request("POST", MAPS, b"", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + LAST],
            [400],
            id="a length that is said twice hides no second request",
        ),
        pytest.param(
            [request("GET", f"{MAPS}?watch=1", b"", "Connection: Upgrade", "Upgrade: websocket") + LAST],
            [400, 200],
            id="after a refused upgrade the next request is read",
        ),
        pytest.param([b"GET /version HTTP/1.0\r\n\r\n"], [200], id="an old client's connection is closed"),
    ],
)
async def test_requests_of_a_connection(folder: Path, parts: list[bytes], expected: list[int]) -> None:
    async with calling(folder) as call:
        data = await exchanged(call, *parts)
    assert codes(data) == expected, data


async def test_a_client_that_waits_for_leave_to_send_is_told_to_go_on(folder: Path) -> None:
    async with calling(folder) as call:
        whole = request("POST", MAPS, config_map("a"), "Expect: 100-continue", "Connection: close")
        head, body = whole[: -len(config_map("a"))], config_map("a")
        assert codes(await exchanged(call, head, body)) == [100, 201]


async def test_a_body_beyond_the_limit_is_refused_and_the_connection_goes_on(folder: Path) -> None:
    async with calling(folder) as call:
        data = await exchanged(call, request("POST", MAPS, b" " * (BODY_LIMIT_BYTES + 1)), LAST)
    assert codes(data) == [413, 200]


async def test_a_request_over_its_time_is_answered_and_the_next_one_too(folder: Path) -> None:
    class Hasty(SystemClock):
        """Seconds pass a hundred times as fast for who sleeps."""

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds / 100)

    async with serving(folder, clock=Hasty()) as served:
        served.server.api.in_flight.time_limit_seconds = 0.0
        port = served.server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("POST", MAPS, config_map("a"))[:-3])  # the rest of the body never comes
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        served.server.api.in_flight.time_limit_seconds = 60.0
        await reader.readexactly(int(re.findall(rb"Content-Length: (\d+)", head)[0]))
        writer.write(b"}}}" + LAST)
        rest = await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert codes(head + rest) == [504, 200]


async def test_a_client_that_goes_before_its_answer_has_still_been_heard(folder: Path) -> None:
    async with calling(folder) as call:
        _, writer = await asyncio.open_connection("127.0.0.1", int(call.url.rpartition(":")[2]))
        writer.write(request("POST", MAPS, config_map("a")))
        await writer.drain()
        writer.close()
        for _ in range(200):
            if (await call("GET", f"{MAPS}/a")).status == 200:
                return
            await asyncio.sleep(0.01)
    raise AssertionError("what was sent was not done")


async def test_a_client_that_asks_nothing_does_not_hold_up_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.apiserver.server.STOP_SECONDS", 1000.0)
    async with asyncio.timeout(60):
        async with serving(folder) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
            writer.write(request("GET", "/version"))
            assert codes(await reader.readuntil(b"\r\n\r\n")) == [200]
        await reader.read()
        writer.close()


async def test_what_is_being_answered_at_the_end_is_answered(folder: Path) -> None:
    begun = asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await asyncio.sleep(0.2)
        return Answer(body=b"late")

    async with asyncio.timeout(60):
        async with serving(folder) as served:
            served.server._handler = slow
            reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
            writer.write(request("GET", "/version"))
            await begun.wait()
        assert (await reader.read()).endswith(b"late")
        writer.close()
