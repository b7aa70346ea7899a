"""Rules of what a container mounts of its Pod's volumes."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.core.validation.fields import optional_one_of
from pilothouse.api.core.validation.paths import validate_descending
from pilothouse.api.types.core_v1 import Container, EphemeralContainer, Volume, VolumeMount
from pilothouse.machinery.problems import Problems

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
IN_IMAGE = "not allowed in image volume sources"


def validate_mounts(container: Container | EphemeralContainer, volumes: Mapping[str, Volume], problems: Problems) -> None:
    """Volume mounts of a container: known volumes, different paths, propagation. Upstream: ValidateVolumeMounts."""
    privileged = bool(container.securityContext and container.securityContext.privileged)
    devices = {device.name: device.devicePath for device in container.volumeDevices}
    paths: set[str] = set()
    for index, mount in enumerate(container.volumeMounts):
        here = problems.at(index)
        if not mount.name:
            here.at("name").required()
        if mount.name not in volumes:
            here.at("name").not_found(mount.name)
        if not mount.mountPath:
            here.at("mountPath").required()
        if mount.mountPath in paths:
            here.at("mountPath").invalid(mount.mountPath, "must be unique")
        paths.add(mount.mountPath)
        if mount.name in devices:
            here.at("name").invalid(mount.name, "must not already exist in volumeDevices")
        if mount.mountPath in devices.values():
            here.at("mountPath").invalid(mount.mountPath, "must not already exist as a path in volumeDevices")
        if mount.subPath or mount.subPathExpr:
            _validate_sub_path(mount, volumes, here, problems)
        if mount.mountPropagation or mount.recursiveReadOnly:
            _validate_propagation(mount, privileged, problems)


def _validate_sub_path(mount: VolumeMount, volumes: Mapping[str, Volume], here: Problems, every: Problems) -> None:
    volume = volumes.get(mount.name)
    for field in ("subPath", "subPathExpr"):
        value = getattr(mount, field)
        if value and volume and volume.image:
            here.at(field).invalid(value, IN_IMAGE)
        if field == "subPathExpr" and value and mount.subPath:
            here.at(field).invalid(value, "subPathExpr and subPath are mutually exclusive")
        if value:
            validate_descending(value, every.at(field))  # upstream leaves out the index


def _validate_propagation(mount: VolumeMount, privileged: bool, problems: Problems) -> None:
    here = problems.at("mountPropagation")
    optional_one_of(mount.mountPropagation, PROPAGATIONS, here)
    if mount.mountPropagation == "Bidirectional" and not privileged:
        here.forbidden("Bidirectional mount propagation is available only to privileged containers")
    here = problems.at("recursiveReadOnly")
    if mount.recursiveReadOnly in ("Enabled", "IfPossible"):
        if not mount.readOnly:
            here.forbidden("may only be specified when readOnly is true")
        if mount.mountPropagation and mount.mountPropagation != "None":
            here.forbidden("may only be specified when mountPropagation is None or not specified")
    else:
        optional_one_of(mount.recursiveReadOnly, ("Disabled", "Enabled", "IfPossible"), here)


def validate_devices(container: Container | EphemeralContainer, volumes: Mapping[str, Volume], problems: Problems) -> None:
    """Block devices of a container: known claims, different names and paths. Upstream: ValidateVolumeDevices."""
    mounts = {mount.name: mount.mountPath for mount in container.volumeMounts}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.volumeDevices):
        here = problems.at(index)
        volume = volumes.get(device.name)
        if not device.name:
            here.at("name").required()
        if device.name in names:
            here.at("name").invalid(device.name, "must be unique")
        if volume is None:
            here.at("name").not_found(device.name)
        elif not volume.persistentVolumeClaim and not volume.ephemeral:
            message = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            here.at("name").invalid(device.name, message)
        _validate_device_path(device.devicePath, paths, here.at("devicePath"))
        if device.name in mounts:
            here.at("name").invalid(device.name, "must not already exist in volumeMounts")
        if device.devicePath in mounts.values():
            here.at("devicePath").invalid(device.devicePath, "must not already exist as a path in volumeMounts")
        names.add(device.name)


def _validate_device_path(path: str, seen: set[str], problems: Problems) -> None:
    if not path:
        problems.required()
    if path in seen:
        problems.invalid(path, "must be unique")
    if ".." in path.split("/"):
        problems.invalid(path, "can not contain backsteps ('..')")
    seen.add(path)
