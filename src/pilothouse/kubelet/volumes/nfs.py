"""nfs: an export of an NFS server, mounted."""

from __future__ import annotations

from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def publish(place: Place) -> None:
    """Mount the export. Raises OSError."""
    source = place.volume.nfs
    assert source is not None
    if not await place.host.is_mounted(place.path):
        options = (f"addr={source.server}", *(("ro",) if source.readOnly else ()))
        await place.host.mount(f"{source.server}:{source.path}", place.path, "nfs", options)


async def unpublish(host: Host, path: str) -> None:
    """Unmount the export."""
    if await host.is_mounted(path):
        await host.unmount(path)


NFS = VolumeKind("nfs", "kubernetes.io/nfs", publish, unpublish, owned=False)
