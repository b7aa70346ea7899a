"""csi: inline CSI volumes. No driver can register with this kubelet, so they fail with upstream's message."""

from __future__ import annotations

from pilothouse.kubelet.mounts.claims import no_driver
from pilothouse.kubelet.mounts.port import Place, VolumeError, VolumeKind


async def publish(place: Place) -> None:
    """Always raises VolumeError: no driver is registered."""
    source = place.volume.csi
    assert source is not None
    raise VolumeError(no_driver(source.driver))


CSI = VolumeKind("csi", "kubernetes.io/csi", publish)
