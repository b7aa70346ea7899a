"""One pod on one node for tests of streams: API server, the kubelet's server, and a streaming server in place of a runtime's.

The streaming server's command `cat` answers with what it is told until its input ends, `fail` exits with 7, `size` says the
terminal's size; a forwarded port answers every line in capitals.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

from pilothouse.api.types.core_v1 import (
    Container,
    ContainerPort,
    ContainerState,
    ContainerStateRunning,
    ContainerStatus,
    DaemonEndpoint,
    Namespace,
    Node,
    NodeAddress,
    Pod,
    PodSpec,
    PodStatus,
)
from pilothouse.apiserver.auth.user import ADMIN
from pilothouse.client.client import Client
from pilothouse.client.streaming.duplex import SocketDuplex
from pilothouse.client.streaming.spdy import Session, Stream
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.runtime import containers, sandboxes
from pilothouse.kubelet.runtime.port import Runtime
from pilothouse.kubelet.server.server import KubeletServer
from pilothouse.machinery import codec
from pilothouse.machinery.errors import StatusError
from pilothouse.machinery.meta_v1 import ObjectMeta
from tests.unit.apiserver.serving import Served, serving

LOG = b"2025-01-01T00:00:01Z stdout F one\n2025-01-01T00:00:02Z stderr F two\n"
WEBSOCKET_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What every WebSocket server adds to the client's key."""
ERROR_OF_PORT_9 = b"nothing listens on port 9"


class StreamingServer:
    """What containerd's CRI streaming server is to the kubelet."""

    def __init__(self) -> None:
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1].strip("/").split("/")
        if "upgrade: websocket" in head.lower():
            await self.message(head, writer)
            return
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n")
        offered = [line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("x-stream-protocol-version")]
        writer.write(f"X-Stream-Protocol-Version: {offered[0]}\r\n\r\n".encode())
        session = Session(SocketDuplex(reader, writer), server=True)
        running = asyncio.ensure_future(session.run())
        try:
            if path[0] == "forward":
                await self.forward(session)
            else:
                await self.command(session, path[1], int(path[2]))
            await running
        finally:
            running.cancel()

    async def message(self, head: str, writer: asyncio.StreamWriter) -> None:
        """A WebSocket that says `out` on the channel of the output, and ends."""
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + WEBSOCKET_KEY).encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {headers['sec-websocket-protocol']}\r\n\r\n".encode()
        )
        writer.write(b"\x82\x04\x01out" + b"\x88\x02\x03\xe8")
        await writer.drain()
        writer.close()

    async def command(self, session: Session, name: str, expected: int) -> None:
        streams: dict[str, Stream] = {}
        while len(streams) < expected:
            stream = await session.accept()
            if stream is None:
                return
            streams[stream.headers["streamtype"]] = stream
        status: dict[str, Any] = {"metadata": {}, "status": "Success"}
        if name == "cat":
            while data := await streams["stdin"].read():
                await streams["stdout"].write(data)
        elif name == "size":
            await streams["stdout"].write(await streams["resize"].read())
        else:
            await streams["stdout"].write(b"out")
            await streams["stderr"].write(b"err")
            causes = [{"reason": "ExitCode", "message": "7"}]
            status = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
        await streams["error"].write(json.dumps(status).encode())
        for stream in streams.values():
            await stream.finish()

    async def forward(self, session: Session) -> None:
        errors: dict[str, Stream] = {}
        while (stream := await session.accept()) is not None:
            if stream.headers["streamtype"] == "error":
                errors[stream.headers["requestid"]] = stream
                continue
            task = asyncio.create_task(self.capitals(stream, errors.pop(stream.headers["requestid"])))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def capitals(self, data: Stream, error: Stream) -> None:
        with contextlib.suppress(ConnectionError):
            if data.headers["port"] == "9":
                await error.write(ERROR_OF_PORT_9)
            else:
                while piece := await data.read():
                    await data.write(piece.upper())
            await data.finish()
            await error.finish()


