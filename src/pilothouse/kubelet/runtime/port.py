"""Interface between the kubelet and a container runtime: the calls, errors and events of CRI (`runtime.v1`).

- Names and meanings are CRI's; times are seconds since the epoch as float (0.0 means never), sizes are bytes.
- Every call is idempotent where CRI's is: stopping or removing what is gone succeeds.
- Failures are `RuntimeFailure`; something asked for by id that does not exist is `NotFound`.
- `events()` tells of changes that nobody asked for (a container that exits) and of those asked for; a consumer must
  list again when it (re)starts, since events of the past are not repeated.

What the calls take and give: sandboxes.py, containers.py, images.py.
Implementations: runtime/simulated.py (virtual, deterministic), runtime/cri.py (gRPC).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pilothouse.kubelet.runtime.containers import Container, ContainerConfig, ContainerStats, ContainerStatus, ExecResult
from pilothouse.kubelet.runtime.images import Credentials, FilesystemUsage, Image
from pilothouse.kubelet.runtime.sandboxes import Resources, Sandbox, SandboxConfig, SandboxStatus


class RuntimeFailure(Exception):
    """A call to the runtime failed; the text is its message, `code` gRPC's code or ""."""

    def __init__(self, message: str, code: str = "UNKNOWN") -> None:
        super().__init__(message)
        self.code = code

    @property
    def status_text(self) -> str:
        """Message with the gRPC code, as Go prints it (NOT_FOUND is NotFound)."""
        if not self.code:
            return str(self)
        name = "".join(word.capitalize() for word in self.code.split("_"))
        return f"rpc error: code = {name} desc = {self}"


class NotFound(RuntimeFailure):
    """The sandbox, container or image does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "NOT_FOUND")


@dataclass(slots=True, frozen=True)
class RuntimeVersion:
    """Name and version of the container runtime, for `node.status.nodeInfo.containerRuntimeVersion`."""

    name: str
    version: str
    api_version: str = "v1"


@dataclass(slots=True, frozen=True)
class RuntimeCondition:
    """RuntimeReady or NetworkReady."""

    type: str
    status: bool
    reason: str = ""
    message: str = ""


class EventType(Enum):
    """CRI's ContainerEventType, and LOST."""

    CONTAINER_CREATED = "CONTAINER_CREATED_EVENT"
    CONTAINER_STARTED = "CONTAINER_STARTED_EVENT"
    CONTAINER_STOPPED = "CONTAINER_STOPPED_EVENT"
    CONTAINER_DELETED = "CONTAINER_DELETED_EVENT"
    CONTAINER_OOM = "CONTAINER_OOM_EVENT"
    SANDBOX_STOPPED = "SANDBOX_STOPPED_EVENT"
    LOST = "LOST"
    """Events may have been missed (the stream broke and is mended): list everything again. No ids."""


@dataclass(slots=True, frozen=True)
class RuntimeEvent:
    """An event of the runtime. `sandbox_id` is "" when the runtime does not report it."""

    type: EventType
    container_id: str = ""
    sandbox_id: str = ""
    at: float = 0.0


class Runtime(Protocol):
    """RuntimeService and ImageService of CRI."""

    supplemental_groups_policy: bool
    """Whether containers can be kept from groups that only their image gives them, as the last `status` said."""

    async def version(self) -> RuntimeVersion:
        """Name and version of the runtime."""

    async def status(self) -> Sequence[RuntimeCondition]:
        """Conditions of the runtime: RuntimeReady, NetworkReady."""

    async def update_runtime_config(self, pod_cidr: str) -> None:
        """Tell the runtime the node's pod range."""

    # Pod sandboxes

    async def run_pod_sandbox(self, config: SandboxConfig, runtime_handler: str = "") -> str:
        """Create and start a sandbox with its network; returns its id."""
        ...

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop a sandbox: kill its containers, and tear down its network."""
        ...

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Remove a sandbox with its containers."""
        ...

    async def list_pod_sandboxes(self, sandbox_id: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Sandbox]:
        """Sandboxes with this id (empty: any) and all of these labels."""

    async def pod_sandbox_status(self, sandbox_id: str) -> SandboxStatus:
        """Status of a sandbox. Raises NotFound."""

    # Containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox_config: SandboxConfig) -> str:
        """Create a container in a sandbox without starting it; returns its id."""

    async def start_container(self, container_id: str) -> None:
        """Start a container that was created."""

    async def stop_container(self, container_id: str, timeout_seconds: float) -> None:
        """Send the stop signal, and SIGKILL after the timeout; returns when the container has exited."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Remove a container, killing it first when it runs."""
        ...

    async def list_containers(self, sandbox_id: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Container]:
        """Containers in this sandbox (empty: any) with all of these labels."""

    async def container_status(self, container_id: str) -> ContainerStatus:
        """Status of a container. Raises NotFound."""

    async def update_container_resources(self, container_id: str, resources: Resources) -> None:
        """Change the limits of a container."""

    async def reopen_container_log(self, container_id: str) -> None:
        """Have the runtime open the container's log file again, after the old one was renamed."""

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_seconds: float = 0.0) -> ExecResult:
        """Run a command to its end. A timeout (0: none) is a RuntimeFailure with code DEADLINE_EXCEEDED."""
        ...

    # Streaming: the URL of the runtime's streaming server (SPDY), good for one connection.

    async def exec_url(self, container_id: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """URL of a stream to a command that starts when a client connects."""

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """URL of a stream to the container's own process."""

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int] = ()) -> str:
        """URL of a stream to ports of the sandbox."""

    # Statistics

    async def container_stats(self, container_id: str) -> ContainerStats:
        """Usage of a container. Raises NotFound."""

    async def list_container_stats(self, sandbox_id: str = "") -> Sequence[ContainerStats]:
        """Usage of the running containers of this sandbox (empty: of all)."""

    # Images

    async def list_images(self) -> Sequence[Image]:
        """All images."""

    async def image_status(self, image: str) -> Image | None:
        """An image by reference or id; None when it is not present."""
        ...

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> str:
        """Pull an image; returns its id or digest reference."""
        ...

    async def remove_image(self, image: str) -> None:
        """Remove an image; one that is gone is no error."""

    async def image_filesystem(self) -> Sequence[FilesystemUsage]:
        """Usage of the file systems that hold images."""

    # Events

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """Changes from the moment of the first step of the iteration on; never ends by itself. An implementation mends a
        broken stream itself and then yields LOST. At most a stated number is buffered; overflow yields LOST too."""
        ...

    async def close(self) -> None:
        """Close the connection; no call may follow."""
