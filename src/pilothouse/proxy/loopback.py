"""NodePorts on the host's loopback address.

- It runs where the host's loopback is (the node has a network namespace of its own) and hands connections on to the node's address:
  so no packet with a loopback address ever leaves the host, and nothing of the node's loopback is open to pods (no route_localnet).
- TCP streams keep their half-closes; UDP clients are known by their address for UDP_IDLE_SECONDS. SCTP is not served.
- A port of a Service without an endpoint that serves it is closed, so that a connection is refused there as on the node's address.
- A port that another program has is told by an Event of the Service, and tried again.
- At most CONNECTIONS_LIMIT connections and UDP_CLIENTS_LIMIT UDP clients a port; more are refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast

from pilothouse.api import wellknown
from pilothouse.api.types.core_v1 import Service
from pilothouse.api.types.discovery_v1 import EndpointSlice
from pilothouse.client.client import Client
from pilothouse.client.events import EventRecorder
from pilothouse.client.informer import Informer
from pilothouse.kit.clock import Clock, Timer, wait_for
from pilothouse.kit.entropy import Entropy
from pilothouse.proxy.planner import is_ending, is_ready

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
RETRY_SECONDS = 10.0
CONNECT_SECONDS = 10.0
UDP_IDLE_SECONDS = 60.0
CONNECTIONS_LIMIT = 4096
UDP_CLIENTS_LIMIT = 1024
WAITING_LIMIT = 16
"""Datagrams of a client that are kept until its socket is there."""
PROTOCOLS = ("TCP", "UDP")
TYPES = ("NodePort", "LoadBalancer")


class NodePort(NamedTuple):
    """A node port: TCP or UDP, and its number."""

    protocol: str
    number: int


def node_ports(services: list[Service], slices: list[EndpointSlice]) -> Mapping[NodePort, Service]:
    """Node ports to listen on, with their Services: those with a serving endpoint."""
    served = served_ports(slices)
    return {
        NodePort(port.protocol or "TCP", port.nodePort): service
        for service in services
        if service.spec.type in TYPES
        for port in service.spec.ports
        if port.nodePort
        and (port.protocol or "TCP") in PROTOCOLS
        and (service.metadata.namespace, service.metadata.name, port.name or "") in served
    }


def served_ports(slices: list[EndpointSlice]) -> set[tuple[str, str, str]]:
    """Namespace and name of Services with the names of those of their ports that an endpoint serves, terminating or not."""
    return {
        (part.metadata.namespace, part.metadata.labels[wellknown.SERVICE_NAME], port.name or "")
        for part in slices
        if wellknown.SERVICE_NAME in part.metadata.labels and any(is_ready(each) or is_ending(each) for each in part.endpoints or ())
        for port in part.ports or ()
    }


class LoopbackNodePorts:
    """Forwards the host's 127.0.0.1:nodePort to the node.

    `address` is the node's, reachable from here; `loopback` where the ports are to answer.
    """

    def __init__(self, client: Client, address: str, clock: Clock, entropy: Entropy, *, loopback: str = LOOPBACK) -> None:
        self._address = address
        self._loopback = loopback
        self._clock = clock
        self._services = Informer(client, Service, clock=clock)
        self._slices = Informer(client, EndpointSlice, clock=clock)
        self._events = EventRecorder(client, "node-ports", clock, entropy)
        self._awake = asyncio.Event()
        self._open: dict[NodePort, asyncio.Server | asyncio.DatagramTransport] = {}
        self._refused: set[NodePort] = set()
        self._connections = Connections(address, clock)

    async def run(self) -> None:
        """Keep a listener for each node port until cancelled."""
        for informer in (self._services, self._slices):
            informer.subscribe(lambda *_: self._awake.set())
        try:
            async with asyncio.TaskGroup() as group:
                self._connections.group = group
                group.create_task(self._services.run(), name="services")
                group.create_task(self._slices.run(), name="endpoint slices")
                group.create_task(self._events.run(), name="events")
                await self._services.synced.wait()
                await self._slices.synced.wait()
                while True:
                    await self._follow()
                    await self._sleep()
        finally:
            for listener in self._open.values():
                listener.close()

    async def _sleep(self) -> None:
        """Until something changes; with a port that was refused, at most for a while."""
        if not self._refused:
            await self._awake.wait()
        else:
            with suppress(TimeoutError):
                await wait_for(self._clock, self._awake.wait(), RETRY_SECONDS)
        self._awake.clear()

    async def _follow(self) -> None:
        """Open what is wanted, close what is not."""
        wanted = node_ports(self._services.list(), self._slices.list())
        for port in [port for port in self._open if port not in wanted]:
            self._open.pop(port).close()
        self._refused &= set(wanted)
        for port, service in wanted.items():
            if port not in self._open:
                await self._listen(port, service)

    async def _listen(self, port: NodePort, service: Service) -> None:
        loop = asyncio.get_running_loop()
        try:
            if port.protocol == "TCP":
                self._open[port] = await loop.create_server(
                    lambda: ClientSide(self._connections, port.number), self._loopback, port.number, backlog=128
                )
            else:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: Datagrams(self._address, port.number, self._clock, self._connections), (self._loopback, port.number)
                )
                self._open[port] = transport
            self._refused.discard(port)
        except OSError as error:
            if port not in self._refused:
                self._refused.add(port)
                place = f"{port.protocol} port {port.number} of {self._loopback}"
                message = f"{place} cannot be opened ({error.strerror or error}): the NodePort answers on {self._address} only"
                self._events.event(service, "Warning", "NodePortNotOnLocalhost", message)
                log.warning("%s", message, extra={"service": (service.metadata.namespace, service.metadata.name)})


class Connections:
    """Shared by all ports: the node's address, connection tasks, and the number of connections."""

    def __init__(self, address: str, clock: Clock) -> None:
        self.address = address
        self.clock = clock
        self.count = 0
        self.group: asyncio.TaskGroup | None = None

    def start(self, front: ClientSide, port: int) -> None:
        """Connect a client's side to the node, in a task."""
        assert self.group is not None
        self.group.create_task(self._connect(front, port), name=f"connect {port}")

    async def _connect(self, front: ClientSide, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            await wait_for(self.clock, loop.create_connection(lambda: NodeSide(front), self.address, port), CONNECT_SECONDS)
        except (OSError, TimeoutError):
            front.abort()


class Side(asyncio.Protocol):
    """One side of a connection, copied to the other one with back pressure. Both are closed when both have ended."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self.ended = False
        """Whether it has read the end of its stream."""
        self._early: list[bytes] = []
        """What was read before the other side was there: asyncio may read once although it is paused."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio with the open connection."""
        self.transport = cast(asyncio.Transport, transport)

    def join(self, other: Side) -> None:
        """Copy what is read to `other` from now on."""
        self.other = other
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)
        if self.ended:
            self.eof_received()
        if self.transport is not None:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass data to the other side; kept until that is connected."""
        if self.other is None:
            self._early.append(data)
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end of this direction on; close when both have ended."""
        self.ended = True
        if self.other is not None and self.other.transport is not None:
            if self.other.ended:
                self.close()
                self.other.close()
            elif not self.other.transport.is_closing():
                self.other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """Stop reading on the other side while this side's buffer is full."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on the other side again."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Close the other side, or abort it when this side failed."""
        if self.other is not None:
            if error is None:
                self.other.close()
            else:
                self.other.abort()

    def close(self) -> None:
        """Close after everything was written."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once and drop what is buffered."""
        if self.transport is not None:
            self.transport.abort()


