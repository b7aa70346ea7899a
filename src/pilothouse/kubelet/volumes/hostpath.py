"""hostPath: a path of the node (mounts/nodepaths.py)."""

from __future__ import annotations

from pilothouse.kubelet.mounts.nodepaths import path_of_the_node
from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def publish(place: Place) -> str:
    """Path on the node. Raises VolumeError when it is not of the volume's type."""
    source = place.volume.hostPath
    assert source is not None
    return await path_of_the_node(place.host, source)


HOST_PATH = VolumeKind("hostPath", "kubernetes.io/host-path", publish, owned=False)
