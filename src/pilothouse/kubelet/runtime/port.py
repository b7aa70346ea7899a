"""The port between the kubelet and whatever runs containers: CRI (`runtime.v1`) in plain dataclasses.

- Names and meanings are CRI's; times are seconds since the epoch as float (0.0 means never), sizes are bytes.
- Every call is idempotent where CRI's is: stopping or removing what is gone succeeds.
- Failures are `RuntimeFailure`; something asked for by id that does not exist is `NotFound`.
- `events()` tells of changes that nobody asked for (a container that exits) and of those asked for; a consumer must
  list again when it (re)starts, since events of the past are not repeated.

Implementations: runtime/simulated.py (virtual, deterministic), runtime/cri.py (gRPC).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


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


class SandboxState(Enum):
    READY = "SANDBOX_READY"
    NOTREADY = "SANDBOX_NOTREADY"


class ContainerState(Enum):
    CREATED = "CONTAINER_CREATED"
    RUNNING = "CONTAINER_RUNNING"
    EXITED = "CONTAINER_EXITED"
    UNKNOWN = "CONTAINER_UNKNOWN"


class NamespaceMode(Enum):
    POD = "POD"
    CONTAINER = "CONTAINER"
    NODE = "NODE"
    TARGET = "TARGET"


class Propagation(Enum):
    PRIVATE = "PROPAGATION_PRIVATE"
    HOST_TO_CONTAINER = "PROPAGATION_HOST_TO_CONTAINER"
    BIDIRECTIONAL = "PROPAGATION_BIDIRECTIONAL"


@dataclass(slots=True, frozen=True)
class Namespaces:
    """Which namespaces are shared; `target` is a container id when pid is TARGET."""

    network: NamespaceMode = NamespaceMode.POD
    pid: NamespaceMode = NamespaceMode.CONTAINER
    ipc: NamespaceMode = NamespaceMode.POD
    target: str = ""


@dataclass(slots=True, frozen=True)
class SecurityProfile:
    """seccomp or AppArmor: `kind` is RuntimeDefault, Unconfined or Localhost (then `path` names the profile)."""

    kind: str = "Unconfined"
    path: str = ""


@dataclass(slots=True, frozen=True)
class SELinux:
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


@dataclass(slots=True, frozen=True)
class PortMapping:
    container_port: int
    host_port: int = 0
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(slots=True, frozen=True)
class DnsConfig:
    """None of a `DnsConfig` in a sandbox means: the runtime copies the host's resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class SandboxSecurity:
    namespaces: Namespaces = field(default_factory=Namespaces)
    privileged: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: Sequence[int] = ()
    readonly_rootfs: bool = False
    seccomp: SecurityProfile | None = None
    apparmor: SecurityProfile | None = None
    selinux: SELinux | None = None
    supplemental_groups_policy: str = ""
    """Merge or Strict; "" is the runtime's own."""
    user_namespace: bool = False
    """Root in the pod is to be nobody outside of it."""


@dataclass(slots=True)
class Resources:
    """LinuxContainerResources; zero means unset. `unified` and `hugepages` map names to values (bytes for hugepages)."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory_limit: int = 0
    memory_swap_limit: int = 0
    """Of memory and swap together, on v1."""
    oom_score_adj: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    hugepages: Mapping[str, int] = field(default_factory=dict)
    unified: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class SandboxConfig:
    """PodSandboxConfig."""

    name: str
    uid: str
    namespace: str
    attempt: int = 0
    hostname: str = ""
    log_directory: str = ""
    dns: DnsConfig | None = None
    ports: Sequence[PortMapping] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cgroup_parent: str = ""
    security: SandboxSecurity = field(default_factory=SandboxSecurity)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    resources: Resources | None = None
    overhead: Resources | None = None


@dataclass(slots=True, frozen=True)
class Sandbox:
    """What a listing tells of a pod sandbox."""

    id: str
    name: str
    uid: str
    namespace: str
    attempt: int
    state: SandboxState
    created_at: float
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    runtime_handler: str = ""


@dataclass(slots=True, frozen=True)
class SandboxStatus:
    """`ips` is empty for a sandbox in the node's network."""

    sandbox: Sandbox
    ips: tuple[str, ...] = ()
    namespaces: Namespaces = field(default_factory=Namespaces)


@dataclass(slots=True, frozen=True)
class Mount:
    container_path: str
    host_path: str
    readonly: bool = False
    propagation: Propagation = Propagation.PRIVATE
    selinux_relabel: bool = False


@dataclass(slots=True, frozen=True)
class Device:
    container_path: str
    host_path: str
    permissions: str = "rwm"


@dataclass(slots=True)
class ContainerSecurity:
    """LinuxContainerSecurityContext; `masked_paths` and `readonly_paths` None means the runtime's defaults."""

    namespaces: Namespaces = field(default_factory=Namespaces)
    privileged: bool = False
    run_as_user: int | None = None
    run_as_username: str = ""
    run_as_group: int | None = None
    supplemental_groups: Sequence[int] = ()
    supplemental_groups_policy: str = ""
    readonly_rootfs: bool = False
    no_new_privileges: bool = False
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()
    seccomp: SecurityProfile | None = None
    apparmor: SecurityProfile | None = None
    selinux: SELinux | None = None
    masked_paths: Sequence[str] | None = None
    readonly_paths: Sequence[str] | None = None


@dataclass(slots=True)
class ContainerConfig:
    """ContainerConfig. `image` is what to run (an id or a reference that is present); `log_path` is relative to the
    sandbox's log directory."""

    name: str
    image: str
    attempt: int = 0
    user_image: str = ""
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    working_dir: str = ""
    env: Sequence[tuple[str, str]] = ()
    mounts: Sequence[Mount] = ()
    devices: Sequence[Device] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: Resources = field(default_factory=Resources)
    security: ContainerSecurity = field(default_factory=ContainerSecurity)


@dataclass(slots=True, frozen=True)
class Container:
    """What a listing tells of a container."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    state: ContainerState
    created_at: float
    image: str = ""
    image_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class ContainerStatus:
    """`reason` and `message` are the runtime's own (OOMKilled, Completed, Error, StartError ...); `image` is the
    reference and `image_id` the id (or repo digest) of what it runs; `log_path` is absolute."""

    container: Container
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""
    mounts: Sequence[Mount] = ()
    pid: int = 0


@dataclass(slots=True, frozen=True)
class Image:
    """`user` is the image's own numeric user (None when not numeric or unset), `username` the non-numeric one."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: int | None = None
    username: str = ""
    pinned: bool = False


@dataclass(slots=True, frozen=True)
class Credentials:
    """AuthConfig of a pull."""

    username: str = ""
    password: str = ""
    auth: str = ""
    identity_token: str = ""
    registry_token: str = ""


@dataclass(slots=True, frozen=True)
class ExecResult:
    """What a command in a container has written, and its exit code."""

    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(slots=True, frozen=True)
class ContainerStats:
    """Usage of one running container; cpu is cumulative core-nanoseconds; zero where the runtime does not know."""

    container: Container
    timestamp: float
    cpu_usage_nanoseconds: int = 0
    memory_working_set: int = 0
    memory_usage: int = 0
    memory_rss: int = 0
    filesystem_used: int = 0
    filesystem_inodes: int = 0


@dataclass(slots=True, frozen=True)
class FilesystemUsage:
    """The filesystem that holds images (`mountpoint`), and what images take of it."""

    mountpoint: str
    used: int = 0
    inodes_used: int = 0


@dataclass(slots=True, frozen=True)
class RuntimeVersion:
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
