"""Mounts of a container: volumes, /etc/hosts, and the file of its termination message.

- subPath is resolved inside of its volume: a link that leads out of it is refused.
- What a subPath names and is not there is made as a directory, unless the volume is read-only.
"""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core_v1 import Pod, VolumeMount
from pilothouse.kubelet.host.port import Host, unmount_if_mounted
from pilothouse.kubelet.launch.errors import ConfigError, LaunchError
from pilothouse.kubelet.launch.expansion import expand
from pilothouse.kubelet.mounts.manager import VolumeManager
from pilothouse.kubelet.paths import Paths
from pilothouse.kubelet.pods.steps import AnyContainer
from pilothouse.kubelet.runtime.containers import Device, Mount, Propagation

ETC_HOSTS = "/etc/hosts"
PROPAGATIONS = {"HostToContainer": Propagation.HOST_TO_CONTAINER, "Bidirectional": Propagation.BIDIRECTIONAL}


async def container_mounts(
    pod: Pod, container: AnyContainer, attempt: int, volumes: VolumeManager, host: Host, paths: Paths, values: Mapping[str, str]
) -> list[Mount]:
    """Mounts of a container, after making what they need on the host. `values` is its environment, for subPathExpr."""
    mounts = [await _volume_mount(pod, container, place, volumes, host, paths, values) for place in range(len(container.volumeMounts))]
    taken = {mount.container_path for mount in mounts}
    if ETC_HOSTS not in taken:
        mounts.append(Mount(ETC_HOSTS, paths.hosts(pod.metadata.uid)))
    if container.terminationMessagePath and container.terminationMessagePath not in taken:
        directory = paths.container(pod.metadata.uid, container.name)
        path = message_path(paths, pod.metadata.uid, container.name, attempt)
        await host.make_directory(directory, 0o750)
        await host.write_file(path, b"", 0o666)
        mounts.append(Mount(container.terminationMessagePath, path))
    return mounts


def container_devices(pod: Pod, container: AnyContainer, volumes: VolumeManager) -> list[Device]:
    """Block devices of a container (volumeDevices)."""
    devices = []
    for wanted in container.volumeDevices:
        source = volumes.device(pod, wanted.name)
        if source is None:
            raise ConfigError(f'cannot find volume "{wanted.name}" to pass into container "{container.name}"')
        devices.append(Device(wanted.devicePath, source, "r" if _is_read_only(pod, wanted.name) else "mrw"))
    return devices


def message_path(paths: Paths, uid: str, container: str, attempt: int) -> str:
    """Path of the termination message file of one attempt."""
    return f"{paths.container(uid, container)}/{attempt}"


async def _volume_mount(
    pod: Pod, container: AnyContainer, index: int, volumes: VolumeManager, host: Host, paths: Paths, values: Mapping[str, str]
) -> Mount:
    mount = container.volumeMounts[index]
    source = volumes.path(pod, mount.name)
    if source is None:
        raise ConfigError(f'cannot find volume "{mount.name}" to mount into container "{container.name}"')
    if mount.recursiveReadOnly == "Enabled":
        text = f'volume "{mount.name}" requested recursive read-only mode, but it is not supported by the runtime'
        raise ConfigError(f"failed to resolve recursive read-only mode: {text}")
    sub = _sub_path(container, mount, values)
    if sub:
        source = await _sub_source(pod, container, index, source, sub, host, paths)
    inside = mount.mountPath if mount.mountPath.startswith("/") else f"/{mount.mountPath}"
    propagation = PROPAGATIONS.get(mount.mountPropagation or "", Propagation.PRIVATE)
    return Mount(inside, source, bool(mount.readOnly) or _is_read_only(pod, mount.name), propagation)


def _is_read_only(pod: Pod, name: str) -> bool:
    """Whether no container may write to the volume, whatever its mount says: what the kubelet fills, it alone changes."""
    volume = next(volume for volume in pod.spec.volumes if volume.name == name)
    claim = volume.persistentVolumeClaim
    return bool(volume.configMap or volume.secret or volume.downwardAPI or volume.projected or (claim and claim.readOnly))


def _sub_path(container: AnyContainer, mount: VolumeMount, values: Mapping[str, str]) -> str:
    if not mount.subPathExpr:
        return mount.subPath
    missing: list[str] = []
    path = expand(mount.subPathExpr, values, missing)
    if missing:
        raise ConfigError(f'missing value for "{missing[0]}"')
    _check(path)
    return path


def _check(path: str) -> None:
    if path.startswith("/"):
        raise ConfigError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise ConfigError(f"unable to provision SubPath `{path}`: must not contain '..'")


async def _sub_source(pod: Pod, container: AnyContainer, index: int, root: str, sub: str, host: Host, paths: Paths) -> str:
    """A bind mount of the sub-path, so that no link swapped in later can lead the container elsewhere."""
    _check(sub)
    name = container.volumeMounts[index].name
    target = paths.subpath(pod.metadata.uid, name, container.name, index)
    failure = f'failed to prepare subPath for volumeMount "{name}" of container "{container.name}"'
    try:
        await unmount_if_mounted(host, target)  # an earlier run's: since then something else may be there
        await host.bind_sub_path(root, sub, target)
    except (OSError, ValueError) as error:
        raise LaunchError("CreateContainerConfigError", failure) from error
    return target
