"""persistentVolumeClaim: the volume that a claim is bound to (mounts/claims.py)."""

from __future__ import annotations

from pilothouse.kubelet.mounts.claims import claimed, unmount
from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def set_up(place: Place) -> str | None:
    """Set up the claim's volume; gives the path on the node where it is elsewhere.

    Raises VolumeError when the claim is missing or not bound.
    """
    source = place.volume.persistentVolumeClaim
    assert source is not None
    return await claimed(place, source.claimName, readonly=bool(source.readOnly))


PERSISTENT_VOLUME_CLAIM = VolumeKind("persistentVolumeClaim", "kubernetes.io/local-volume", set_up, unmount, owned=False)
