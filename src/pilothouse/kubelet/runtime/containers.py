"""CRI's containers: configuration, status and statistics.

Part of the port to container runtimes (port.py): plain values, names and meanings are CRI's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from pilothouse.kubelet.runtime.sandboxes import Namespaces, Resources, SecurityProfile, SELinux


class ContainerState(Enum):
    """CRI's ContainerState."""

    CREATED = "CONTAINER_CREATED"
    RUNNING = "CONTAINER_RUNNING"
    EXITED = "CONTAINER_EXITED"
    UNKNOWN = "CONTAINER_UNKNOWN"


class Propagation(Enum):
    """CRI's MountPropagation."""

    PRIVATE = "PROPAGATION_PRIVATE"
    HOST_TO_CONTAINER = "PROPAGATION_HOST_TO_CONTAINER"
    BIDIRECTIONAL = "PROPAGATION_BIDIRECTIONAL"


@dataclass(slots=True, frozen=True)
class Mount:
    """CRI's Mount: a path of the host in a container."""

    container_path: str
    host_path: str
    readonly: bool = False
    propagation: Propagation = Propagation.PRIVATE
    selinux_relabel: bool = False


@dataclass(slots=True, frozen=True)
class Device:
    """CRI's Device: a device of the host in a container."""

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
