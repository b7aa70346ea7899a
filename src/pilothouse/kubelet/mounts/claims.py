"""The volume that a claim is bound to, where that lives on this node (hostPath, local, nfs).

Attaching and CSI are other rooms' work: a volume of such a kind is a FailedMount here.
"""

from __future__ import annotations

from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.mounts.nodepaths import path_of_the_node
from pilothouse.kubelet.mounts.port import Place, VolumeError
from pilothouse.kubelet.pods.spec import every_container

BLOCK, FILESYSTEM = "Block", "Filesystem"


async def claimed(place: Place, name: str, *, own: bool = False, readonly: bool = False) -> str | None:
    """The path on the node, or None when the export is mounted at the volume's own place. `own`: the claim must be the pod's.

    fsGroup applies to local volumes that are not `readonly`, and to no other.
    """
    namespace = place.pod.metadata.namespace
    claim = await place.client.get(PersistentVolumeClaim, name, namespace)
    if own and not _is_of(place, claim):
        pod = place.pod.metadata
        raise VolumeError(f"PVC {namespace}/{name} was not created for pod {pod.namespace}/{pod.name} (pod is not owner)")
    if claim.status.phase != "Bound" or not claim.spec.volumeName:
        raise VolumeError(f"PVC {namespace}/{name} is not bound")
    volume = await place.client.get(PersistentVolume, claim.spec.volumeName)
    reference = volume.spec.claimRef
    if reference is None or reference.uid != claim.metadata.uid:
        raise VolumeError(f"PV {volume.metadata.name} is not bound to claim {namespace}/{name}")
    mode = volume.spec.volumeMode or FILESYSTEM
    _check_use(place, mode)
    if mode == BLOCK:
        place.block = True
        return await _device(place, volume)
    path = await _locate(place, volume)
    if path is not None and volume.spec.local is not None and not readonly:
        await place.host.make_directory(place.path)  # so that the next kubelet knows that this was done
        await place.give_to_group(path)
    return path


def _is_of(place: Place, claim: PersistentVolumeClaim) -> bool:
    return any(owner.controller and owner.uid == place.pod.metadata.uid for owner in claim.metadata.ownerReferences)


def _check_use(place: Place, mode: str) -> None:
    """Block volumes are passed into containers as devices, others are mounted."""
    name = place.volume.name
    for container in every_container(place.pod):
        mounted = any(mount.name == name for mount in container.volumeMounts)
        passed = any(device.name == name for device in container.volumeDevices)
        if (mode == BLOCK and mounted) or (mode != BLOCK and passed):
            field = "volumeMounts" if mounted else "volumeDevices"
            raise VolumeError(f"volume {name} has volumeMode {mode}, but is specified in {field}")


async def _device(place: Place, volume: PersistentVolume) -> str:
    """The block device of a local volume; no other kind that lives on the node has one."""
    if volume.spec.local is None:
        raise VolumeError(f"no volume plugin matched for block volume {volume.metadata.name}")
    path = volume.spec.local.path
    if await place.host.kind(path) != "block":
        raise VolumeError(f'path "{path}" is not a block device')
    return path


async def _locate(place: Place, volume: PersistentVolume) -> str | None:
    spec = volume.spec
    if spec.hostPath is not None:
        return await path_of_the_node(place.host, spec.hostPath)
    if spec.local is not None:
        if not await place.host.kind(spec.local.path):
            raise VolumeError(f'path "{spec.local.path}" does not exist')
        return spec.local.path
    if spec.nfs is not None:
        if not await place.host.is_mounted(place.path):
            await place.host.mount(f"{spec.nfs.server}:{spec.nfs.path}", place.path, "nfs", (f"addr={spec.nfs.server}",))
        return None
    if spec.csi is not None:
        raise VolumeError(no_driver(spec.csi.driver))
    raise VolumeError(f"no volume plugin matched for persistent volume {volume.metadata.name}")


def no_driver(name: str) -> str:
    """What upstream says of a CSI driver that has not registered with the kubelet; with this one none can."""
    driver = f"driver name {name} not found in the list of registered CSI drivers"
    return f"kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: {driver}"


async def unmount(host: Host, path: str) -> None:
    """Unmount the volume at `path` when it is mounted."""
    if await host.is_mounted(path):
        await host.unmount(path)
