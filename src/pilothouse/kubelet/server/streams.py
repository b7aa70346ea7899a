"""exec, attach and port-forward: connects the client to the runtime's streaming URL, and pipes bytes.

Nothing here knows SPDY's or WebSocket's frames: the client and the runtime's streaming server speak them with each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.streaming.duplex import pipe
from pilothouse.client.streaming.hijack import Hijacked, wants
from pilothouse.client.streaming.remote_command import RemoteCommandStreams
from pilothouse.client.streaming.upgrade import PROTOCOL_HEADER, SPDY, UpgradeRefused, upgrade
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.kubelet.runtime.port import Runtime, RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import SandboxState

POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
WEBSOCKET = "websocket"
RELAYED = ("x-stream-protocol-version", "sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions")
"""Headers of the runtime's answer that its client needs."""
WEBSOCKET_HEADERS = ("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin")


class NotStreamable(Exception):
    """The container or Pod is not running; the text is for the client."""


def requested_streams(request: web.BaseRequest) -> RemoteCommandStreams:
    """Streams that the client requests. Raises NotStreamable when there are none."""
    streams = RemoteCommandStreams.from_query(request.query)
    if not streams:
        raise NotStreamable("you must specify at least 1 of stdin, stdout, stderr")
    return streams


class Streams:
    """Streaming connections to containers."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def exec(self, request: web.BaseRequest, pod: Pod, container: str) -> web.StreamResponse:
        """Connect the client with a command in a container. Raises NotStreamable."""
        streams = requested_streams(request)
        command: Sequence[str] = request.query.getall("command", [])
        container_id = await self._container(pod, container)
        flags = {"stdin": streams.stdin, "stdout": streams.stdout, "stderr": streams.stderr, "tty": streams.tty}
        return await self._piped(request, lambda: self._runtime.exec_url(container_id, command, **flags))

    async def attach(self, request: web.BaseRequest, pod: Pod, container: str) -> web.StreamResponse:
        """Connect the client with the process of a container. Raises NotStreamable."""
        streams = requested_streams(request)
        container_id = await self._container(pod, container)
        spec = next((candidate for candidate in pod.spec.containers if candidate.name == container), None)
        tty = bool(spec.tty) if spec is not None else streams.tty  # the container's own: the runtime refuses another
        flags = {"stdin": streams.stdin, "stdout": streams.stdout, "stderr": streams.stderr and not tty, "tty": tty}
        return await self._piped(request, lambda: self._runtime.attach_url(container_id, **flags))

    async def port_forward(self, request: web.BaseRequest, pod: Pod) -> web.StreamResponse:
        """Connect the client with ports of the pod's newest ready sandbox. Raises NotStreamable."""
        sandboxes = await self._runtime.list_pod_sandboxes(labels={POD_UID: pod.metadata.uid})
        ready = [sandbox for sandbox in sandboxes if sandbox.state is SandboxState.READY]
        if not ready:
            raise NotStreamable(f'not found pod ("{pod.metadata.name}_{pod.metadata.namespace}")')
        newest = max(ready, key=lambda sandbox: sandbox.attempt)
        return await self._piped(request, lambda: self._runtime.port_forward_url(newest.id))

    async def _container(self, pod: Pod, name: str) -> str:
        labels = {POD_UID: pod.metadata.uid, CONTAINER_NAME: name}
        containers = await self._runtime.list_containers(labels=labels)
        running = [container for container in containers if container.state is ContainerState.RUNNING]
        if not running:
            raise NotStreamable(f'container not found ("{name}")')
        return max(running, key=lambda container: container.attempt).id

    async def _piped(self, request: web.BaseRequest, url: Callable[[], Awaitable[str]]) -> web.StreamResponse:
        protocol = next((name for name in (SPDY, WEBSOCKET) if wants(request, name)), "")
        if not protocol:
            return web.Response(status=400, text=f"unable to upgrade: unexpected Upgrade header; {SPDY} and {WEBSOCKET} are spoken here")
        names = (PROTOCOL_HEADER,) if protocol == SPDY else WEBSOCKET_HEADERS
        passed = [(name, value) for name in names for value in request.headers.getall(name, [])]
        method = "POST" if protocol == SPDY else "GET"
        try:
            upgraded = await upgrade(await url(), passed, method=method, protocol=protocol)
        except UpgradeRefused as error:
            return web.Response(status=error.status, body=error.body)
        except (RuntimeFailure, OSError) as error:
            return web.Response(status=500, text=str(error))
        answered = [(name, value) for name, value in upgraded.headers.items() if name in RELAYED]
        client = Hijacked(request)
        try:
            client.switch([("Connection", "Upgrade"), ("Upgrade", protocol), *answered])
        except BaseException:
            await upgraded.duplex.close()
            raise
        await pipe(client, upgraded.duplex)
        return client
