"""persistentVolumeClaim: the volume that a claim is bound to, where that lives on this node (hostPath, local, nfs).

Attaching and CSI are other rooms' work: a volume of such a kind is a FailedMount here.
"""

from __future__ import annotations

from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.mounts.port import Place, VolumeError, VolumeKind


async def set_up(place: Place) -> str | None:
    """The path on the node, or None when the export is mounted at the volume's own place."""
    source = place.volume.persistentVolumeClaim
    assert source is not None
    claim = await place.client.get(PersistentVolumeClaim, source.claimName, place.pod.metadata.namespace)
    name = claim.spec.volumeName
    if claim.status.phase != "Bound" or not name:
        raise VolumeError(f"PVC {place.pod.metadata.namespace}/{source.claimName} is not bound")
    volume = await place.client.get(PersistentVolume, name)
    reference = volume.spec.claimRef
    if reference is None or reference.uid != claim.metadata.uid:
        raise VolumeError(f"PV {name} is not bound to claim {place.pod.metadata.namespace}/{source.claimName}")
    return _locate(place, volume)


def _locate(place: Place, volume: PersistentVolume) -> str | None:
    spec = volume.spec
    if spec.hostPath is not None:
        if spec.hostPath.type == "DirectoryOrCreate" or not spec.hostPath.type:
            place.host.make_directory(spec.hostPath.path, 0o755)
        return spec.hostPath.path
    if spec.local is not None:
        if not place.host.kind(spec.local.path):
            raise VolumeError(f'path "{spec.local.path}" does not exist')
        return spec.local.path
    if spec.nfs is not None:
        if not place.host.is_mounted(place.path):
            place.host.mount(f"{spec.nfs.server}:{spec.nfs.path}", place.path, "nfs", (f"addr={spec.nfs.server}",))
        return None
    raise VolumeError(f"no volume plugin matched for persistent volume {volume.metadata.name}")


def tear_down(host: Host, path: str) -> None:
    if host.is_mounted(path):
        host.unmount(path)


PERSISTENT_VOLUME_CLAIM = VolumeKind("persistentVolumeClaim", "kubernetes.io/local-volume", set_up, tear_down, owned=False)
