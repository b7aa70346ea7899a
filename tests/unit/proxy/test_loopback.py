"""Against real sockets: 127.0.0.1 answers for a node that is at 127.0.0.2."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.api.types.core_v1 import Event, Service, ServicePort, ServiceSpec
from pilothouse.api.types.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery.meta_v1 import ObjectMeta
from pilothouse.proxy import loopback
from pilothouse.proxy.loopback import LoopbackNodePorts, NodePort, node_ports
from pilothouse.testing.control_plane import ControlPlane

NODE = "127.0.0.2"
SECONDS = 30.0


def service(name: str, type: str, *ports: tuple[str, int]) -> Service:
    made = [ServicePort(name=f"p{port}", protocol=protocol, port=80, nodePort=port) for protocol, port in ports]
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=ServiceSpec(type=type, ports=made))


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        pytest.param([service("a", "NodePort", ("TCP", 30001), ("UDP", 30001))], [("TCP", 30001), ("UDP", 30001)], id="both protocols"),
        pytest.param([service("a", "LoadBalancer", ("TCP", 30001))], [("TCP", 30001)], id="a load balancer's too"),
        pytest.param([service("a", "LoadBalancer", ("TCP", 0))], [], id="without a node port"),
        pytest.param([service("a", "ClusterIP", ("TCP", 30001))], [], id="another type"),
        pytest.param([service("a", "NodePort", ("SCTP", 30001))], [], id="SCTP"),
    ],
)
def test_which_ports_answer(services: list[Service], expected: list[tuple[str, int]]) -> None:
    assert [*node_ports(services, [endpoints(made) for made in services])] == [NodePort(*port) for port in expected]


@pytest.mark.parametrize(
    ("slices", "answers"),
    [
        pytest.param([], False, id="no slice"),
        pytest.param([("p30001", {"ready": True})], True, id="a ready endpoint"),
        pytest.param([("p30001", {})], True, id="an endpoint of unknown state"),
        pytest.param([("p30001", {"ready": False})], False, id="an endpoint that is not ready"),
        pytest.param([("p30001", {"ready": False, "serving": True, "terminating": True})], True, id="one that serves while it ends"),
        pytest.param([("other", {"ready": True})], False, id="an endpoint of another port"),
    ],
)
def test_a_port_without_endpoints_is_closed(slices: list[tuple[str, dict[str, bool]]], answers: bool) -> None:
    web = service("web", "NodePort", ("TCP", 30001))
    made = [endpoints(web, EndpointConditions(**conditions), [port]) for port, conditions in slices]
    assert bool(node_ports([web], made)) is answers


def endpoints(of: Service, conditions: EndpointConditions | None = None, ports: list[str] | None = None) -> EndpointSlice:
    """The slice that a controller would make of one endpoint."""
    names = [port.name for port in of.spec.ports] if ports is None else ports
    return EndpointSlice(
        metadata=ObjectMeta(name=of.metadata.name, namespace="default", labels={"kubernetes.io/service-name": of.metadata.name}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=["10.244.0.2"], conditions=conditions or EndpointConditions())],
        ports=[EndpointPort(name=name, port=80) for name in names],
    )


async def create(plane: ControlPlane, made: Service) -> None:
    """The service with an endpoint."""
    await plane.client.create(made)
    await plane.client.create(endpoints(made))


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[ControlPlane]:
    """A control plane without controllers, and the component beside it."""
    clock, entropy = SystemClock(), Entropy(1)
    plane = ControlPlane(clock, entropy, controllers=False, scheduler=False)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(plane.run())]
        await plane.registry.started.wait()
        component = LoopbackNodePorts(plane.client, NODE, clock, entropy, **settings)
        tasks.append(group.create_task(component.run()))
        yield plane
        for task in tasks:
            task.cancel()


def free_port() -> int:
    """In the range of node ports, free on both addresses."""
    for port in range(30100, 32767):
        with socket.socket() as here, socket.socket() as there:
            try:
                here.bind(("127.0.0.1", port))
                there.bind((NODE, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


async def until(condition: Any) -> Any:
    async with asyncio.timeout(SECONDS):
        while not (found := await condition()):  # noqa: ASYNC110 - real sockets tell nobody
            await asyncio.sleep(0.02)
        return found


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    try:
        return await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers when the client has said everything."""
    writer.write((await reader.read(-1)).upper())
    await writer.drain()
    writer.close()


async def test_a_stream_is_handed_on_with_its_half_close() -> None:
    port = free_port()
    server = await asyncio.start_server(shout, NODE, port)
    async with server, running() as plane:
        await create(plane, service("web", "NodePort", ("TCP", port)))
        reader, writer = await until(lambda: connected(port))
        large = b"hello" * 400_000
        writer.write(large)
        writer.write_eof()
        got = await reader.read(-1)
        assert (len(got), got == large.upper()) == (len(large), True)
        writer.close()
        await plane.client.delete(Service, "web", "default")

        async def closed() -> bool:
            return await connected(port) is None

        await until(closed)


async def test_a_node_that_does_not_answer_ends_the_connection() -> None:
    port = free_port()
    async with running() as plane:
        await create(plane, service("web", "NodePort", ("TCP", port)))
        reader, _ = await until(lambda: connected(port))
        async with asyncio.timeout(SECONDS):
            assert await reader.read(1) == b""


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data.upper(), addr)


async def test_datagrams_come_back_to_who_sent_them() -> None:
    port, loop = free_port(), asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, (NODE, port))
    async with running() as plane:
        await create(plane, service("dns", "NodePort", ("UDP", port)))
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for number, client in enumerate(clients):
            client.setblocking(False)
            client.connect(("127.0.0.1", port))

            async def asked(client: socket.socket = client, number: int = number) -> bytes:
                try:
                    await loop.sock_sendall(client, b"from %d" % number)
                    async with asyncio.timeout(0.5):
                        return await loop.sock_recv(client, 100)
                except (OSError, TimeoutError):
                    return b""

            assert await until(asked) == b"FROM %d" % number
        for client in clients:
            client.close()
    transport.close()


async def test_a_port_that_another_program_has_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "RETRY_SECONDS", 0.05)
    port = free_port()
    server = await asyncio.start_server(shout, NODE, port)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        async with server, running() as plane:
            await create(plane, service("web", "NodePort", ("TCP", port)))

            async def told() -> list[Event]:
                return [event for event in (await plane.client.list(Event)).items if event.reason == "NodePortNotOnLocalhost"]

            (event,) = await until(told)
            assert f"TCP port {port} of 127.0.0.1 cannot be opened" in event.message
            assert event.involvedObject.name == "web"
            holder.close()

            async def answered() -> bytes:
                found = await connected(port)
                if found is None:
                    return b""
                found[1].write(b"hello")
                found[1].write_eof()
                return await found[0].read(-1)

            assert await until(answered) == b"HELLO"
