"""emptyDir: a directory that lives as long as its pod, on disk or (medium Memory) in memory, as much as its pod may have."""

from __future__ import annotations

from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.launch.resources import pod_cgroup
from pilothouse.kubelet.mounts.port import Place, VolumeKind
from pilothouse.machinery import quantity


async def set_up(place: Place) -> None:
    source = place.volume.emptyDir
    assert source is not None
    place.host.make_directory(place.path, 0o777)
    if source.medium == "Memory" and not place.host.is_mounted(place.path):
        place.host.mount_tmpfs(place.path, _memory(place), 0o777)
    if "made" not in place.memory:
        place.host.set_mode(place.path, 0o777)
        place.memory["made"] = True


def _memory(place: Place) -> int:
    """The least of what the volume, the pod and the node allow: the pod could fill no more. 0: nobody says."""
    source = place.volume.emptyDir
    own = quantity.whole(source.sizeLimit) if source is not None and source.sizeLimit else 0
    node = quantity.whole(place.allocatable.get("memory", 0))
    return min((one for one in (own, pod_cgroup(place.pod).memory_limit, node) if one > 0), default=0)


def tear_down(host: Host, path: str) -> None:
    if host.is_mounted(path):
        host.unmount(path)


EMPTY_DIR = VolumeKind("emptyDir", "kubernetes.io/empty-dir", set_up, tear_down)
