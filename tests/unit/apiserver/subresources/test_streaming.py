"""log, exec, attach, port-forward and proxy from a client to the container's streams, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.client import Client
from pilothouse.client.streaming.duplex import MemoryDuplex, pipe
from pilothouse.client.streaming.spdy import Session
from pilothouse.client.streaming.upgrade import PROTOCOL_HEADER, Upgraded, UpgradeRefused, upgrade
from tests.unit.apiserver.subresources.streaming_house import ERROR_OF_PORT_9, House, house, ready_node, running_pod

EXIT_7 = {"reason": "ExitCode", "message": "7"}


@pytest.fixture
async def the_house(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def fetched(web: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with web.get(url) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("container=main", 200, "one\ntwo\n"),
        ("container=main&tailLines=1", 200, "two\n"),
        ("container=main&limitBytes=2&timestamps=false", 200, "on"),
        ("", 400, "a container name must be specified for pod web, choose one of: [main other]"),
        ("container=none", 400, "container none is not valid for pod web"),
        ("container=other", 400, 'container \\"other\\" in pod \\"web\\" is not available'),
        ("container=main&previous=true", 400, 'previous terminated container \\"main\\" in pod \\"web\\" not found'),
        ("container=main&tailLines=x", 400, "invalid syntax"),
        ("container=main&sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
    ],
)
async def test_log(the_house: House, web: aiohttp.ClientSession, query: str, status: int, text: str) -> None:
    found = await fetched(web, the_house.path(f"log?{query}"))
    assert found[0] == status
    assert text in found[1]


@pytest.mark.parametrize(
    ("protocols", "chosen", "expected"),
    [
        pytest.param([], None, [b"", b"one\ntwo\n"], id="no protocol"),
        pytest.param(["binary.k8s.io"], "binary.k8s.io", [b"", b"one\ntwo\n"], id="binary"),
        pytest.param(["base64.binary.k8s.io"], "base64.binary.k8s.io", ["", "b25lCnR3bwo="], id="base64"),
        pytest.param(["x", "binary.k8s.io"], "binary.k8s.io", [b"", b"one\ntwo\n"], id="the one that is known"),
    ],
)
async def test_log_of_websocket_clients(
    the_house: House, web: aiohttp.ClientSession, protocols: list[str], chosen: str | None, expected: list[bytes | str]
) -> None:
    async with web.ws_connect(the_house.path("log?container=main"), protocols=protocols) as socket:
        assert socket.protocol == chosen
        assert [message.data async for message in socket] == expected


async def test_log_over_an_unknown_protocol_is_refused(the_house: House, web: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await web.ws_connect(the_house.path("log?container=main"), protocols=["x"])
    assert refused.value.status == 403


async def test_a_followed_log_ends_when_its_websocket_client_closes(the_house: House, web: aiohttp.ClientSession) -> None:
    async with web.ws_connect(the_house.path("log?container=main&follow=true"), protocols=["binary.k8s.io"]) as socket:
        assert [(await socket.receive()).data for _ in range(2)] == [b"", b"one\ntwo\n"]
    async with asyncio.timeout(10):
        while the_house.served.server.api.streams:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_exec_on_the_kubelet_by_websocket(the_house: House, web: aiohttp.ClientSession) -> None:
    path = "exec/default/web/main?command=fail&output=1"
    for url in (f"{the_house.kubelet}/{path}", f"{the_house.served.url}/api/v1/nodes/n1/proxy/{path}"):
        async with web.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
            assert socket.protocol == "v4.channel.k8s.io"
            assert await messages(socket) == {1: b"out"}


async def test_exec_of_a_long_command(the_house: House, web: aiohttp.ClientSession) -> None:
    argument = "&=%/ x" * 17_000
    url = f"{the_house.path('exec')}?container=main&command=fail&stdout=true&stderr=true&command={quote(argument, safe='')}"
    async with web.ws_connect(URL(url, encoded=True), protocols=["v5.channel.k8s.io"]) as socket:
        await messages(socket)
    assert the_house.runtime.command == ["fail", argument]


async def messages(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """What came on each channel until the server closed."""
    found: dict[int, bytes] = {}
    async for message in socket:
        found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
    return found


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_exec_of_websocket_clients(the_house: House, web: aiohttp.ClientSession, protocol: str) -> None:
    url = the_house.path("exec?container=main&command=fail&stdout=true&stderr=true")
    async with web.ws_connect(url, protocols=[protocol]) as socket:
        assert socket.protocol == protocol
        found = await messages(socket)
    assert (found[1], found[2]) == (b"out", b"err")
    assert json.loads(found[3])["details"]["causes"] == [EXIT_7]


async def test_v5_closes_the_input_alone(the_house: House, web: aiohttp.ClientSession) -> None:
    url = the_house.path("exec?container=main&command=cat&stdin=true&stdout=true")
    async with web.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
        await socket.send_bytes(b"\x00through")
        await socket.send_bytes(b"\xff\x00")
        found = await messages(socket)
    assert found[1] == b"through"
    assert json.loads(found[3])["status"] == "Success"


async def test_the_size_of_a_terminal_reaches_the_process(the_house: House, web: aiohttp.ClientSession) -> None:
    url = the_house.path("exec?container=main&command=size&stdout=true&tty=true")
    async with web.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
        await socket.send_bytes(b'\x04{"Width":80,"Height":24}')
        assert (await messages(socket))[1] == b'{"Width":80,"Height":24}'


async def test_attach(the_house: House, web: aiohttp.ClientSession) -> None:
    async with web.ws_connect(the_house.path("attach?container=main&stdin=true&stdout=true"), protocols=["v4.channel.k8s.io"]) as socket:
        await socket.send_bytes(b"\x00typed")
        assert (await socket.receive()).data == b"\x01"
        assert (await socket.receive()).data == b"\x01typed"


async def test_streams_end_with_the_server(the_house: House, web: aiohttp.ClientSession) -> None:
    exec_url = the_house.path("exec?container=main&command=cat&stdin=true&stdout=true")
    following = await web.get(the_house.path("log?container=main&follow=true"))
    assert await following.content.readexactly(8) == b"one\ntwo\n"
    upgraded = await spdy(exec_url, "v4.channel.k8s.io")
    async with web.ws_connect(exec_url, protocols=["v4.channel.k8s.io"]) as socket:
        assert (await socket.receive()).data == b"\x01"
        assert len(the_house.served.server.api.streams) == 3
        for end in list(the_house.served.server.api.streams):
            end()
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert await upgraded.duplex.read() == b""
    await upgraded.duplex.close()
    with contextlib.suppress(aiohttp.ClientError):  # cut off or ended in form, as it happens
        assert await following.content.read() == b""
    following.close()
    for _ in range(500):
        if not the_house.served.server.api.streams:
            break
        await asyncio.sleep(0.01)
    assert not the_house.served.server.api.streams


async def test_exec_in_a_container_that_does_not_run_says_so(the_house: House, web: aiohttp.ClientSession) -> None:
    url = the_house.path("exec?container=other&command=cat&stdout=true")
    async with web.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
        found = await messages(socket)
    expected = 'Internal error occurred: unable to upgrade connection: container not found ("other")'
    assert json.loads(found[3])["message"] == expected


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("exec?container=main&command=cat&stdout=true", "Upgrade request required"),
        ("attach?container=main", "Upgrade request required"),
        ("portforward", "Upgrade request required"),
    ],
)
async def test_streams_need_an_upgrade(the_house: House, web: aiohttp.ClientSession, path: str, text: str) -> None:
    status, body = await fetched(web, the_house.path(path))
    assert (status, json.loads(body)["message"]) == (400, text)


async def spdy(url: str, protocol: str) -> Upgraded:
    return await upgrade(url, [(PROTOCOL_HEADER, protocol)])


async def test_exec_of_spdy_clients_is_piped(the_house: House) -> None:
    upgraded = await spdy(the_house.path("exec?container=main&command=cat&stdin=true&stdout=true"), "v4.channel.k8s.io")
    assert upgraded.headers["x-stream-protocol-version"] == "v4.channel.k8s.io"
    session = Session(upgraded.duplex, server=False)
    running = asyncio.create_task(session.run())
    error, stdin, stdout = [await session.open({"streamType": kind}) for kind in ("error", "stdin", "stdout")]
    data = bytes(range(256)) * 4096
    writing = asyncio.create_task(stdin.write(data))
    received = bytearray()
    while len(received) < len(data):
        received += await stdout.read()
    await writing
    await stdin.finish()
    assert bytes(received) == data
    assert json.loads(await error.read_all())["status"] == "Success"
    await session.close()
    await running


async def test_what_the_kubelet_refuses_reaches_the_spdy_client_in_its_words(the_house: House) -> None:
    with pytest.raises(UpgradeRefused) as caught:
        await spdy(the_house.path("exec?container=other&command=cat&stdout=true"), "v4.channel.k8s.io")
    assert str(caught.value) == 'unable to upgrade connection: container not found ("other")'


async def forwarded(session: Session, port: int, data: bytes) -> tuple[bytes, bytes]:
    """What a port answers to `data`, and what went wrong."""
    headers = {"port": str(port), "requestID": "0"}
    error = await session.open({**headers, "streamType": "error"})
    stream = await session.open({**headers, "streamType": "data"})
    await stream.write(data)
    await stream.finish()
    return await stream.read_all(), await error.read_all()


async def test_port_forward_of_spdy_clients(the_house: House) -> None:
    upgraded = await spdy(the_house.path("portforward"), "portforward.k8s.io")
    session = Session(upgraded.duplex, server=False)
    running = asyncio.create_task(session.run())
    assert await forwarded(session, 80, b"hello") == (b"HELLO", b"")
    assert (await forwarded(session, 9, b"hello"))[1] == ERROR_OF_PORT_9
    await session.close()
    await running


class Tunnel:
    """SPDY inside a WebSocket, as kubectl 1.31 does it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def read(self) -> bytes:
        message: Any = await self.socket.receive()
        return message.data if message.type is aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        await self.socket.send_bytes(data)

    async def close(self) -> None:
        await self.socket.close()


