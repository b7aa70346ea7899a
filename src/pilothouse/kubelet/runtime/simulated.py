"""Simulated container runtime in virtual time, deterministic; behaviour is scripted by image or container.

- Nothing happens by itself but what a `Behaviour` says: how long a start takes, what it writes, after which time it exits with
  what code, what its probes and commands answer, how long it takes to stop.
- An image that nobody spoke of pulls in `pull_seconds`, and its containers run until they are stopped (exit code 0... 143).
- Every change is told to `events()`, in order; a subscriber that lags by more than EVENTS_LIMIT is told LOST.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.runtime.containers import Container, ContainerConfig, ContainerState, ContainerStats, ContainerStatus, ExecResult
from pilothouse.kubelet.runtime.port import EventType, NotFound, RuntimeCondition, RuntimeEvent, RuntimeFailure, RuntimeVersion
from pilothouse.kubelet.runtime.sandboxes import NamespaceMode, Resources, Sandbox, SandboxConfig, SandboxState, SandboxStatus
from pilothouse.kubelet.runtime.simulated_containers import (
    KILLED_EXIT,
    OOM_EXIT,
    Behaviour,
    SimulatedContainer,
    SimulatedSandbox,
    timetable,
)
from pilothouse.kubelet.runtime.simulated_images import SimulatedImages, full_reference
from pilothouse.kubelet.runtime.simulated_logs import Line, SimulatedLog
from pilothouse.machinery import strconv

if TYPE_CHECKING:
    from pilothouse.kubelet.runtime.simulated_streams import SimulatedStreams

EVENTS_LIMIT = 10_000
CLOCK_STEP_SECONDS = 1.0
"""Times of creation may run so far ahead of the clock; when they are further ahead, the clock was set back."""


class SimulatedRuntime(SimulatedImages):
    """Container runtime in virtual time, scripted by behaviours. `sandbox_seconds` and `pull_seconds` are the durations of those calls."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        *,
        pod_cidr: str = "10.244.0.0/24",
        sandbox_seconds: float = 0.0,
        pull_seconds: float = 1.0,
    ) -> None:
        super().__init__(clock, pull_seconds)
        self.supplemental_groups_policy = True
        self._entropy = entropy
        self.pod_cidr = pod_cidr
        self.sandbox_seconds = sandbox_seconds
        self.sandboxes: dict[str, SimulatedSandbox] = {}
        self.containers: dict[str, SimulatedContainer] = {}
        self.behaviours: dict[str, Behaviour] = {}
        self.logs: dict[str, SimulatedLog] = {}
        """Of each container that is there, by the path of its file."""
        self.streams: SimulatedStreams | None = None
        """Where clients get at containers, while it runs."""
        self._subscribers: list[asyncio.Queue[RuntimeEvent]] = []
        self._addresses = itertools.count(2)
        self._stamp = 0.0

    # Scripting

    def behave(self, image: str, behaviour: Behaviour) -> None:
        """Set the behaviour of containers of `image` that start from now on."""
        self.behaviours[full_reference(image)] = behaviour

    def exit(self, container_id: str, exit_code: int = 1, *, oom: bool = False) -> None:
        """Make a running container exit."""
        container = self._container(container_id)
        if container.status.container.state is ContainerState.RUNNING:
            self._exited(container, exit_code, "OOMKilled" if oom else "")

    def write(self, container_id: str, text: str, stream: str = "stdout") -> None:
        """Make a running container write to its log."""
        container = self._container(container_id)
        if container.status.container.state is ContainerState.RUNNING:
            container.log.write(text, self._clock.now(), stream)

    async def answer(self, container: SimulatedContainer, command: Sequence[str], given: bytes = b"") -> ExecResult:
        """What a client's command gives; `given` is its standard input."""
        await self._command_runs(container)
        if container.behaviour.exec_input is not None:
            return container.behaviour.exec_input(command, given)
        return container.behaviour.exec(command) if container.behaviour.exec is not None else ExecResult(b"", b"", 0)

    def answers(self, kind: str, host: str, port: int) -> bool:
        """Whether a probe of this kind succeeds at this address, for a `SimulatedNetwork`; it fails when nothing runs there."""
        meant = {name for name, sandbox in self.sandboxes.items() if host in sandbox.status.ips}
        if not meant:  # an address of no pod is the node's own, and that of pods in its network
            meant = {name for name, sandbox in self.sandboxes.items() if not sandbox.status.ips}
        running = [
            container
            for container in self.containers.values()
            if container.status.container.state is ContainerState.RUNNING and container.status.container.sandbox_id in meant
        ]
        return bool(running) and all(container.behaviour.probe is None or container.behaviour.probe(kind) for container in running)

    def named(self, pod: str, container: str, namespace: str = "default") -> SimulatedContainer:
        """The newest container of that name in the pod of that name."""
        for candidate in reversed(self.containers.values()):
            sandbox = self.sandboxes[candidate.status.container.sandbox_id].config
            if (candidate.config.name, sandbox.name, sandbox.namespace) == (container, pod, namespace):
                return candidate
        raise KeyError(f"no container {container} in pod {pod} of namespace {namespace}")

    # Runtime

    async def version(self) -> RuntimeVersion:
        """A containerd of version `simulated`."""
        return RuntimeVersion("containerd", "simulated")

    async def status(self) -> Sequence[RuntimeCondition]:
        """Always ready."""
        return [RuntimeCondition("RuntimeReady", True), RuntimeCondition("NetworkReady", True)]

    async def update_runtime_config(self, pod_cidr: str) -> None:
        """Note the node's pod range."""
        self.pod_cidr = pod_cidr

    async def run_pod_sandbox(self, config: SandboxConfig, runtime_handler: str = "") -> str:
        """A new sandbox after `sandbox_seconds`; gives its id."""
        await self._clock.sleep(self.sandbox_seconds)
        identifier = self._identifier()
        host = config.security.namespaces.network is NamespaceMode.NODE
        made = Sandbox(
            identifier,
            config.name,
            config.uid,
            config.namespace,
            config.attempt,
            SandboxState.READY,
            self._now(),
            dict(config.labels),
            dict(config.annotations),
            runtime_handler,
        )
        ips = () if host else (self._address(),)
        self.sandboxes[identifier] = SimulatedSandbox(SandboxStatus(made, ips, config.security.namespaces), config)
        return identifier

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Kill the containers of a sandbox, and mark it NotReady."""
        sandbox = self.sandboxes.get(sandbox_id)
        if sandbox is None:
            return
        for container in self._in(sandbox_id):
            if container.status.container.state is ContainerState.RUNNING:
                self._exited(container, KILLED_EXIT)
        if sandbox.status.sandbox.state is SandboxState.READY:
            sandbox.status = replace(sandbox.status, sandbox=replace(sandbox.status.sandbox, state=SandboxState.NOTREADY))
            self._publish(EventType.SANDBOX_STOPPED, "", sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop a sandbox and forget it with its containers."""
        await self.stop_pod_sandbox(sandbox_id)
        for container in self._in(sandbox_id):
            await self.remove_container(container.status.container.id)
        self.sandboxes.pop(sandbox_id, None)

    async def list_pod_sandboxes(self, sandbox_id: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Sandbox]:
        """Sandboxes with this id (empty: any) and all of these labels."""
        sandboxes = (sandbox.status.sandbox for sandbox in self.sandboxes.values())
        return [sandbox for sandbox in sandboxes if sandbox_id in {"", sandbox.id} and _matches(sandbox.labels, labels)]

    async def pod_sandbox_status(self, sandbox_id: str) -> SandboxStatus:
        """Status of a sandbox. Raises NotFound."""
        if sandbox_id not in self.sandboxes:
            raise NotFound(f'an error occurred when try to find sandbox: not found: "{sandbox_id}"')
        return self.sandboxes[sandbox_id].status

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox_config: SandboxConfig) -> str:
        """A new container with the behaviour of its image. Raises RuntimeFailure without a ready sandbox or the image."""
        sandbox = await self.pod_sandbox_status(sandbox_id)
        if sandbox.sandbox.state is not SandboxState.READY:
            raise RuntimeFailure(f'sandbox container "{sandbox_id}" is not running')
        image = await self.image_status(config.image)
        if image is None:
            raise RuntimeFailure(f'failed to resolve image "{config.image}": not found')
        name = image.tags[0] if image.tags else config.image
        made = Container(
            self._identifier(),
            sandbox_id,
            config.name,
            config.attempt,
            ContainerState.CREATED,
            self._now(),
            name,
            image.digests[0] if image.digests else image.id,
            dict(config.labels),
            dict(config.annotations),
        )
        path = f"{sandbox_config.log_directory}/{config.log_path}"
        behaviour = self.behaviours.get(name, Behaviour())
        self.containers[made.id] = SimulatedContainer(ContainerStatus(made, log_path=path), config, behaviour)
        self.logs[path] = self.containers[made.id].log
        self._publish(EventType.CONTAINER_CREATED, made.id, sandbox_id)
        return made.id

    async def start_container(self, container_id: str) -> None:
        """Start a container, as long as its behaviour says; it then lives by its behaviour. Raises RuntimeFailure when it is to fail."""
        container = self._container(container_id)
        if container.status.container.state is not ContainerState.CREATED:
            raise RuntimeFailure(f'container "{container_id}" is in {container.status.container.state.value} state')
        await self._clock.sleep(container.behaviour.start_seconds)
        if container.behaviour.start_error:
            self._exited(container, 128, "StartError", container.behaviour.start_error)
            raise RuntimeFailure(container.behaviour.start_error)
        self._set(container, ContainerState.RUNNING, started_at=self._now())
        self._publish(EventType.CONTAINER_STARTED, container_id, container.status.container.sandbox_id)
        self._live(container, self._clock.monotonic(), timetable(container.behaviour))

    async def stop_container(self, container_id: str, timeout_seconds: float) -> None:
        """End a container after its behaviour's time, or kill it after `timeout_seconds`."""
        container = self.containers.get(container_id)
        if container is None or container.status.container.state is not ContainerState.RUNNING:
            return
        wait = container.behaviour.stop_seconds
        await self._clock.sleep(min(wait, timeout_seconds))
        if container.status.container.state is ContainerState.RUNNING:
            self._exited(container, container.behaviour.stop_exit_code if wait <= timeout_seconds else KILLED_EXIT)

    async def remove_container(self, container_id: str) -> None:
        """Kill a container and forget it with its log."""
        container = self.containers.get(container_id)
        if container is None:
            return
        if container.status.container.state is ContainerState.RUNNING:
            self._exited(container, KILLED_EXIT)
        del self.containers[container_id]
        self.logs.pop(container.status.log_path, None)
        self._publish(EventType.CONTAINER_DELETED, container_id, container.status.container.sandbox_id)

    async def list_containers(self, sandbox_id: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Container]:
        """Containers in this sandbox (empty: any) with all of these labels."""
        containers = (container.status.container for container in self.containers.values())
        return [container for container in containers if sandbox_id in {"", container.sandbox_id} and _matches(container.labels, labels)]

    async def container_status(self, container_id: str) -> ContainerStatus:
        """Status of a container. Raises NotFound."""
        return self._container(container_id).status

    async def update_container_resources(self, container_id: str, resources: Resources) -> None:
        """Note the new limits."""
        self._container(container_id).config.resources = resources

    async def reopen_container_log(self, container_id: str) -> None:
        """Do nothing. Raises NotFound."""
        self._container(container_id)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_seconds: float = 0.0) -> ExecResult:
        """What the behaviour answers to the command; success without output by default."""
        container = self._running(container_id)
        await self._command_runs(container, timeout_seconds)
        return container.behaviour.exec(command) if container.behaviour.exec is not None else ExecResult(b"", b"", 0)

    async def exec_url(self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """URL of a stream to the behaviour's answer. Raises RuntimeFailure when no streaming server runs."""
        container, streams = self._running(container_id), self._streams()
        # Clients open a stream for sizes with a terminal, last: who answers before would end the session under their hands.
        return streams.exec(container, command, _wanted(stdin, stdout, stderr, tty) | ({"resize"} if tty else set()))

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """URL of a stream to what the container writes. Raises RuntimeFailure when no streaming server runs."""
        container, streams = self._running(container_id), self._streams()
        return streams.attach(container, _wanted(stdin, stdout, stderr, tty))

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int] = ()) -> str:
        """Always raises RuntimeFailure: simulated pods have no ports."""
        raise RuntimeFailure("simulated pods have no ports", "UNIMPLEMENTED")

    async def container_stats(self, container_id: str) -> ContainerStats:
        """Usage that the behaviour says. Raises NotFound."""
        return self._stats(self._container(container_id).status.container)

    async def list_container_stats(self, sandbox_id: str = "") -> Sequence[ContainerStats]:
        """Usage of the containers of this sandbox (empty: of all)."""
        return [self._stats(container) for container in await self.list_containers(sandbox_id)]

    def _stats(self, container: Container) -> ContainerStats:
        used = self.containers[container.id].behaviour.memory_bytes
        return ContainerStats(container, self._now(), memory_working_set=used, memory_usage=used, memory_rss=used)

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        """Events from now on; each subscriber has a queue of EVENTS_LIMIT."""
        queue: asyncio.Queue[RuntimeEvent] = asyncio.Queue(EVENTS_LIMIT)
        self._subscribers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._subscribers.remove(queue)

    async def close(self) -> None:
        """Stop the timers of all containers."""
        for container in self.containers.values():
            if container.timer is not None:
                container.timer.cancel()

    # Inside

    def _container(self, container_id: str) -> SimulatedContainer:
        if container_id not in self.containers:
            raise NotFound(f'an error occurred when try to find container "{container_id}": not found')
        return self.containers[container_id]

    def _running(self, container_id: str) -> SimulatedContainer:
        container = self._container(container_id)
        if container.status.container.state is not ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} is not running")
        return container

    async def _command_runs(self, container: SimulatedContainer, timeout_seconds: float = 0.0) -> None:
        seconds = container.behaviour.exec_seconds
        if 0 < timeout_seconds < seconds:
            await self._clock.sleep(timeout_seconds)
            raise RuntimeFailure(f"timeout {timeout_seconds:g}s exceeded: context deadline exceeded", "DEADLINE_EXCEEDED")
        if seconds > 0:
            await self._clock.sleep(seconds)

    def _streams(self) -> SimulatedStreams:
        if self.streams is None:
            raise RuntimeFailure("simulated containers have no streams", "UNIMPLEMENTED")
        return self.streams

    def _in(self, sandbox_id: str) -> list[SimulatedContainer]:
        return [container for container in self.containers.values() if container.status.container.sandbox_id == sandbox_id]

    def _live(self, container: SimulatedContainer, started: float, timetable: Iterator[tuple[Line | None, float]]) -> None:
        """Wait for the next thing that the container does by itself, do it, and so on."""
        container.timer = None
        line, at = next(timetable, (None, None))
        if at is None:
            return

        def due() -> None:
            if line is not None:
                container.log.write(line.text, self._clock.now(), line.stream)
                self._live(container, started, timetable)
            else:
                container.timer = None
                self._exited(
                    container,
                    OOM_EXIT if container.behaviour.oom else container.behaviour.exit_code,
                    "OOMKilled" if container.behaviour.oom else "",
                )

        container.timer = self._clock.call_after(started + at - self._clock.monotonic(), due)

    def _exited(self, container: SimulatedContainer, exit_code: int, reason: str = "", message: str = "") -> None:
        if container.timer is not None:
            container.timer.cancel()
            container.timer = None
        reason = reason or ("Completed" if exit_code == 0 else "Error")
        self._set(container, ContainerState.EXITED, finished_at=self._now(), exit_code=exit_code, reason=reason, message=message)
        container.exited.set()
        container.log.end()
        self._publish(EventType.CONTAINER_STOPPED, container.status.container.id, container.status.container.sandbox_id)

    def _set(self, container: SimulatedContainer, state: ContainerState, **changes: object) -> None:
        container.status = replace(container.status, container=replace(container.status.container, state=state), **changes)  # type: ignore[arg-type]

    def _publish(self, type: EventType, container_id: str, sandbox_id: str) -> None:
        event = RuntimeEvent(type, container_id, sandbox_id, self._clock.now().timestamp())
        for queue in self._subscribers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                event = RuntimeEvent(EventType.LOST)
            queue.put_nowait(event)

    def _now(self) -> float:
        """Never the same twice, as a real clock: order of creation can be told from it, unless the clock is set back."""
        now = self._clock.now().timestamp()
        self._stamp = now if self._stamp - now > CLOCK_STEP_SECONDS else max(now, self._stamp + 1e-6)
        return self._stamp

    def _identifier(self) -> str:
        return f"{self._entropy.random.getrandbits(256):064x}"

    def _address(self) -> str:
        """The next address of the node's range, which must not be exhausted before it comes round."""
        base, _, bits = self.pod_cidr.partition("/")
        size = 1 << (32 - (strconv.parse_int(bits) if bits else 24))
        taken = {
            ip for sandbox in self.sandboxes.values() if sandbox.status.sandbox.state is SandboxState.READY for ip in sandbox.status.ips
        }
        a, b, c, d = map(strconv.parse_int, base.split("."))
        start = (a << 24) | (b << 16) | (c << 8) | d
        for _ in range(size):
            number = start + 2 + (next(self._addresses) - 2) % max(size - 3, 1)
            address = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
            if address not in taken:
                return address
        raise RuntimeFailure(f"no IP addresses available in range set: {self.pod_cidr}")


def _wanted(stdin: bool, stdout: bool, stderr: bool, tty: bool) -> frozenset[str]:
    named = (("stdin", stdin), ("stdout", stdout), ("stderr", stderr and not tty))
    return frozenset(name for name, wanted in named if wanted)


def _matches(labels: Mapping[str, str], wanted: Mapping[str, str] | None) -> bool:
    return all(labels.get(key) == value for key, value in (wanted or {}).items())
