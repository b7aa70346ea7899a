"""Services that the workers of all Pods of a node share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pilothouse.api.types.core_v1 import Pod
from pilothouse.client.events import EventRecorder
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.kubelet.cgroups import Cgroups
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.images.manager import ImageManager
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.objects import ReferencedObjects
from pilothouse.kubelet.paths import Paths
from pilothouse.kubelet.pods.observed import Run
from pilothouse.kubelet.pods.publisher import StatusPublisher
from pilothouse.kubelet.pods.status import NodeFacts
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.port import Runtime
from pilothouse.kubelet.runtime.sandboxes import DnsConfig


class Hooks(Protocol):
    """Runs lifecycle handlers (hooks.py)."""

    async def run(self, pod: Pod, container: AnyContainer, run: Run, handler: object, pod_ip: str) -> str:
        """ "" on success, else why it failed."""
        ...


@dataclass(slots=True)
class NodeServices:
    """Services that the workers of all Pods share. `node` and `allocatable` change with the Node; functions are called each time."""

    runtime: Runtime
    clock: Clock
    entropy: Entropy
    config: KubeletConfig
    host: Host
    cgroups: Cgroups
    recorder: EventRecorder
    images: ImageManager
    volumes: VolumeManager
    objects: ReferencedObjects
    publisher: StatusPublisher
    hooks: Hooks
    facts: NodeFacts
    service_environment: Callable[[Pod], Mapping[str, str]]
    allocatable: Mapping[str, str] = field(default_factory=dict)
    host_dns: DnsConfig = field(default_factory=DnsConfig)

    @property
    def paths(self) -> Paths:
        """Paths of this kubelet."""
        return Paths(self.config.root_dir, self.config.pod_log_dir)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now().timestamp()
