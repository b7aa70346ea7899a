"""persistentVolumeClaim: the volume that a claim is bound to (mounts/claims.py)."""

from __future__ import annotations

from pilothouse.kubelet.mounts.claims import claimed, find, stage
from pilothouse.kubelet.mounts.port import Place, VolumeKind, VolumeStaging


async def name(place: Place) -> str:
    """The name under which the claim's volume is staged, if it is. Raises VolumeError when the claim is missing or not bound."""
    source = place.volume.persistentVolumeClaim
    assert source is not None
    return await find(place, source.claimName)


async def publish(place: Place) -> str | None:
    """The path of the claim's volume on the node where it is elsewhere than at its own place. Raises VolumeError, OSError."""
    source = place.volume.persistentVolumeClaim
    assert source is not None
    return await claimed(place, readonly=bool(source.readOnly))


PERSISTENT_VOLUME_CLAIM = VolumeKind(
    "persistentVolumeClaim", "kubernetes.io/local-volume", publish, staging=VolumeStaging(name, stage), owned=False
)
