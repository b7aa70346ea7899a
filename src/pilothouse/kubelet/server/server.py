"""The kubelet's HTTPS server.

- Paths are upstream's. Who asks is known by certificate or token, and allowed by the API server (access.py), for every path.
- `started` is set when it answers; `port` is then the port that it listens on.
- It shows what `PodSource` and `Runtime` tell; it decides nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.runtime.containers import ContainerState
from pilothouse.kubelet.runtime.port import NotFound, Runtime, RuntimeFailure
from pilothouse.kubelet.server import exposition, statistics
from pilothouse.kubelet.server.access import Access
from pilothouse.kubelet.server.configz import configz
from pilothouse.kubelet.server.log_choice import NoLog, container_id, has_container
from pilothouse.kubelet.server.log_files import ReadLog, read_log
from pilothouse.kubelet.server.logs import BadLogOptions, options_of
from pilothouse.kubelet.server.node_stats import NOTHING, NodeStats
from pilothouse.kubelet.server.streams import NotStreamable, Streams
from pilothouse.kubelet.server.system_logs import system_logs
from pilothouse.machinery import codec

LINE_LIMIT_BYTES = 1024 * 1024
"""As Go's server bounds a head: a command of 100 kB stands in the query."""
HEALTH_CHECKS = ("ping", "log", "syncloop")


class PodSource(Protocol):
    """Pods of this node, with their last status."""

    def pods(self) -> Iterable[Pod]:
        """The pods of this node."""


@dataclass(frozen=True, slots=True)
class KubeletTLS:
    """Files of the client CA, and of the server's certificate and key."""

    ca_file: str
    certificate_file: str
    key_file: str


async def _nothing() -> NodeStats:
    return NOTHING


