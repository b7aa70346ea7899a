"""csi: a volume that a driver makes for the pod. No driver can register with this kubelet, which says so in upstream's words."""

from __future__ import annotations

from pilothouse.kubelet.mounts.claims import no_driver
from pilothouse.kubelet.mounts.port import Place, VolumeError, VolumeKind


async def publish(place: Place) -> None:
    """Always raises VolumeError: no driver is registered."""
    source = place.volume.csi
    assert source is not None
    raise VolumeError(no_driver(source.driver))


CSI = VolumeKind("csi", "kubernetes.io/csi", publish)