class NodeSide(Side):
    """The node's side."""

    def __init__(self, front: Side) -> None:
        super().__init__()
        self._front = front

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start reading from the client, or abort when it has gone meanwhile."""
        super().connection_made(transport)
        if self._front.transport is None or self._front.transport.is_closing():
            self.abort()  # the client has gone meanwhile
        else:
            self.join(self._front)
            self._front.join(self)


class ClientSide(Side):
    """The client's side; it is read from once the node has taken the connection."""

    def __init__(self, connections: Connections, port: int) -> None:
        super().__init__()
        self._connections = connections
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the node, or abort when there are too many connections."""
        super().connection_made(transport)
        self._connections.count += 1
        if self._connections.count > CONNECTIONS_LIMIT:
            self.abort()
            return
        assert self.transport is not None
        self.transport.pause_reading()
        self._connections.start(self, self._port)

    def connection_lost(self, error: Exception | None) -> None:
        """Count the connection off and close the other side."""
        self._connections.count -= 1
        super().connection_lost(error)


class Datagrams(asyncio.DatagramProtocol):
    """A UDP port: a socket of its own to the node for each client, until that is silent."""

    def __init__(self, address: str, port: int, clock: Clock, connections: Connections) -> None:
        self._target = (address, port)
        self._clock = clock
        self._connections = connections
        self._transport: asyncio.DatagramTransport | None = None
        self._clients: dict[object, UdpClient] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio with the open socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Send the datagram on from the client's own socket, opened when it is new."""
        client = self._clients.get(addr)
        if client is None:
            if len(self._clients) >= UDP_CLIENTS_LIMIT or self._connections.group is None or self._transport is None:
                return
            client = self._clients[addr] = UdpClient(self._transport, addr, self._clock, lambda: self._clients.pop(addr, None))
            self._connections.group.create_task(client.open(self._target), name=f"UDP {self._target[1]}")
        client.send(data)

    def error_received(self, exc: Exception) -> None:
        """An answer that a client did not take: its own affair."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the sockets of all clients."""
        for client in [*self._clients.values()]:
            client.close()


class UdpClient(asyncio.DatagramProtocol):
    """Socket to the node for one UDP client; replies go to the client."""

    def __init__(self, front: asyncio.DatagramTransport, client: Any, clock: Clock, forget: Callable[[], object]) -> None:
        self._front = front
        self._client = client
        self._clock = clock
        self._forget = forget
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []
        self._timer: Timer | None = None

    async def open(self, target: tuple[str, int]) -> None:
        """Open the socket to the node; closed again when that fails."""
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=target)
        except OSError:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has waited for the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def send(self, data: bytes) -> None:
        """Send a datagram to the node, or keep it until the socket is open."""
        self._touch()
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < WAITING_LIMIT:
            self._waiting.append(data)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Send the node's datagram to the client."""
        self._touch()
        if not self._front.is_closing():
            self._front.sendto(data, self._client)

    def error_received(self, exc: Exception) -> None:
        """Nobody serves there (yet): a datagram is lost, as UDP has it."""

    def _touch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_after(UDP_IDLE_SECONDS, self.close)

    def close(self) -> None:
        """Close the socket and stop its timer."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        self._forget()