class StreamingRuntime:
    """As much of a runtime as the kubelet's server asks."""

    def __init__(self, streaming: StreamingServer, log: Path) -> None:
        self.streaming = streaming
        self.container = containers.Container("c1", "s1", "main", 0, containers.ContainerState.RUNNING, 0.0)
        self.log = log
        self.command: list[str] = []

    async def list_containers(self, sandbox_id: str = "", labels: Any = None) -> Sequence[containers.Container]:
        return [self.container] if labels["io.kubernetes.container.name"] == "main" else []

    async def list_pod_sandboxes(self, sandbox_id: str = "", labels: Any = None) -> Sequence[sandboxes.Sandbox]:
        return [sandboxes.Sandbox("s1", "web", "u", "default", 0, sandboxes.SandboxState.READY, 0.0)]

    async def container_status(self, container_id: str) -> containers.ContainerStatus:
        return containers.ContainerStatus(self.container, log_path=str(self.log))

    async def exec_url(self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        self.command = list(command)
        return f"http://127.0.0.1:{self.streaming.port}/exec/{command[0]}/{1 + stdin + stdout + stderr + tty}"

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        return f"http://127.0.0.1:{self.streaming.port}/attach/cat/{1 + stdin + stdout + stderr + tty}"

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int] = ()) -> str:
        return f"http://127.0.0.1:{self.streaming.port}/forward"

    async def list_container_stats(self, sandbox_id: str = "") -> Sequence[containers.ContainerStats]:
        return [containers.ContainerStats(self.container, 1.0, cpu_usage_nanoseconds=5)]


class OnePod:
    """The kubelet's list of pods."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod

    def pods(self) -> Sequence[Pod]:
        return [self.pod]


@dataclass
class House:
    served: Served
    pod: Pod
    kubelet: str
    """The URL of the kubelet's server."""
    runtime: StreamingRuntime

    def path(self, subresource: str) -> str:
        return f"{self.served.url}/api/v1/namespaces/default/pods/web/{subresource}"


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    log = folder / "0.log"
    log.write_bytes(LOG)
    streaming = StreamingServer()
    listener = await streaming.start()
    async with serving(folder) as served, asyncio.TaskGroup() as group:
        served.server.api.dialable = (ip_network("127.0.0.0/8"),)
        client = Client(served.registry.transport(ADMIN))
        pod = await placed_pod(client)
        runtime = StreamingRuntime(streaming, log)
        server = KubeletServer(OnePod(pod), cast(Runtime, runtime), SystemClock(), node_name="n1")
        task = group.create_task(server.run())
        await server.started.wait()
        await ready_node(client, server.port)
        try:
            yield House(served, pod, f"http://127.0.0.1:{server.port}", runtime)
        finally:
            task.cancel()
            listener.close()


async def placed_pod(client: Client) -> Pod:
    """The pod `web` on node n1, with a namespace to live in."""
    with contextlib.suppress(StatusError):
        await client.create(Namespace(metadata=ObjectMeta(name="default")))
    return await running_pod(client, "web", "n1", "127.0.0.1")


async def running_pod(client: Client, name: str, node: str, address: str) -> Pod:
    """A pod whose container `main` runs, and whose container `other` was never started."""
    main = Container(name="main", image="i", ports=[ContainerPort(containerPort=80)])
    spec = PodSpec(nodeName=node, containers=[main, Container(name="other", image="i")], automountServiceAccountToken=False)
    made = codec.clone(await client.create(Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)))
    state = ContainerState(running=ContainerStateRunning())
    status = ContainerStatus(name="main", state=state, containerID="containerd://c1", image="i", imageID="i")
    made.status = PodStatus(phase="Running", podIP=address, containerStatuses=[status])
    return await client.update(made, subresource="status")


async def ready_node(client: Client, kubelet_port: int, name: str = "n1") -> None:
    node = codec.clone(await client.create(Node(metadata=ObjectMeta(name=name))))
    node.status.addresses = [NodeAddress(type="InternalIP", address="127.0.0.1")]
    node.status.daemonEndpoints.kubeletEndpoint = DaemonEndpoint(Port=kubelet_port)
    await client.update(node, subresource="status")
