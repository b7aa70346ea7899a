"""downwardAPI: what a pod is told of itself, as files, which follow it."""

from __future__ import annotations

from pilothouse.kubelet.mounts.files import downward_api_files
from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def publish(place: Place) -> None:
    """Write the files from the pod as it is now."""
    source = place.volume.downwardAPI
    assert source is not None
    await place.host.write_payload(place.path, downward_api_files(place, source.items, source.defaultMode))


DOWNWARD_API = VolumeKind("downwardAPI", "kubernetes.io/downward-api", publish, live=True)