async def test_port_forward_through_a_tunnel(the_house: House, web: aiohttp.ClientSession) -> None:
    async with web.ws_connect(the_house.path("portforward"), protocols=["SPDY/3.1+portforward.k8s.io"]) as socket:
        session = Session(Tunnel(socket), server=False)
        running = asyncio.create_task(session.run())
        assert await forwarded(session, 80, b"hello") == (b"HELLO", b"")
        await session.close()
        await running


async def test_port_forward_over_channels(the_house: House, web: aiohttp.ClientSession) -> None:
    async with web.ws_connect(the_house.path("portforward?ports=80,9"), protocols=["v4.channel.k8s.io"]) as socket:
        first = [(await socket.receive()).data for _ in range(4)]
        assert first == [b"\x00\x50\x00", b"\x01\x50\x00", b"\x02\x09\x00", b"\x03\x09\x00"]
        assert (await socket.receive()).data == b"\x03" + ERROR_OF_PORT_9
        await socket.send_bytes(b"\x00hello")
        assert (await socket.receive()).data == b"\x00HELLO"


async def test_the_kubelets_own_pages_through_the_proxy(the_house: House, web: aiohttp.ClientSession) -> None:
    base = f"{the_house.served.url}/api/v1/nodes/n1/proxy"
    assert await fetched(web, f"{base}/healthz") == (200, "ok")
    assert (await fetched(web, f"{base}/none"))[0] == 404
    listed = json.loads((await fetched(web, f"{base}/pods"))[1])
    assert [one["metadata"]["name"] for one in listed["items"]] == ["web"]
    assert json.loads((await fetched(web, f"{base}/stats/summary"))[1])["node"]["nodeName"] == "n1"


async def test_nothing_is_sent_to_what_a_simulated_node_runs(the_house: House, web: aiohttp.ClientSession) -> None:
    client = Client(the_house.served.registry.transport(ADMIN))
    await ready_node(client, 0, "n2")
    await running_pod(client, "far", "n2", "198.51.100.1")
    for subresource, text in (("proxy/", "node n2 has no network"), ("log?container=main", "node n2 has no kubelet that serves streams")):
        path = f"{the_house.served.url}/api/v1/namespaces/default/pods/far/{subresource}"
        assert text in (await fetched(web, path))[1]


async def test_a_proxy_without_a_path_leads_to_its_root(the_house: House, web: aiohttp.ClientSession) -> None:
    url = f"{the_house.served.url}/api/v1/nodes/n1/proxy"
    async with web.get(url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, "/api/v1/nodes/n1/proxy/")


async def test_piping_ends_both_sides_when_one_ends() -> None:
    first, inner = MemoryDuplex.pair()
    outer, last = MemoryDuplex.pair()
    piping = asyncio.create_task(pipe(inner, outer))
    await first.write(b"there")
    assert await last.read() == b"there"
    await last.close()
    await piping
    assert await first.read() == b""
