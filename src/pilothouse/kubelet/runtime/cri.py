"""Container runtime over CRI (`runtime.v1`, gRPC on a Unix socket), with containerd's events.

- One channel; it mends itself when the runtime restarts. Calls made meanwhile fail with code UNAVAILABLE.
- Calls are bounded: CALL_SECONDS each, pulls and sandbox set-up longer (see LIMITS), as upstream's kubelet bounds them.
- `events()` yields STOPPED only once CRI itself shows the exit: containerd publishes it before CRI has booked it (cri_exits.py).

Translation: cri_messages.py. The wire form of events: cri_events.py. Starting containerd: node/containerd.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, nullcontext
from typing import Any

import grpc
from cri_api.v1 import api_pb2, api_pb2_grpc

from pilothouse.kit.clock import Clock, wait_for
from pilothouse.kubelet.runtime import cri_events
from pilothouse.kubelet.runtime import cri_messages as messages
from pilothouse.kubelet.runtime.call_queue import CallQueue
from pilothouse.kubelet.runtime.containers import Container, ContainerConfig, ContainerState, ContainerStats, ContainerStatus, ExecResult
from pilothouse.kubelet.runtime.cri_exits import PendingExits
from pilothouse.kubelet.runtime.images import Credentials, FilesystemUsage, Image
from pilothouse.kubelet.runtime.port import EventType, NotFound, RuntimeCondition, RuntimeEvent, RuntimeFailure, RuntimeVersion
from pilothouse.kubelet.runtime.sandboxes import Resources, Sandbox, SandboxConfig, SandboxState, SandboxStatus
from pilothouse.machinery import strconv

pb: Any = api_pb2
stubs: Any = api_pb2_grpc

log = logging.getLogger(__name__)

CALL_SECONDS = 120.0
LIMITS = {"RunPodSandbox": 240.0, "PullImage": 3600.0}
MESSAGE_LIMIT = 16 << 20
"""Bytes of one message: containerd's own bound."""

RECONNECT_SECONDS = 0.2
SUBSCRIBED_SECONDS = 0.05
"""containerd does not acknowledge a subscription: how long it is given before everything is listed (again)."""
NOT_BOOKED = {ContainerState.CREATED.value, ContainerState.RUNNING.value}
"""What is brief ends before CRI has so much as booked its start: CREATED, RUNNING and EXITED then follow on the exit."""

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)


