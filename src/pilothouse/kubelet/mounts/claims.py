"""Volumes of PersistentVolumeClaims, as far as this node can mount them (hostPath, local, nfs).

A local volume that is a block device with a filesystem is staged: formatted if it bears nothing, and mounted once for all pods.

Attaching and CSI are other rooms' work: a volume of such a kind is a FailedMount here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core_v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.kubelet.host.port import Host
from pilothouse.kubelet.mounts.nodepaths import path_of_the_node
from pilothouse.kubelet.mounts.port import Place, VolumeError, reason_of
from pilothouse.kubelet.pods.spec import every_container

BLOCK, FILESYSTEM = "Block", "Filesystem"
DEFAULT_FILESYSTEM = "ext4"


async def find(place: Place, name: str, *, own: bool = False) -> str:
    """Look up the claim and its volume, and set `place.persistent_volume`. `own`: the claim must belong to the Pod.

    Returns under which name the volume is staged; "" where it need not be.
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
    place.persistent_volume = volume
    _check_use(place, _mode_of(volume))
    local = volume.spec.local
    if local is None or _mode_of(volume) == BLOCK or await place.host.kind(local.path) != "block":
        return ""
    return volume.metadata.name


async def stage(place: Place, path: str) -> None:
    """Mount the filesystem of a local volume's block device at `path`; an empty device is formatted, as ext4 by default."""
    volume = place.persistent_volume
    assert volume is not None
    assert volume.spec.local is not None
    device, wanted = volume.spec.local.path, volume.spec.local.fsType or ""
    try:
        await _format_and_mount(place.host, device, path, wanted, volume.spec.mountOptions)
    except (OSError, VolumeError) as error:
        raise VolumeError(f"local: failed to mount device {device} at {path} (fstype: {wanted}), error {reason_of(error)}") from error


async def _format_and_mount(host: Host, device: str, path: str, wanted: str, options: Sequence[str]) -> None:
    there = await host.filesystem(device)
    if not there:
        if "ro" in options:
            raise VolumeError(f"cannot mount unformatted disk {device} as we are manipulating it in read-only mode")
        await host.format(device, wanted or DEFAULT_FILESYSTEM)
    await host.mount(device, path, wanted or DEFAULT_FILESYSTEM, options)


async def claimed(place: Place, *, readonly: bool = False) -> str | None:
    """Path on the node of the volume that `find` found; None when it is mounted at the Pod's volume directory.

    fsGroup applies to local volumes that are not `readonly`, and to no other.
    """
    volume = place.persistent_volume
    assert volume is not None
    if _mode_of(volume) == BLOCK:
        place.block = True
        return await _device(place, volume)
    path = await _locate(place, volume)
    if path is not None and volume.spec.local is not None and not readonly:
        await place.host.make_directory(place.path)  # so that the next kubelet knows that this was done
        await place.give_to_group(path)
    return path


def _mode_of(volume: PersistentVolume) -> str:
    return volume.spec.volumeMode or FILESYSTEM


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
    if place.staged:
        return place.staged
    if spec.local is not None:
        if not await place.host.kind(spec.local.path):
            raise VolumeError(f'path "{spec.local.path}" does not exist')
        return spec.local.path
    if spec.nfs is not None:
        if not await place.host.is_mounted(place.path):
            options = (f"addr={spec.nfs.server}", *(("ro",) if spec.nfs.readOnly else ()), *spec.mountOptions)
            await place.host.mount(f"{spec.nfs.server}:{spec.nfs.path}", place.path, "nfs", options)
        return None
    if spec.csi is not None:
        raise VolumeError(no_driver(spec.csi.driver))
    raise VolumeError(f"no volume plugin matched for persistent volume {volume.metadata.name}")


def no_driver(name: str) -> str:
    """Upstream's message for a CSI driver that is not registered with the kubelet; none can register here."""
    driver = f"driver name {name} not found in the list of registered CSI drivers"
    return f"kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: {driver}"
