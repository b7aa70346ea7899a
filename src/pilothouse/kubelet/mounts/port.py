"""What a kind of volume is: one file in kubelet/volumes that defines one `VolumeKind`, found by discovery.

- `set_up` makes the volume ready at `place.path` and may be called again at any time: it mends and refreshes.
- A volume that lives by a mount says how to undo it in `tear_down`; the directory itself is removed by the manager.
- What is wrong is a VolumeError in upstream's words; missing optional sources are no error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.api.types.core_v1 import Pod, Volume
from pilothouse.client.client import Client
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.launch.environment import Objects
from pilothouse.kubelet.pods.spec import every_container


class VolumeError(Exception):
    """Why a volume is not there; shown in the event FailedMount."""


@dataclass(slots=True)
class Place:
    """One volume of one pod, and all that a kind may need to make it."""

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
    block: bool = False
    """Set by the kind: `path` is a block device, which containers are given as such."""

    @property
    def fs_group(self) -> int | None:
        """fsGroup of the pod, None when unset."""
        context = self.pod.spec.securityContext
        return context.fsGroup if context is not None else None

    async def give_to_group(self, path: str, *, live: bool = False) -> None:
        """As the pod's fsGroup and its change policy say: once, or each time where the kubelet goes on filling it (`live`)."""
        if self.fs_group is None or self.memory.get("grouped"):
            return
        context = self.pod.spec.securityContext
        lazily = context is not None and context.fsGroupChangePolicy == "OnRootMismatch"
        await self.host.set_group(path, self.fs_group, readonly=live, only_if_root_differs=lazily)
        self.memory["grouped"] = not live

    @property
    def single_user(self) -> int | None:
        """The user that all containers of the pod run as, if they say so and agree."""
        context = self.pod.spec.securityContext
        whole = context.runAsUser if context is not None else None
        users = {
            container.securityContext.runAsUser
            if container.securityContext is not None and container.securityContext.runAsUser is not None
            else whole
            for container in every_container(self.pod)
        }
        return users.pop() if len(users) == 1 else None


@dataclass(slots=True, frozen=True)
class VolumeKind:
    """`field` is the name of its source in `spec.volumes[]`, `plugin` upstream's name of the plugin (it names the directory)."""

    field: str
    plugin: str
    set_up: Callable[[Place], Awaitable[str | None]]
    """None, or the path that containers are to see instead of `place.path`."""
    tear_down: Callable[[Host, str], Awaitable[None]] | None = None
    live: bool = False
    """Its content follows its sources: set up again when they change and every so often."""
    owned: bool = True
    """fsGroup applies to `place.path`."""
