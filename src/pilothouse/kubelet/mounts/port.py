"""Interface of a volume kind: one file in kubelet/volumes that defines one `VolumeKind`, found by discovery.

- `publish` makes the volume ready for one pod at `place.path` and may be called again at any time: it mends and refreshes.
- What it mounted at `place.path` is unmounted, and the directory removed, by the manager.
- What is to be made ready on the node first, once for all pods, has `staging` (mounts/staging.py); the manager undoes its mount.
- What is wrong is a VolumeError in upstream's words; missing optional sources are no error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.api.types.core_v1 import PersistentVolume, Pod, Volume
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.launch.environment import Objects
from pilothouse.kubelet.pods.spec import every_container


class VolumeError(Exception):
    """A volume cannot be mounted; the text is shown in the event FailedMount."""


class StagingError(VolumeError):
    """A volume cannot be staged on the node."""


@dataclass(slots=True)
class Place:
    """One volume of one Pod, with all that a volume kind may need."""

    pod: Pod
    volume: Volume
    path: str
    """The directory that the kind is to fill, or where its mount goes; its parent exists."""
    host: Host
    objects: Objects
    client: Client
    clock: Clock
    node_name: str = ""
    host_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    """What the kind wants to remember between calls for this volume (tokens and when they expire)."""
    pod_ips: Sequence[str] = ()
    persistent_volume: PersistentVolume | None = None
    """Set by the kind: what the pod's claim is bound to."""
    staged: str = ""
    """Where the volume is mounted for all pods of the node, if it was staged."""
    block: bool = False
    """Set by the kind: `path` is a block device, which containers are given as such."""

    @property
    def fs_group(self) -> int | None:
        """fsGroup of the pod, None when unset."""
        context = self.pod.spec.securityContext
        return context.fsGroup if context is not None else None

    async def give_to_group(self, path: str, *, live: bool = False) -> None:
        """Set ownership by fsGroup and fsGroupChangePolicy; each time for volumes that the kubelet updates (`live`)."""
        if self.fs_group is None or self.memory.get("grouped"):
            return
        context = self.pod.spec.securityContext
        lazily = context is not None and context.fsGroupChangePolicy == "OnRootMismatch"
        await self.host.set_group(path, self.fs_group, readonly=live, only_if_root_differs=lazily)
        self.memory["grouped"] = not live

    @property
    def single_user(self) -> int | None:
        """The runAsUser of all containers if they agree, else None."""
        context = self.pod.spec.securityContext
        whole = context.runAsUser if context is not None else None
        users = {
            container.securityContext.runAsUser
            if container.securityContext is not None and container.securityContext.runAsUser is not None
            else whole
            for container in every_container(self.pod)
        }
        return users.pop() if len(users) == 1 else None


def reason_of(error: Exception) -> str:
    """Text of an error; OSErrors include the path."""
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)


def failure_text(operation: str, place: Place, error: Exception) -> str:
    """Upstream's message, with the name of the persistent volume, else that of the Pod's volume."""
    volume = place.persistent_volume
    name = volume.metadata.name if volume is not None else place.volume.name
    return f'MountVolume.{operation} failed for volume "{name}" : {reason_of(error)}'


@dataclass(slots=True, frozen=True)
class VolumeStaging:
    """How a volume is staged on the node before it is published to Pods."""

    name: Callable[[Place], Awaitable[str]]
    """Names the volume, a file name that no other volume of the plugin has; "" where this one needs no staging."""
    stage: Callable[[Place, str], Awaitable[None]]
    """Mount it at the path, an empty directory."""


@dataclass(slots=True, frozen=True)
class VolumeKind:
    """A volume kind. `field` is its source in `spec.volumes[]`, `plugin` the name of upstream's plugin, which names the directory."""

    field: str
    plugin: str
    publish: Callable[[Place], Awaitable[str | None]]
    """None, or the path that containers are to see instead of `place.path`."""
    staging: VolumeStaging | None = None
    live: bool = False
    """Its content follows its sources: set up again when they change and every so often."""
    owned: bool = True
    """fsGroup applies to `place.path`."""
