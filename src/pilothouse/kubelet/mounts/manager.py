"""Volume manager: sets up, refreshes and tears down the volumes of all Pods of the node.

- `prepare` makes every volume of a pod ready, side by side; the first that fails is the VolumeError.
- Volumes whose sources live are set up again when `refresh` is called: on changes of their sources and every so often.
- `release` undoes what the directories on disk show, not what memory does: so it also cleans up after another kubelet's life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from pilothouse.api.types.core_v1 import Pod, Volume
from pilothouse.client.client import Client
from pilothouse.kit import plugins
from pilothouse.kit.clock import Clock
from pilothouse.kubelet import volumes
from pilothouse.kubelet.config import KubeletConfig
from pilothouse.kubelet.host.port import Host, unmount_if_mounted
from pilothouse.kubelet.launch.environment import Objects
from pilothouse.kubelet.launch.errors import ConfigError
from pilothouse.kubelet.mounts.port import Place, StagingError, VolumeError, VolumeKind, failure_text
from pilothouse.kubelet.mounts.staging import StagedVolumes
from pilothouse.kubelet.paths import Paths
from pilothouse.machinery.errors import StatusError


@cache
def kinds() -> dict[str, VolumeKind]:
    """All volume kinds, by their field in the volume source."""
    return {kind.field: kind for kind in plugins.instances(volumes, VolumeKind)}


def kind_of(volume: Volume) -> VolumeKind | None:
    """Kind of a volume; None for one that this kubelet does not support."""
    return next((kind for name, kind in kinds().items() if getattr(volume, name, None) is not None), None)


@dataclass(slots=True)
class Mounted:
    """A mounted volume of a Pod."""

    kind: VolumeKind
    place: Place
    path: str


@dataclass(slots=True)
class PodVolumes:
    """Volumes mounted for one Pod, by name."""

    pod: Pod
    volumes: dict[str, Mounted] = field(default_factory=dict)


class VolumeManager:
    """Sets up, refreshes and tears down all volumes of all pods of this node."""

    def __init__(self, client: Client, objects: Objects, host: Host, clock: Clock, config: KubeletConfig, node_name: str) -> None:
        self._client = client
        self._objects = objects
        self._host = host
        self._clock = clock
        self._config = config
        self._node_name = node_name
        self._paths = Paths(config.root_dir, config.pod_log_dir)
        self._staged = StagedVolumes(host, self._paths, kinds())
        self._pods: dict[str, PodVolumes] = {}
        self.allocatable: dict[str, str] = {}

    async def prepare(self, pod: Pod) -> None:
        """Mount all volumes of the Pod. Raises VolumeError for the first one that cannot be mounted."""
        known = self._pods.setdefault(pod.metadata.uid, PodVolumes(pod))
        known.pod = pod
        results = await asyncio.gather(*(self._set_up(known, volume) for volume in pod.spec.volumes), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def refresh(self, pod: Pod, pod_ips: Sequence[str] = ()) -> None:
        """Update the volumes whose content changes, such as ConfigMaps and tokens."""
        known = self._pods.get(pod.metadata.uid)
        if known is None:
            return
        known.pod = pod
        for mounted in [*known.volumes.values()]:
            if mounted.kind.live:
                mounted.place.pod, mounted.place.pod_ips = pod, pod_ips
                await self._attempt(mounted.kind, mounted.place)

    def path(self, pod: Pod, volume: str) -> str | None:
        """Host path of a mounted volume; None for block devices too."""
        mounted = self._mounted(pod, volume)
        return mounted.path if mounted is not None and not mounted.place.block else None

    def device(self, pod: Pod, volume: str) -> str | None:
        """The block device of a volume of a prepared pod."""
        mounted = self._mounted(pod, volume)
        return mounted.path if mounted is not None and mounted.place.block else None

    def _mounted(self, pod: Pod, volume: str) -> Mounted | None:
        known = self._pods.get(pod.metadata.uid)
        return known.volumes.get(volume) if known is not None else None

    def live_pods(self) -> Iterable[Pod]:
        """Pods with volumes whose content changes."""
        return [known.pod for known in self._pods.values() if any(volume.kind.live for volume in known.volumes.values())]

    async def release(self, uid: str) -> None:
        """Unmount and remove the volumes of a Pod. Raises OSError while something is still in use."""
        await self._undo_subpaths(uid)
        root = self._paths.volumes(uid)
        for plugin in await self._host.list_directory(root):
            for name in await self._host.list_directory(f"{root}/{plugin}"):
                await unmount_if_mounted(self._host, f"{root}/{plugin}/{name}")
        await self._staged.release(uid)
        await self._host.remove_tree(self._paths.pod(uid))
        self._pods.pop(uid, None)

    async def _undo_subpaths(self, uid: str) -> None:
        root = f"{self._paths.pod(uid)}/volume-subpaths"
        for volume in await self._host.list_directory(root):
            for container in await self._host.list_directory(f"{root}/{volume}"):
                for index in await self._host.list_directory(f"{root}/{volume}/{container}"):
                    await unmount_if_mounted(self._host, f"{root}/{volume}/{container}/{index}")

    async def _set_up(self, known: PodVolumes, volume: Volume) -> None:
        mounted = known.volumes.get(volume.name)
        if mounted is None:
            kind = kind_of(volume)
            if kind is None:
                raise VolumeError(f'failed to get Plugin from volumeSpec for volume "{volume.name}" err=no volume plugin matched')
            mounted = Mounted(kind, await self._place(known.pod, volume, kind), "")
            if await self._host.kind(mounted.place.path):
                # Made by the kubelet that ran before this one: owners and modes are the containers' by now.
                mounted.place.memory.update(made=True, grouped=not kind.live)
            known.volumes[volume.name] = mounted  # also when it fails: what it remembers is there at the next attempt
        path = await self._attempt(mounted.kind, mounted.place)
        mounted.path = path or mounted.place.path

    async def _attempt(self, kind: VolumeKind, place: Place) -> str | None:
        try:
            await self._staged.stage(kind, place)
            path = await kind.publish(place)
        except StagingError:
            raise
        except (StatusError, ConfigError, OSError, VolumeError) as error:
            raise VolumeError(failure_text("SetUp", place, error)) from error
        if kind.owned and path is None:
            await place.give_to_group(place.path, live=kind.live)
        return path

    async def _place(self, pod: Pod, volume: Volume, kind: VolumeKind) -> Place:
        path = self._paths.volume(pod.metadata.uid, kind.plugin, volume.name)
        await self._host.make_directory(path.rpartition("/")[0], 0o750)
        return Place(
            pod,
            volume,
            path,
            self._host,
            self._objects,
            self._client,
            self._clock,
            node_name=self._node_name,
            host_ips=self._config.host_ips,
            allocatable=self.allocatable,
        )
