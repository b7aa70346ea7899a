"""emptyDir: a directory that lives as long as its pod, on disk or (medium Memory) in memory."""

from __future__ import annotations

from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.mounts.port import Place, VolumeKind
from pilothouse.machinery import quantity


async def set_up(place: Place) -> None:
    source = place.volume.emptyDir
    assert source is not None
    place.host.make_directory(place.path, 0o777)
    if source.medium == "Memory" and not place.host.is_mounted(place.path):
        size = quantity.whole(source.sizeLimit) if source.sizeLimit not in {None, ""} else 0
        place.host.mount_tmpfs(place.path, size, 0o777)
    if "made" not in place.memory:
        place.host.set_mode(place.path, 0o777)
        place.memory["made"] = True


def tear_down(host: Host, path: str) -> None:
    if host.is_mounted(path):
        host.unmount(path)


EMPTY_DIR = VolumeKind("emptyDir", "kubernetes.io/empty-dir", set_up, tear_down)
