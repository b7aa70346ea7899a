"""nfs: a mounted export of an NFS server."""

from __future__ import annotations

from pilothouse.kubelet.mounts.port import Place, VolumeKind


async def publish(place: Place) -> None:
    """Mount the export. Raises OSError."""
    source = place.volume.nfs
    assert source is not None
    if not await place.host.is_mounted(place.path):
        options = (f"addr={source.server}", *(("ro",) if source.readOnly else ()))
        await place.host.mount(f"{source.server}:{source.path}", place.path, "nfs", options)


NFS = VolumeKind("nfs", "kubernetes.io/nfs", publish, owned=False)