class KubeletServer:
    """The kubelet's HTTPS server. Without `tls` and `access` it serves plain HTTP without authentication, for tests and simulated nodes.

    `read_log` reads logs from elsewhere than files, for those nodes; `measure` says how the node does; `config`
    is what it shows of the kubelet's; `problem` says why its sync loop does not do its work ("": it does);
    `system_logs` is the folder that /logs/ shows, for who asks for the logs of the machine.
    """

    def __init__(
        self,
        pods: PodSource,
        runtime: Runtime,
        clock: Clock,
        *,
        node_name: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        tls: KubeletTLS | None = None,
        access: Access | None = None,
        read_log: ReadLog = read_log,
        measure: Callable[[], Awaitable[NodeStats]] = _nothing,
        config: KubeletConfig | None = None,
        problem: Callable[[], str] = lambda: "",
        system_logs: Path | None = None,
    ) -> None:
        self.started = asyncio.Event()
        self.port = port
        self._pods = pods
        self._runtime = runtime
        self._clock = clock
        self._node_name = node_name
        self._host = host
        assert access is not None or tls is None, "whoever reaches a server from outside must be known"
        self._tls = tls
        self._access = access
        self._read_log = read_log
        self._measure = measure
        self._config = config or KubeletConfig()
        self._problem = problem
        self._system_logs = system_logs
        self._streams = Streams(runtime)

    async def run(self) -> None:
        """Serve until cancelled; `started` is set when it listens."""
        # Handlers are cancelled when their client goes: whoever follows a log would else follow it for ever.
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            max_line_size=LINE_LIMIT_BYTES,
            max_field_size=LINE_LIMIT_BYTES,
        )
        context = context_of(self._tls) if self._tls is not None else None
        listener = await asyncio.get_running_loop().create_server(server, self._host, self.port, ssl=context, reuse_address=True)
        self.port = listener.sockets[0].getsockname()[1]
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            listener.close()
            await server.shutdown(1.0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if self._access is not None and (refusal := await self._access.refusal(request)) is not None:
            return refusal
        parts = [unquote(part) for part in path.split("/") if part]
        handler = self._routes().get((parts[0] if parts else "", len(parts)))
        if handler is None and parts[:1] == ["logs"] and self._system_logs is not None and request.method in ("GET", "HEAD"):
            return await system_logs(request, tuple(parts[1:]), self._system_logs)
        if handler is None:
            return web.Response(status=404, text="404 page not found\n")
        try:
            return await handler(request, *parts[1:])
        except (BadLogOptions, NoLog, NotStreamable) as error:
            return web.Response(status=400, text=str(error))
        except web.HTTPException as error:
            return web.Response(status=error.status, text=error.text)
        except RuntimeFailure as error:
            return web.Response(status=500, text=str(error))

    def _routes(self) -> dict[tuple[str, int], Callable[..., Awaitable[web.StreamResponse]]]:
        """By the first segment and how many there are; those with an additional uid are upstream's, too."""
        return {
            ("containerLogs", 4): self._logs,
            ("exec", 4): self._exec,
            ("exec", 5): self._exec_by_uid,
            ("attach", 4): self._attach,
            ("attach", 5): self._attach_by_uid,
            ("portForward", 3): self._port_forward,
            ("portForward", 4): self._port_forward,
            ("pods", 1): self._list_pods,
            ("healthz", 1): self._healthy,
            ("healthz", 2): self._healthy,
            ("configz", 1): self._configuration,
            ("stats", 2): self._stats,
            ("metrics", 1): self._metrics,
            ("metrics", 2): self._metrics_of,
        }

    def _pod(self, namespace: str, name: str) -> Pod:
        for pod in self._pods.pods():
            if pod.metadata.name == name and pod.metadata.namespace == namespace:
                return pod
        raise web.HTTPNotFound(text=f'pod "{name}" does not exist\n')

    def _pod_with(self, namespace: str, name: str, container: str) -> Pod:
        pod = self._pod(namespace, name)
        if not has_container(pod, container):
            raise web.HTTPNotFound(text=f'container "{container}" not found in pod "{name}"\n')
        return pod

    async def _logs(self, request: web.BaseRequest, namespace: str, name: str, container: str) -> web.StreamResponse:
        options = options_of(request.query, self._clock.now())
        pod = self._pod_with(namespace, name, container)
        identifier = container_id(pod, container, options.previous)
        try:
            path = Path((await self._runtime.container_status(identifier)).log_path)
            lines = self._read_log(path, options, self._clock, lambda: self._running(identifier))
            first = await anext(lines, b"")
        except (NotFound, FileNotFoundError):
            # Upstream sends this as the log itself, with 200: the container was there, its log is gone.
            return web.Response(text=f"unable to retrieve container logs for containerd://{identifier}")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if first:
            await response.write(first)
        async for piece in lines:
            await response.write(piece)
        await response.write_eof()
        return response

    async def _running(self, identifier: str) -> bool:
        try:
            status = await self._runtime.container_status(identifier)
        except NotFound:
            return False
        return status.container.state in (ContainerState.RUNNING, ContainerState.CREATED)

    async def _exec(self, request: web.BaseRequest, namespace: str, name: str, container: str) -> web.StreamResponse:
        return await self._streams.exec(request, self._pod_with(namespace, name, container), container)

    async def _exec_by_uid(self, request: web.BaseRequest, namespace: str, name: str, uid: str, container: str) -> web.StreamResponse:
        return await self._exec(request, namespace, name, container)

    async def _attach(self, request: web.BaseRequest, namespace: str, name: str, container: str) -> web.StreamResponse:
        return await self._streams.attach(request, self._pod_with(namespace, name, container), container)

    async def _attach_by_uid(self, request: web.BaseRequest, namespace: str, name: str, uid: str, container: str) -> web.StreamResponse:
        return await self._attach(request, namespace, name, container)

    async def _port_forward(self, request: web.BaseRequest, namespace: str, name: str, uid: str = "") -> web.StreamResponse:
        return await self._streams.port_forward(request, self._pod(namespace, name))

    async def _list_pods(self, request: web.BaseRequest) -> web.StreamResponse:
        listed = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(self._pods.pods())}
        return web.Response(body=codec.encode(listed), content_type="application/json")

    async def _healthy(self, request: web.BaseRequest, check: str = "") -> web.StreamResponse:
        if check and check not in HEALTH_CHECKS:
            raise web.HTTPNotFound(text="404 page not found\n")
        checks = (check,) if check else HEALTH_CHECKS
        failed = {"syncloop"} & {*checks} if self._problem() else set()
        if "verbose" not in request.query and not failed:
            return web.Response(text="ok")
        if check and failed:
            return web.Response(status=500, text="internal server error: sync Loop took longer than expected\n")
        lines = [f"[-]{name} failed: reason withheld" if name in failed else f"[+]{name} ok" for name in checks]
        end = "healthz check failed" if failed else "healthz check passed"
        return web.Response(status=500 if failed else 200, text="\n".join([*lines, end, ""]))

    async def _configuration(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=codec.encode(configz(self._config, self._host)), content_type="application/json")

    async def _stats(self, request: web.BaseRequest, kind: str) -> web.StreamResponse:
        if kind != "summary":
            raise web.HTTPNotFound(text="404 page not found\n")
        stats = await self._runtime.list_container_stats()
        summary = statistics.summary(self._node_name, self._pods.pods(), stats, await self._measure(), self._clock.now())
        return web.Response(body=codec.encode(summary), content_type="application/json")

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        from prometheus_client import generate_latest  # late: only whoever scrapes needs it

        own = exposition.kubelet(self._pods.pods(), self._node_name).encode()
        return web.Response(body=own + await asyncio.to_thread(generate_latest), content_type="text/plain")

    async def _metrics_of(self, request: web.BaseRequest, kind: str) -> web.StreamResponse:
        node_stats = await self._measure()
        if kind == "probes":
            return web.Response(text=exposition.probes(node_stats.probes))
        if kind not in {"resource", "cadvisor"}:
            raise web.HTTPNotFound(text="404 page not found\n")
        stats = await self._runtime.list_container_stats()
        if kind == "cadvisor":
            return web.Response(text=exposition.cadvisor(self._pods.pods(), stats, node_stats.machine))
        now = self._clock.now().timestamp()
        return web.Response(text=exposition.resource(self._pods.pods(), stats, node_stats.load, node_stats.machine, now))


def context_of(tls: KubeletTLS) -> ssl.SSLContext:
    """TLS context: TLS 1.2 or newer; client certificates are verified where they are shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    context.load_verify_locations(tls.ca_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
