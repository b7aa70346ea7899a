"""ephemeral: the volume of a claim that is the pod's own, made for it and named after both (mounts/claims.py)."""

from __future__ import annotations

from pilothouse.kubelet.mounts.claims import claimed, unmount
from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def set_up(place: Place) -> str | None:
    """Set up the claim's volume; gives the path on the node where it is elsewhere. Raises VolumeError when the claim is not the pod's."""
    return await claimed(place, f"{place.pod.metadata.name}-{place.volume.name}", own=True)


EPHEMERAL = VolumeKind("ephemeral", "kubernetes.io/ephemeral", set_up, unmount, owned=False)
