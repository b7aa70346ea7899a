"""The port between the kubelet and whatever runs containers: the calls, errors and events of CRI (`runtime.v1`).

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
    """The runtime refused or failed; `str()` is its message, as events and statuses show it. `code` is gRPC's, "" on this side of it."""

    def __init__(self, message: str, code: str = "UNKNOWN") -> None:
        super().__init__(message)
        self.code = code

    @property
    def status_text(self) -> str:
        """The message with its code, as Go prints an error of gRPC (there NOT_FOUND is NotFound)."""
        if not self.code:
            return str(self)
        name = "".join(word.capitalize() for word in self.code.split("_"))
        return f"rpc error: code = {name} desc = {self}"


class NotFound(RuntimeFailure):
    """No such sandbox, container or image."""

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
    """CRI's ContainerEventType, with what the runtime tells beyond it."""

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
    """Something happened. `sandbox_id` may be "" where the runtime does not tell it with the container's id."""

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
        """The id of a sandbox that is READY, its network set up."""
        ...

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Also kills its containers and takes its network down."""
        ...

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Also removes its containers."""
        ...

    async def list_pod_sandboxes(self, sandbox_id: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Sandbox]:
        """Sandboxes with this id (empty: any) and all of these labels."""

    async def pod_sandbox_status(self, sandbox_id: str) -> SandboxStatus:
        """Status of a sandbox. Raises NotFound."""

    # Containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox_config: SandboxConfig) -> str:
        """Create a container in a sandbox and give its id; it does not run yet."""

    async def start_container(self, container_id: str) -> None:
        """Start a container that was created."""

    async def stop_container(self, container_id: str, timeout_seconds: float) -> None:
        """The stop signal, SIGKILL after the timeout; returns when the container has exited."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Kills it first when it runs."""
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
        """Runs to its end; a timeout (0: none) is RuntimeFailure with code DEADLINE_EXCEEDED."""
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
        """None when it is not present; `image` is a reference or an id."""
        ...

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> str:
        """The id (or digest reference) of what was pulled."""
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
        """Release the connection; nothing may be called afterwards."""
