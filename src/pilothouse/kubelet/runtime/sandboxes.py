"""CRI's pod sandboxes, and settings shared with containers: namespaces, security profiles, resources.

Part of the port to container runtimes (port.py): plain values, names and meanings are CRI's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class SandboxState(Enum):
    """CRI's PodSandboxState."""

    READY = "SANDBOX_READY"
    NOTREADY = "SANDBOX_NOTREADY"


class NamespaceMode(Enum):
    """CRI's NamespaceMode."""

    POD = "POD"
    CONTAINER = "CONTAINER"
    NODE = "NODE"
    TARGET = "TARGET"


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
    """CRI's SELinuxOption."""

    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


@dataclass(slots=True, frozen=True)
class PortMapping:
    """CRI's PortMapping: a port of the sandbox on the node."""

    container_port: int
    host_port: int = 0
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(slots=True, frozen=True)
class DnsConfig:
    """CRI's DNSConfig. A sandbox without one gets the host's resolv.conf."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class SandboxSecurity:
    """CRI's LinuxSandboxSecurityContext."""

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