class CriRuntime:
    """Client of containerd, or of another CRI runtime (without events). `queue` orders the expensive calls."""

    def __init__(self, socket: str, clock: Clock, queue: CallQueue | None = None) -> None:
        self._clock = clock
        self._queue = queue
        self._stopping: set[str] = set()
        """What is being stopped by a call that has not returned."""
        self.supplemental_groups_policy = False
        self._channel: Any = grpc.aio.insecure_channel(f"unix://{socket}", options=CHANNEL_OPTIONS)
        self._runtime: Any = stubs.RuntimeServiceStub(self._channel)
        self._images: Any = stubs.ImageServiceStub(self._channel)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def version(self) -> RuntimeVersion:
        """CRI's Version."""
        answer = await self._call("Version", pb.VersionRequest())
        return RuntimeVersion(answer.runtime_name, answer.runtime_version, answer.runtime_api_version)

    async def status(self) -> Sequence[RuntimeCondition]:
        """CRI's Status: the conditions RuntimeReady and NetworkReady."""
        answer = await self._call("Status", pb.StatusRequest())
        self.supplemental_groups_policy = bool(answer.features.supplemental_groups_policy)
        return [RuntimeCondition(each.type, each.status, each.reason, each.message) for each in answer.status.conditions]

    async def update_runtime_config(self, pod_cidr: str) -> None:
        """CRI's UpdateRuntimeConfig: the node's pod range."""
        config = pb.RuntimeConfig(network_config=pb.NetworkConfig(pod_cidr=pod_cidr))
        await self._call("UpdateRuntimeConfig", pb.UpdateRuntimeConfigRequest(runtime_config=config))

    # Pod sandboxes

    async def run_pod_sandbox(self, config: SandboxConfig, runtime_handler: str = "") -> str:
        """CRI's RunPodSandbox; gives the sandbox's id. Refuses pods with a user namespace."""
        if config.security.user_namespace:
            # As upstream says of a runtime that does not tell what its handlers can do.
            raise RuntimeFailure(f'the handler "{runtime_handler}" is not known', code="")
        request = pb.RunPodSandboxRequest(config=messages.to_sandbox_config(config), runtime_handler=runtime_handler)
        answer = await self._call("RunPodSandbox", request)
        return str(answer.pod_sandbox_id)

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """CRI's StopPodSandbox; one that is gone is no error."""
        with self._waited_for(sandbox_id):
            await self._idempotent("StopPodSandbox", pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """CRI's RemovePodSandbox; one that is gone is no error."""
        await self._idempotent("RemovePodSandbox", pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def list_pod_sandboxes(self, sandbox_id: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Sandbox]:
        """CRI's ListPodSandbox, by id and labels."""
        wanted = pb.PodSandboxFilter(id=sandbox_id, label_selector=dict(labels or {}))
        answer = await self._call("ListPodSandbox", pb.ListPodSandboxRequest(filter=wanted))
        return [messages.from_sandbox(item) for item in answer.items]

    async def pod_sandbox_status(self, sandbox_id: str) -> SandboxStatus:
        """CRI's PodSandboxStatus. Raises NotFound."""
        answer = await self._call("PodSandboxStatus", pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
        return messages.from_sandbox_status(answer.status)

    # Containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox_config: SandboxConfig) -> str:
        """CRI's CreateContainer; gives the container's id."""
        request = pb.CreateContainerRequest(
            pod_sandbox_id=sandbox_id,
            config=messages.to_container_config(config),
            sandbox_config=messages.to_sandbox_config(sandbox_config),
        )
        answer = await self._call("CreateContainer", request)
        return str(answer.container_id)

    async def start_container(self, container_id: str) -> None:
        """CRI's StartContainer."""
        await self._call("StartContainer", pb.StartContainerRequest(container_id=container_id))

    async def stop_container(self, container_id: str, timeout_seconds: float) -> None:
        """CRI's StopContainer: SIGTERM, and SIGKILL after `timeout_seconds`; one that is gone is no error."""
        request = pb.StopContainerRequest(container_id=container_id, timeout=int(timeout_seconds))
        with self._waited_for(container_id):
            await self._idempotent("StopContainer", request, limit=CALL_SECONDS + timeout_seconds)

    async def remove_container(self, container_id: str) -> None:
        """CRI's RemoveContainer; one that is gone is no error."""
        await self._idempotent("RemoveContainer", pb.RemoveContainerRequest(container_id=container_id))

    async def list_containers(self, sandbox_id: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Container]:
        """CRI's ListContainers, by sandbox and labels."""
        wanted = pb.ContainerFilter(pod_sandbox_id=sandbox_id, label_selector=dict(labels or {}))
        answer = await self._call("ListContainers", pb.ListContainersRequest(filter=wanted))
        return [messages.from_container(item) for item in answer.containers]

    async def container_status(self, container_id: str) -> ContainerStatus:
        """CRI's ContainerStatus with sandbox id and process id from containerd's details. Raises NotFound."""
        answer = await self._call("ContainerStatus", pb.ContainerStatusRequest(container_id=container_id, verbose=True))
        details = _details(answer.info.get("info", ""))
        return messages.from_container_status(
            answer.status, str(details.get("sandboxID", "")), strconv.integer(str(details.get("pid", 0))) or 0
        )

    async def update_container_resources(self, container_id: str, resources: Resources) -> None:
        """CRI's UpdateContainerResources."""
        request = pb.UpdateContainerResourcesRequest(container_id=container_id, linux=messages.to_resources(resources))
        await self._call("UpdateContainerResources", request)

    async def reopen_container_log(self, container_id: str) -> None:
        """CRI's ReopenContainerLog."""
        await self._call("ReopenContainerLog", pb.ReopenContainerLogRequest(container_id=container_id))

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_seconds: float = 0.0) -> ExecResult:
        """CRI's ExecSync; without `timeout_seconds` the command may run for ever."""
        request = pb.ExecSyncRequest(container_id=container_id, cmd=command, timeout=int(timeout_seconds))
        limit = timeout_seconds + CALL_SECONDS if timeout_seconds else None
        answer = await self._call("ExecSync", request, limit=limit)
        return ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    # Streaming

    async def exec_url(self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """CRI's Exec; gives the URL of the stream."""
        request = pb.ExecRequest(container_id=container_id, cmd=command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return str((await self._call("Exec", request)).url)

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """CRI's Attach; gives the URL of the stream."""
        request = pb.AttachRequest(container_id=container_id, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return str((await self._call("Attach", request)).url)

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int] = ()) -> str:
        """CRI's PortForward; gives the URL of the stream."""
        request = pb.PortForwardRequest(pod_sandbox_id=sandbox_id, port=list(ports))
        return str((await self._call("PortForward", request)).url)

    # Statistics

    async def container_stats(self, container_id: str) -> ContainerStats:
        """CRI's ContainerStats."""
        answer = await self._call("ContainerStats", pb.ContainerStatsRequest(container_id=container_id))
        return messages.from_stats(answer.stats)

    async def list_container_stats(self, sandbox_id: str = "") -> Sequence[ContainerStats]:
        """CRI's ListContainerStats, by sandbox."""
        wanted = pb.ContainerStatsFilter(pod_sandbox_id=sandbox_id)
        answer = await self._call("ListContainerStats", pb.ListContainerStatsRequest(filter=wanted))
        return [messages.from_stats(item) for item in answer.stats]

    # Images

    async def list_images(self) -> Sequence[Image]:
        """CRI's ListImages."""
        answer = await self._call("ListImages", pb.ListImagesRequest())
        return [messages.from_image(item) for item in answer.images]

    async def image_status(self, image: str) -> Image | None:
        """CRI's ImageStatus; None when the image is not there."""
        answer = await self._call("ImageStatus", pb.ImageStatusRequest(image=pb.ImageSpec(image=image)))
        return messages.from_image(answer.image) if answer.HasField("image") and answer.image.id else None

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> str:
        """CRI's PullImage; gives the image's id. Raises RuntimeFailure."""
        auth = messages.to_credentials(credentials) if credentials else None
        answer = await self._call("PullImage", pb.PullImageRequest(image=pb.ImageSpec(image=image), auth=auth))
        return str(answer.image_ref)

    async def remove_image(self, image: str) -> None:
        """CRI's RemoveImage; one that is gone is no error."""
        await self._idempotent("RemoveImage", pb.RemoveImageRequest(image=pb.ImageSpec(image=image)))

    async def image_filesystem(self) -> Sequence[FilesystemUsage]:
        """CRI's ImageFsInfo: usage of the file systems of images."""
        answer = await self._call("ImageFsInfo", pb.ImageFsInfoRequest())
        return [messages.from_filesystem(item) for item in answer.image_filesystems]

    # Events

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        """Container events as they come.

        Unread ones wait in gRPC's flow-controlled stream; only exits that CRI does not show yet are kept here.
        """
        subscribe = self._channel.unary_stream(cri_events.SUBSCRIBE)
        exits = PendingExits()
        while True:
            await self._channel.channel_ready()
            stream = subscribe(cri_events.subscribe_request())
            try:
                await self._clock.sleep(SUBSCRIBED_SECONDS)
                await self._initialized()
                yield RuntimeEvent(EventType.LOST, at=self._clock.now().timestamp())
                async with aclosing(self._told(stream, exits)) as told:
                    async for event in told:
                        yield event
            except grpc.aio.AioRpcError as failure:
                log.warning("container events broke off: %s", failure.details())
            finally:
                stream.cancel()
            await self._clock.sleep(RECONNECT_SECONDS)

    async def _initialized(self) -> None:
        """A containerd that begins listens before its CRI plugin answers: who lists everything now would only be refused."""
        while True:
            try:
                await self.status()
                return
            except RuntimeFailure:
                await self._clock.sleep(RECONNECT_SECONDS)

    async def _told(self, stream: Any, exits: PendingExits) -> AsyncGenerator[RuntimeEvent, None]:
        """Until the stream ends: what it tells, and exits as soon as CRI has booked them."""
        reading: asyncio.Future[Any] | None = None
        try:
            while True:
                reading = reading or asyncio.ensure_future(stream.read())
                await self._either(reading, exits.seconds(self._clock.monotonic()))
                if reading.done():
                    envelope, reading = reading.result(), None
                    if envelope is grpc.aio.EOF:
                        return
                    told = cri_events.notice(envelope)
                    if told is not None and told.type is EventType.CONTAINER_STOPPED:
                        exits.add(told, self._clock.monotonic())
                    elif told is not None:
                        yield RuntimeEvent(told.type, told.container_id, "", told.at)
                for notice in exits.due(self._clock.monotonic(), self._stopping):
                    if (event := await self._stopped(notice)) is not None:
                        exits.confirmed(notice)
                        yield event
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _either(self, reading: asyncio.Future[Any], seconds: float | None) -> None:
        """Until there is something to read, at most `seconds`."""
        waiting = asyncio.wait((reading,))
        try:
            await (waiting if seconds is None else wait_for(self._clock, waiting, seconds))
        except TimeoutError:
            return

    async def _stopped(self, told: cri_events.Notice) -> RuntimeEvent | None:
        """The event as CRI shows it now; None while CRI has not come to it yet."""
        try:
            status = await self._call("ContainerStatus", pb.ContainerStatusRequest(container_id=told.container_id))
            booked = pb.ContainerState.Name(status.status.state) not in NOT_BOOKED
            return RuntimeEvent(told.type, told.container_id, "", told.at) if booked else None
        except NotFound:
            pass
        except RuntimeFailure:
            return None
        try:
            sandbox = await self.pod_sandbox_status(told.container_id)
        except RuntimeFailure:
            return RuntimeEvent(told.type, told.container_id, "", told.at)
        if sandbox.sandbox.state is SandboxState.READY:
            return None
        return RuntimeEvent(EventType.SANDBOX_STOPPED, "", told.container_id, told.at)

    # Calls

    @contextmanager
    def _waited_for(self, identifier: str) -> Iterator[None]:
        """Whoever stops something learns of its end by the call's: nobody need ask again and again whether it is booked."""
        self._stopping.add(identifier)
        try:
            yield
        finally:
            self._stopping.discard(identifier)

    async def _call(self, method: str, request: Any, *, limit: float | None = CALL_SECONDS) -> Any:
        stub = self._images if hasattr(self._images, method) else self._runtime
        try:
            async with self._queue.turn(method) if self._queue is not None else nullcontext():
                return await getattr(stub, method)(request, timeout=LIMITS.get(method, limit))
        except grpc.aio.AioRpcError as failure:
            raise _failure(failure) from failure

    async def _idempotent(self, method: str, request: Any, *, limit: float | None = CALL_SECONDS) -> None:
        try:
            await self._call(method, request, limit=limit)
        except NotFound:
            return


def _details(text: str) -> dict[str, Any]:
    """What containerd says beyond CRI of a container, in JSON; nothing when it cannot be read."""
    try:
        details = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return details if isinstance(details, dict) else {}


def _failure(failure: Any) -> RuntimeFailure:
    code, message = failure.code().name, failure.details() or ""
    return NotFound(message) if code == "NOT_FOUND" else RuntimeFailure(message, code)
