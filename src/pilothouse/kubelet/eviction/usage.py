"""Usage of Pods by eviction resource: memory, disk (bytes or inodes) and processes.

A pod's disk is its containers' writable layers and logs, and its emptyDirs. Where images and layers have a filesystem of their own,
only what lies on the short one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.cgroups import Cgroups
from pilothouse.kubelet.eviction import limits
from pilothouse.kubelet.eviction.limits import Disk
from pilothouse.kubelet.eviction.ranking import Usage
from pilothouse.kubelet.eviction.signals import INODES, MEMORY, PIDS
from pilothouse.kubelet.host.port import Host, TreeUsage
from pilothouse.kubelet.launch.resources import cgroup_path
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.paths import Paths
from pilothouse.kubelet.pods.identity import CONTAINER_NAME, POD_UID
from pilothouse.kubelet.runtime.containers import ContainerStats
from pilothouse.kubelet.runtime.port import Runtime

LAYERS, FILES = "layers", "files"
"""The two parts of a pod's disk: its containers' writable layers; its logs and emptyDirs."""


class PodUsage:
    """Measures the usage of Pods."""

    def __init__(self, runtime: Runtime, host: Host, cgroups: Cgroups, volumes: VolumeManager, paths: Paths, cgroup_root: str) -> None:
        self._runtime = runtime
        self._host = host
        self._cgroups = cgroups
        self._volumes = volumes
        self._paths = paths
        self._cgroup_root = cgroup_root

    async def of(self, resource: str, pods: Sequence[Pod], parts: Iterable[str] = (LAYERS, FILES)) -> dict[str, Usage]:
        """Usage of a resource by uid. `parts` are the parts of disk usage that count."""
        if resource == PIDS:
            return {pod.metadata.uid: Usage(volumes=await self._processes(pod)) for pod in pods}
        containers = await self._by_container(resource) if resource == MEMORY or LAYERS in parts else {}
        if resource == MEMORY or FILES not in parts:
            return containers
        by_uid = {}
        for pod in pods:
            names = [volume.name for volume in limits.volumes_on_disk(pod)]
            disk = await self.disk(pod, containers.get(pod.metadata.uid, Usage()), names, logs=True, inodes=resource == INODES)
            by_uid[pod.metadata.uid] = Usage(disk.containers, sum(disk.volumes.values()))
        return by_uid

    async def layers(self) -> dict[str, Usage]:
        """Bytes of containers' writable layers, by uid."""
        return await self._by_container(limits.STORAGE)

    async def disk(self, pod: Pod, layers: Usage, volumes: Iterable[str], *, logs: bool, inodes: bool = False) -> Disk:
        """Disk usage of the given volumes and, with `logs`, of each container's writable layer and log; in bytes or inodes."""

        def amount(usage: TreeUsage) -> int:
            return usage.inodes if inodes else usage.bytes

        disk = Disk()
        for name in volumes:
            path = self._volumes.path(pod, name)
            disk.volumes[name] = amount(await self._host.tree_usage(path)) if path is not None else 0
        for container in (*pod.spec.initContainers, *pod.spec.containers) if logs else ():
            folder = f"{self._paths.pod_logs(pod)}/{container.name}"
            disk.containers[container.name] = layers.containers.get(container.name, 0) + amount(await self._host.tree_usage(folder))
        return disk

    async def _processes(self, pod: Pod) -> int:
        try:
            return await self._cgroups.processes(cgroup_path(pod, self._cgroup_root))
        except OSError:
            return 0

    async def _by_container(self, resource: str) -> dict[str, Usage]:
        def amount(stats: ContainerStats) -> int:
            used = {MEMORY: stats.memory_working_set, INODES: stats.filesystem_inodes}
            return used.get(resource, stats.filesystem_used)

        by_uid: dict[str, Usage] = {}
        for stats in await self._runtime.list_container_stats():
            labels = stats.container.labels
            by_uid.setdefault(labels.get(POD_UID, ""), Usage()).containers[labels.get(CONTAINER_NAME, "")] = amount(stats)
        return by_uid
